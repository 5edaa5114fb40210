"""Answers of the cloud that are absurd: an error of their own call, and nothing of them is kept."""

from __future__ import annotations

import gzip
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from viam.gen.app.v1 import app_pb2, billing_pb2

from support.charging import CHARGING, charge, state_of
from support.faulty_cloud import Outcome, attributes, outcome, service
from support.module_process import ModuleProcess, Service
from support.raw_cloud import RawCloud
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.server.grpc import framed

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABSURD: Mapping[str, tuple[str, bytes]] = {
    "get_available_billing_tiers": ("GetAvailableBillingTiers", 5_000_000 * b"\x0a\x01a"),
    "get_invoices_summary": ("GetInvoicesSummary", 8_000_000 * b"\x12\x00"),
    "get_fleet_usage": ("ListLocations", 8_000_000 * b"\x0a\x00"),
    "get_current_month_usage": ("GetCurrentMonthUsage", 1_000_000 * b"\x72\x02\x12\x00"),
    "get_org_billing_information": (
        "GetOrgBillingInformation",
        billing_pb2.GetOrgBillingInformationResponse(billing_email="x" * 10_000_000).SerializeToString(),
    ),
    "get_location_billing_organization": (
        "GetLocationBillingOrganization",
        billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id="o" * 257).SerializeToString(),
    ),
}


@pytest.fixture(scope="module")
def raw() -> Iterator[RawCloud]:
    """One cloud for all tests of the file."""
    with RawCloud() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def billing(raw: RawCloud, module: ModuleProcess, tmp_path: Path) -> AsyncIterator[Service]:
    """A service of that cloud, whose answers are empty until a test says otherwise."""
    raw.answer({})
    block = attributes(raw.address, tmp_path / "state", **{"cache_ttl_s": 0, **CHARGING, "timeout_s": 20})
    async with service(module, block) as made:
        yield made


def answer(raw: RawCloud, **messages: Message) -> None:
    """Have the cloud answer RPCs with messages."""
    raw.answer({rpc: message.SerializeToString() for rpc, message in messages.items()})


async def ask(billing: Service, command: str, **parameters: object) -> Outcome:
    """How a question ends."""
    return await outcome(billing.ask(command, **parameters))


@pytest.mark.parametrize("command", ABSURD)
async def test_an_absurd_answer_is_an_error_of_the_cloud(raw: RawCloud, billing: Service, command: str) -> None:
    """And others are answered."""
    raw.answer(dict([ABSURD[command]]))
    assert (await ask(billing, command)).code == "cloud_error"
    assert (await ask(billing, "help", name="help")).code == ""


async def test_an_answer_that_unfolds_to_more_than_16_mib_is_an_error_of_the_cloud(
    raw: RawCloud, billing: Service
) -> None:
    """Two million bytes stand for two thousand million."""
    raw.answer({})
    raw.bodies["GetAvailableBillingTiers"] = framed(64 * gzip.compress(bytes(32 * 2**20)), is_compressed=True)
    raw.encoding = b"gzip"
    try:
        assert (await ask(billing, "get_available_billing_tiers")).code == "cloud_error"
    finally:
        raw.encoding = b""


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
async def test_a_cost_that_is_no_number_is_an_error_of_the_cloud(
    raw: RawCloud, billing: Service, number: float
) -> None:
    """In whatever place of the answer, the deprecated ones too."""
    for usage in (
        billing_pb2.GetCurrentMonthUsageResponse(subtotal=number),
        billing_pb2.GetCurrentMonthUsageResponse(subtotal=1, discount_amount=number),
    ):
        answer(raw, GetCurrentMonthUsage=usage)
        assert (await ask(billing, "get_current_month_usage")).code == "cloud_error"
    invoice = billing_pb2.InvoiceSummary(id="i", invoice_amount=number)
    answer(raw, GetInvoicesSummary=billing_pb2.GetInvoicesSummaryResponse(invoices=[invoice]))
    assert (await ask(billing, "get_invoices_summary")).code == "cloud_error"


@pytest.mark.parametrize("rpc", ["GetAvailableBillingTiers", "GetInvoicesSummary"])
async def test_only_answers_with_lists_may_be_large(raw: RawCloud, billing: Service, rpc: str) -> None:
    """Of others 32 may be under way at once."""
    command = {"GetAvailableBillingTiers": "get_available_billing_tiers", "GetInvoicesSummary": "get_invoices_summary"}
    unknown_field = b"\xfa\x7f\x80\x80\x14" + bytes(20 * 2**14)
    raw.answer({rpc: unknown_field})
    assert (await ask(billing, command[rpc])).code == ("" if rpc == "GetInvoicesSummary" else "cloud_error")


async def test_an_absurd_answer_fails_its_row_alone(raw: RawCloud, billing: Service) -> None:
    answer(
        raw,
        ListLocations=app_pb2.ListLocationsResponse(locations=[app_pb2.Location(id="wh1north01")]),
        GetLocationBillingOrganization=billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id="o"),
        GetCurrentMonthUsage=billing_pb2.GetCurrentMonthUsageResponse(subtotal=math.nan),
    )
    fleet = (await ask(billing, "get_fleet_usage")).answer
    assert [row["error"]["code"] for row in fleet["organizations"]] == ["cloud_error"]
    assert [row["billing_organization_id"] for row in fleet["locations"]] == ["o"]
    assert "total_month_to_date" not in fleet


@pytest.mark.parametrize("seconds", [253_402_300_799, -62_135_596_800, 253_402_300_800, 2**62])
async def test_a_month_at_the_end_of_time_is_no_defect(raw: RawCloud, billing: Service, seconds: int) -> None:
    """The years 9999 and 1, and those that no calendar has."""
    usage = billing_pb2.GetCurrentMonthUsageResponse(subtotal=1, start_date=Timestamp(seconds=seconds))
    answer(raw, GetCurrentMonthUsage=usage)
    assert (await ask(billing, "get_current_month_usage")).code in ("", "cloud_error")


async def test_10_000_invoices_are_answered(raw: RawCloud, billing: Service) -> None:
    due = Timestamp(seconds=1_600_000_000)
    invoice = billing_pb2.InvoiceSummary(id="i", invoice_amount=0.5, status="outstanding", due_date=due)
    answer(raw, GetInvoicesSummary=billing_pb2.GetInvoicesSummaryResponse(invoices=[invoice] * 10_000))
    found = (await ask(billing, "get_invoices_summary")).answer
    assert (len(found["invoices"]), found["overdue_count"], found["overdue_balance"]) == (10_000, 10_000, 5000)


async def test_more_than_10_000_locations_are_not_asked_for(raw: RawCloud, billing: Service) -> None:
    """Each would be a call to the cloud, and a row."""
    names = [f"location{number}" for number in range(10_001)]
    answer(raw, ListLocations=app_pb2.ListLocationsResponse(locations=[app_pb2.Location(id=name) for name in names]))
    found = await outcome(billing.ask("get_fleet_usage"))
    assert found.code == "result_too_large"
    assert "10,001 locations" in found.text
    assert (await billing.status())["cloud_calls"] == 1


async def test_a_charge_whose_invoice_has_an_absurd_id_is_unknown(raw: RawCloud, billing: Service) -> None:
    """It was made. The journal has nothing of the answer, and can be read."""
    answer(raw, ChargeOrganization=billing_pb2.ChargeOrganizationResponse(invoice_id="i" * 10_000_000))
    found = await outcome(billing.do(charge("absurd", HARBOR_ID)))
    assert found.code == "charge_outcome_unknown"
    assert await state_of(billing, "absurd") == "unknown"
    assert len((await ask(billing, "list_charges")).answer["charges"]) == 1
