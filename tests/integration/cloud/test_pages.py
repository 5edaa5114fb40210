"""A web page in place of an answer, as proxies and load balancers send it: the cloud was not reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.charging import charge, state_of
from support.faulty_cloud import PAYER_LOCATION, outcome
from support.module_process import Service
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

Make = Callable[..., Awaitable[Service]]

USAGE, INVOICES, CHARGE = "GetCurrentMonthUsage", "GetInvoicesSummary", "ChargeOrganization"
STATUSES = (200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 520)
ALL = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]}

each_status = pytest.mark.parametrize("http_status", STATUSES)


@each_status
async def test_a_known_answer_stands_in_for_a_page(make: Make, control: SandboxControl, http_status: int) -> None:
    """Nothing is forgotten, whatever the status would mean from the cloud, and the key stays good."""
    service = await make(**ALL)
    known = await service.ask("get_current_month_usage")
    control.set_fault(Fault(USAGE, http_status=http_status))
    for _ in range(2):
        found = await service.ask("get_current_month_usage", max_age_s=0)
        assert (found["stale"], found["stale_reason"]) == (True, "cloud_unreachable")
        assert found["as_of"] == known["as_of"]
    control.clear_faults()
    await service.back()
    assert control.stats().logins == 1


@each_status
async def test_without_a_known_answer_the_cloud_is_unreachable(
    make: Make, control: SandboxControl, http_status: int
) -> None:
    service = await make(**ALL)
    control.set_fault(Fault(USAGE, http_status=http_status))
    assert (await outcome(service.ask("get_current_month_usage"))).code == "cloud_unreachable"


@each_status
async def test_a_page_in_place_of_a_login_says_nothing_of_the_key(
    make: Make, control: SandboxControl, http_status: int
) -> None:
    service = await make(**ALL)
    control.set_fault(Fault("Authenticate", http_status=http_status))
    assert (await outcome(service.ask("get_current_month_usage"))).code == "cloud_unreachable"
    control.clear_faults()
    await service.back()


@each_status
async def test_a_page_in_place_of_a_charge_leaves_it_unknown(
    charger: Service, control: SandboxControl, http_status: int
) -> None:
    """What sent the page may have passed the charge on before."""
    control.set_fault(Fault(CHARGE, http_status=http_status, when="after"))
    key = f"page {http_status}"
    assert (await outcome(charger.do(charge(key)))).code == "charge_outcome_unknown"
    assert await state_of(charger, key) == "unknown"


@pytest.mark.parametrize("http_status", [200, 403, 500])
async def test_a_page_fails_one_row_of_a_fleet(make: Make, control: SandboxControl, http_status: int) -> None:
    service = await make(**ALL)
    control.set_fault(Fault(USAGE, http_status=http_status, only_for=HARBOR_ID))
    found = await service.ask("get_fleet_usage", location_ids=[DEFAULT_LOCATION_ID, PAYER_LOCATION])
    rows = {row["org_id"]: row for row in found["organizations"]}
    assert rows[HARBOR_ID]["error"]["code"] == "cloud_unreachable"
    assert rows[DEFAULT_ORG_ID]["month_to_date"] > 0


@pytest.mark.parametrize("http_status", [200, 403, 500])
async def test_a_page_fails_one_call_of_check_access(make: Make, control: SandboxControl, http_status: int) -> None:
    service = await make(**ALL)
    control.set_fault(Fault(INVOICES, http_status=http_status))
    answer = await service.ask("check_access")
    assert answer["authenticated"] is True
    assert answer["calls"].pop("get_invoices_summary") == "cloud_unreachable"
    assert set(answer["calls"].values()) == {"ok"}


@pytest.mark.parametrize("http_status", [200, 502])
@pytest.mark.parametrize("size_bytes", [20_000, 2_000_000])
async def test_a_large_page_is_a_page(make: Make, control: SandboxControl, http_status: int, size_bytes: int) -> None:
    service = await make(**ALL)
    control.set_fault(Fault(USAGE, http_status=http_status, answer_size_bytes=size_bytes))
    assert (await outcome(service.ask("get_current_month_usage"))).code == "cloud_unreachable"
