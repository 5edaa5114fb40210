"""Frames of HTTP/2 that a client has to live with: unknown ones, early hints, GOAWAY, RST_STREAM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.charging import charge, keys, sent, state_of
from support.faulty_cloud import outcome
from support.module_process import ModuleProcess, Service
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import Frame, GoAway

pytestmark = pytest.mark.asyncio(loop_scope="module")

Make = Callable[..., Awaitable[Service]]

USAGE, INVOICES, CHARGE = "GetCurrentMonthUsage", "GetInvoicesSummary", "ChargeOrganization"
IGNORED: tuple[Frame, ...] = ("unknown", "origin", "altsvc", "priority_update")
REFUSED_STREAM = "Stream removed (RST_STREAM (Received RST_STREAM with error code 7))"
"""How gRPC core words it; the words of a cloud that met it further on hold a little more."""


@pytest.mark.parametrize("frame", IGNORED)
async def test_a_frame_that_nobody_needs_is_ignored(
    make: Make, charging: dict[str, object], control: SandboxControl, module: ModuleProcess, frame: Frame
) -> None:
    """Before every answer, the login's too; no connection is lost by it."""
    control.set_fault(Fault(frame=frame))
    begin = len(module.log)
    service = await make(**charging)
    assert (await service.ask("get_current_month_usage"))["stale"] is False
    assert set((await service.ask("check_access"))["calls"].values()) == {"ok"}
    assert (await service.do(charge(f"before {frame}")))["state"] == "succeeded"
    assert (await service.status())["retries"] == 0
    assert "ERROR" not in module.log[begin:]


@pytest.mark.parametrize("rpc", [USAGE, "Authenticate"])
async def test_early_hints_cost_one_attempt_of_a_read(make: Make, control: SandboxControl, rpc: str) -> None:
    control.set_fault(Fault(rpc, frame="early_hints", count=1))
    service = await make()
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False


async def test_early_hints_before_each_answer_of_one_call_cost_that_call_alone(
    make: Make, control: SandboxControl
) -> None:
    service = await make(timeout_s=2)
    control.set_fault(Fault(INVOICES, frame="early_hints"))
    assert (await outcome(service.ask("get_invoices_summary"))).code == "cloud_unreachable"
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False


async def test_early_hints_before_the_answer_to_a_charge_leave_it_unknown(
    charger: Service, control: SandboxControl
) -> None:
    control.set_fault(Fault(CHARGE, frame="early_hints"))
    assert (await outcome(charger.do(charge("hinted")))).code == "charge_outcome_unknown"
    assert (await charger.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    assert keys(control.stats()) == ["hinted"]


@pytest.mark.parametrize("goaway", ["graceful", "last"])
async def test_a_connection_that_goes_away_gracefully_ends_its_charge_well(
    charger: Service, control: SandboxControl, goaway: GoAway
) -> None:
    control.set_fault(Fault(CHARGE, goaway=goaway, latency_before_s=0.3))
    under_way = asyncio.ensure_future(charger.do(charge(goaway)))
    await sent(control)
    assert (await charger.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    assert (await under_way)["state"] == "succeeded"
    assert keys(control.stats()) == [goaway]


@pytest.mark.parametrize("goaway", ["graceful", "last", "refused"])
async def test_a_read_survives_a_connection_that_goes_away(make: Make, control: SandboxControl, goaway: GoAway) -> None:
    service = await make()
    control.set_fault(Fault(USAGE, goaway=goaway, count=1))
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False


async def test_a_read_that_is_refused_as_a_stream_is_sent_again(make: Make, control: SandboxControl) -> None:
    control.set_fault(Fault(USAGE, reset="REFUSED_STREAM", count=2))
    assert (await (await make()).ask("get_current_month_usage"))["stale"] is False
    assert control.stats().calls[USAGE] == 3


async def test_a_charge_that_is_refused_as_a_stream_has_failed(charger: Service, control: SandboxControl) -> None:
    """HTTP/2 says that nothing was processed, so the same key may charge."""
    control.set_fault(Fault(CHARGE, reset="REFUSED_STREAM", count=1))
    assert (await outcome(charger.do(charge("refused")))).code == "cloud_unreachable"
    assert await state_of(charger, "refused") == "failed"
    assert control.stats().calls[CHARGE] == 1
    assert (await charger.do(charge("refused")))["state"] == "succeeded"
    assert keys(control.stats()) == ["refused"]


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(CHARGE, reset=code, when="after") for code in ("NO_ERROR", "INTERNAL_ERROR", "CANCEL")),
        Fault(CHARGE, reset="ENHANCE_YOUR_CALM", when="after"),
        Fault(CHARGE, goaway="refused", when="after"),
        Fault(CHARGE, answer="cut_off"),
        Fault(CHARGE, drop_connection=True, when="after"),
        Fault(CHARGE, status="UNAVAILABLE", message=f"upstream: {REFUSED_STREAM}", when="after"),
        Fault(CHARGE, status="UNAVAILABLE", message="RST_STREAM with error code 7", when="after"),
    ],
    ids=lambda fault: fault.reset or fault.answer or fault.goaway or fault.message or "drop_connection",
)
async def test_a_charge_that_ends_in_another_way_is_unknown(
    charger: Service, control: SandboxControl, fault: Fault
) -> None:
    """Whatever the words: it may have been made, and here it was."""
    control.set_fault(fault)
    assert (await outcome(charger.do(charge("lost")))).code == "charge_outcome_unknown"
    assert await state_of(charger, "lost") == "unknown"
    assert keys(control.stats()) == ["lost"]


@pytest.mark.parametrize("code", ["CANCEL", "INTERNAL_ERROR", "ENHANCE_YOUR_CALM", "REFUSED_STREAM"])
async def test_a_call_whose_stream_is_always_reset_leaves_the_others_alone(
    make: Make, control: SandboxControl, code: str
) -> None:
    """The connection stands, so the cloud is not away."""
    service = await make(timeout_s=2)
    control.set_fault(Fault(INVOICES, reset=code))
    calls = (await service.ask("check_access"))["calls"]
    assert calls.pop("get_invoices_summary") == "cloud_unreachable"
    assert set(calls.values()) == {"ok"}
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False


async def test_a_connection_that_falls_silent_is_found_dead(make: Make, control: SandboxControl) -> None:
    """No reset and no end tell it; a new connection serves the next read."""
    service = await make(timeout_s=2)
    await service.ask("get_current_month_usage")
    control.mute()
    assert (await outcome(service.ask("get_available_billing_tiers"))).code == "cloud_timeout"
    await service.back()
