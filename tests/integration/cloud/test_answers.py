"""Answers of the cloud that are compressed, unreadable or incomplete: a problem of one call, told at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.charging import charge, keys, state_of
from support.faulty_cloud import PAYER_LOCATION, outcome
from support.module_process import ModuleProcess, Service
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import Answer
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

Make = Callable[..., Awaitable[Service]]

USAGE, INVOICES, CHARGE, PDF = "GetCurrentMonthUsage", "GetInvoicesSummary", "ChargeOrganization", "GetInvoicePdf"
PATIENCE_S = 20.0
AT_ONCE_S = 5.0
"""Far below the patience, and enough for a machine that is busy with other tests."""
ALL = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"], "timeout_s": PATIENCE_S}
UNREADABLE: tuple[Answer, ...] = (
    "broken_gzip",
    "unknown_encoding",
    "not_protobuf",
    "not_utf8",
    "too_short",
    "too_long",
    "no_message",
    "two_messages",
    "no_trailers",
    "refusal_after_message",
)
UNREADABLE_PART: tuple[Answer, ...] = ("broken_gzip", "not_protobuf", "too_short", "too_long", "no_trailers")
"""Of the stream of a PDF, which may have any number of messages and no text."""


def is_defect(log: str) -> bool:
    """Whether the module takes something for a fault of its own."""
    return any(word in log for word in ("defect", "internal_error", "Traceback"))


async def test_compressed_answers_are_read(make: Make, charging: dict[str, object], control: SandboxControl) -> None:
    control.set_fault(Fault(answer="gzip"))
    service = await make(**{**charging, "allowed_location_ids": ["*"]})
    fleet = await service.ask("get_fleet_usage", location_ids=[DEFAULT_LOCATION_ID, PAYER_LOCATION])
    assert fleet["complete"] is True
    invoice = (await service.ask("get_invoices_summary"))["invoices"][0]["id"]
    assert set((await service.ask("check_access"))["calls"].values()) == {"ok"}
    assert (await service.ask("get_invoice_pdf", invoice_id=invoice))["size_bytes"] > 500
    assert (await service.do(charge("compressed")))["state"] == "succeeded"


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_unreadable_answer_is_an_error_at_once(
    make: Make, control: SandboxControl, module: ModuleProcess, answer: Answer
) -> None:
    """Also where an older answer is known: the cloud was reached. The next answer counts again."""
    service = await make(**ALL)
    await service.ask("get_current_month_usage")
    begin = len(module.log)
    control.set_fault(Fault(USAGE, answer=answer))
    found = await outcome(service.ask("get_current_month_usage", max_age_s=0))
    assert (found.code, found.time_s < AT_ONCE_S) == ("cloud_error", True)
    control.clear_faults()
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    assert not is_defect(module.log[begin:])


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_unreadable_answer_fails_one_row_of_a_fleet(
    make: Make, control: SandboxControl, answer: Answer
) -> None:
    service = await make(**ALL)
    control.set_fault(Fault(USAGE, answer=answer, only_for=HARBOR_ID))
    found = await service.ask("get_fleet_usage", location_ids=[DEFAULT_LOCATION_ID, PAYER_LOCATION])
    rows = {row["org_id"]: row for row in found["organizations"]}
    assert rows[HARBOR_ID]["error"]["code"] == "cloud_error"
    assert rows[DEFAULT_ORG_ID]["month_to_date"] > 0
    assert (found["failed_count"], found["complete"]) == (1, False)


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_unreadable_answer_fails_one_call_of_check_access(
    make: Make, control: SandboxControl, answer: Answer
) -> None:
    service = await make(**ALL)
    control.set_fault(Fault(INVOICES, answer=answer))
    calls = (await service.ask("check_access"))["calls"]
    assert calls.pop("get_invoices_summary") == "cloud_error"
    assert set(calls.values()) == {"ok"}


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_unreadable_login_is_an_error_at_once(
    make: Make, control: SandboxControl, module: ModuleProcess, answer: Answer
) -> None:
    service = await make(**ALL)
    begin = len(module.log)
    control.set_fault(Fault("Authenticate", answer=answer))
    found = await outcome(service.ask("get_current_month_usage"))
    assert (found.code, found.time_s < AT_ONCE_S) == ("cloud_error", True)
    control.clear_faults()
    assert (await service.ask("get_current_month_usage"))["stale"] is False
    assert not is_defect(module.log[begin:])


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_unreadable_answer_to_a_charge_leaves_it_unknown(
    charger: Service, control: SandboxControl, answer: Answer
) -> None:
    """It was made, and it is not made again."""
    control.set_fault(Fault(CHARGE, answer=answer))
    found = await outcome(charger.do(charge(answer)))
    assert (found.code, found.time_s < AT_ONCE_S) == ("charge_outcome_unknown", True)
    assert (await outcome(charger.do(charge(answer)))).code == "charge_outcome_unknown"
    assert await state_of(charger, answer) == "unknown"
    assert keys(control.stats()) == [answer]


@pytest.mark.parametrize("answer", UNREADABLE_PART)
async def test_an_unreadable_part_of_a_pdf_is_an_error_at_once(
    make: Make, control: SandboxControl, answer: Answer
) -> None:
    service = await make(**ALL)
    invoice = (await service.ask("get_invoices_summary"))["invoices"][0]["id"]
    control.set_fault(Fault(PDF, answer=answer))
    found = await outcome(service.ask("get_invoice_pdf", invoice_id=invoice))
    assert (found.code, found.time_s < AT_ONCE_S) == ("cloud_error", True)


async def test_an_answer_of_15_mib_is_read(make: Make, control: SandboxControl) -> None:
    control.set_fault(Fault(INVOICES, answer_size_bytes=15 * 2**20))
    assert (await (await make(**ALL)).ask("get_invoices_summary"))["total_invoices"] == 12


async def test_an_answer_of_17_mib_is_an_error_for_that_call_alone(make: Make, control: SandboxControl) -> None:
    control.set_fault(Fault(INVOICES, answer_size_bytes=17 * 2**20))
    calls = (await (await make(**ALL)).ask("check_access"))["calls"]
    assert calls.pop("get_invoices_summary") == "cloud_error"
    assert set(calls.values()) == {"ok"}


async def test_an_answer_that_comes_in_small_pieces_is_read(make: Make, control: SandboxControl) -> None:
    control.set_fault(Fault(INVOICES, chunk_bytes=100, chunk_delay_s=0.01))
    assert (await (await make(**ALL)).ask("get_invoices_summary"))["total_invoices"] == 12


async def test_an_answer_that_breaks_off_is_asked_for_again(make: Make, control: SandboxControl) -> None:
    control.set_fault(Fault(INVOICES, answer="cut_off", count=1))
    assert (await (await make(**ALL)).ask("get_invoices_summary"))["stale"] is False
    assert control.stats().calls[INVOICES] == 2


async def test_a_token_of_6_kib_is_used(make: Make, control: SandboxControl) -> None:
    control.set_fault(Fault("Authenticate", token_size_bytes=6 * 1024))
    assert (await (await make(**ALL)).ask("get_invoices_summary"))["stale"] is False


@pytest.mark.parametrize("token", ["two\nlines", "tab\there", "ümlaut", "\x00", "日本"])
async def test_a_token_that_no_header_can_carry_is_an_error_of_the_cloud(
    make: Make, control: SandboxControl, module: ModuleProcess, token: str
) -> None:
    service = await make(**ALL)
    begin = len(module.log)
    control.set_fault(Fault("Authenticate", token=token))
    assert (await outcome(service.ask("get_current_month_usage"))).code == "cloud_error"
    control.clear_faults()
    assert (await service.ask("get_current_month_usage"))["stale"] is False
    assert not is_defect(module.log[begin:])
