"""A charge without an answer, or with a bad one: failed and free to be repeated, or unknown and never sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from support.charging import INVOICES, RPC, charge, keys, state_of
from support.faulty_cloud import until
from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import When

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSALS = {
    "PERMISSION_DENIED": "key_lacks_permission",
    "INVALID_ARGUMENT": "cloud_rejected",
    "NOT_FOUND": "not_found",
    "OUT_OF_RANGE": "cloud_rejected",
    "UNIMPLEMENTED": "cloud_unimplemented",
}
"""Answers that say that nothing was charged, with the caller's code; UNAUTHENTICATED has a test of its own."""
STATUSES = {name for name in grpc.StatusCode.__members__ if name != "OK"}
LOST = sorted(STATUSES - REFUSALS.keys() - {"UNAUTHENTICATED", "FAILED_PRECONDITION"})
ENDS: dict[str, dict[str, Any]] = {
    **{status: {"status": status} for status in LOST},
    "a cut connection": {"drop_connection": True},
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_is_failed(charger: Service, control: SandboxControl, status: str) -> None:
    """The entry has the error, and the same key is a new attempt, at once."""
    control.set_fault(Fault(RPC, status=status, message="no such thing", count=1))
    refusal = await refused(charger.do(charge("a")))
    assert refusal.code == REFUSALS[status]
    assert "Nothing was charged: the same idempotency_key may be sent again." in refusal.text
    entry = await charger.ask("get_charge", idempotency_key="a")
    assert (entry["state"], entry["error"]["code"]) == ("failed", REFUSALS[status])
    assert "no such thing" in entry["error"]["message"]
    answer = await charger.do(charge("a"))
    assert (answer["state"], answer["attempts"], answer["replayed"]) == ("succeeded", 2, False)
    assert "error" not in answer
    assert keys(control.stats()) == ["a"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("end", ENDS)
async def test_any_other_end_is_unknown(charger: Service, control: SandboxControl, end: str, when: When) -> None:
    """Whether or not the cloud had worked; it is never sent again, and a look at the invoices tells which."""
    control.set_fault(Fault(RPC, when=when, count=1, **ENDS[end]))
    refusal = await refused(charger.do(charge("a")))
    assert refusal.code == "charge_outcome_unknown"
    assert '"a"' in refusal.text
    assert "reconcile_charges" in refusal.text
    assert await state_of(charger, "a") == "unknown"
    assert (await refused(charger.do(charge("a")))).code == "charge_outcome_unknown"
    found = await charger.ask("reconcile_charges")
    assert [e["idempotency_key"] for e in found["settled" if when == "after" else "still_unknown"]] == ["a"]
    assert keys(control.stats()) == (["a"] if when == "after" else [])
    assert control.stats().calls[RPC] == 1


async def test_an_unknown_charge_is_an_error_in_the_log(charger: Service, control: SandboxControl) -> None:
    """With the key, the organization, the amount and the next command."""
    control.set_fault(Fault(RPC, status="INTERNAL", count=1))
    await refused(charger.do(charge("in-the-log")))
    line = next(line for line in charger.module.log.splitlines() if '"in-the-log"' in line)
    assert "ERROR" in line
    assert all(word in line for word in (HARBOR_ID, "12.50", "reconcile_charges"))


@pytest.mark.parametrize("command", ["charge_organization", "create_invoice_and_charge_immediately"])
async def test_a_token_that_has_expired_charges_nothing(
    charger: Service, control: SandboxControl, command: str
) -> None:
    """It is not sent again by the module, which logs in anew; the message says to repeat the key, and that works."""
    await charger.ask("get_available_billing_tiers")
    rpc = "ChargeOrganization" if command == "charge_organization" else "CreateInvoiceAndChargeImmediately"
    amount = "subtotal" if command == "charge_organization" else "amount"
    control.set_fault(Fault(rpc, status="UNAUTHENTICATED", count=1))
    block: dict[str, Any] = {"org_id": HARBOR_ID, amount: 5, "description": "a", "idempotency_key": "a"}
    refusal = await refused(charger.ask(command, **block))
    assert "the same idempotency_key may be sent again" in refusal.text
    assert "logs in anew" in refusal.text

    async def logged_in_anew() -> bool:
        return control.stats().logins == 2

    await until(logged_in_anew, within_s=10)  # in the background: the caller does not wait for it
    stats = control.stats()
    assert (stats.calls[rpc], keys(stats)) == (1, [])
    assert await state_of(charger, "a") == "failed"
    assert (await charger.ask(command, **block))["attempts"] == 2
    assert keys(control.stats()) == ["a"]


async def test_tokens_that_end_before_the_charge(charger: Service, control: SandboxControl) -> None:
    """The invoices are read with a new one, so that the charge meets a good one."""
    await charger.ask("get_available_billing_tiers")
    control.expire_tokens()
    assert (await charger.do(charge("a")))["attempts"] == 1
    assert control.stats().calls[RPC] == 1


async def test_a_failed_precondition_without_an_invoice_is_failed(charger: Service, control: SandboxControl) -> None:
    """The invoices are read again, and show none that was not there."""
    control.set_fault(Fault(RPC, status="FAILED_PRECONDITION", message="card declined", count=1))
    refusal = await refused(charger.do(charge("a")))
    assert (refusal.code, "card declined" in refusal.text) == ("cloud_rejected", True)
    assert await state_of(charger, "a") == "failed"
    assert control.stats().calls[INVOICES] == 2
    assert (await charger.do(charge("a")))["attempts"] == 2


async def test_a_failed_precondition_with_an_invoice_is_unknown(charger: Service, control: SandboxControl) -> None:
    """Left behind, whatever its amount: it may be paid yet."""
    control.set_fault(Fault(RPC, status="FAILED_PRECONDITION", when="after", count=1))
    assert (await refused(charger.do(charge("a")))).code == "charge_outcome_unknown"
    control.set_fault(Fault(RPC, status="FAILED_PRECONDITION", latency_before_s=0.4, count=1))
    call = asyncio.create_task(refused(charger.do(charge("b", NORTHWIND_ID))))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(RPC) == 2)
    control.patch_organization(NORTHWIND_ID, add_invoices=[{"hours_ago": 0, "amount": 1, "id": "left-behind"}])
    assert (await call).code == "charge_outcome_unknown"


async def test_a_failed_precondition_that_cannot_be_looked_into_is_unknown(
    charger: Service, control: SandboxControl
) -> None:
    """The invoices cannot be read any more, or never could."""
    control.set_fault(Fault(RPC, status="FAILED_PRECONDITION"))
    control.set_fault(Fault(INVOICES, status="INTERNAL", skip=1, count=1))
    assert (await refused(charger.do(charge("a")))).code == "charge_outcome_unknown"
    control.set_fault(Fault(INVOICES, status="PERMISSION_DENIED"))
    assert (await refused(charger.do(charge("b", NORTHWIND_ID)))).code == "charge_outcome_unknown"
    assert (await charger.ask("get_charge", idempotency_key="b"))["reconcilable"] is False


@pytest.mark.parametrize("status", ["UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED"])
async def test_without_the_invoices_nothing_is_sent(charger: Service, control: SandboxControl, status: str) -> None:
    """The key stays unused: the journal has no entry, and the next attempt with the key is its first."""
    control.set_fault(Fault(INVOICES, status=status))
    refusal = await refused(charger.do(charge("a")))
    assert "Nothing was sent: the same idempotency_key may be sent again." in refusal.text
    assert (await refused(charger.ask("get_charge", idempotency_key="a"))).code == "not_found"
    assert RPC not in control.stats().calls
    control.clear_faults()
    await charger.back()
    assert (await charger.do(charge("a")))["attempts"] == 1


async def test_invoices_that_may_not_be_read(charger: Service, control: SandboxControl) -> None:
    """The charge goes on; if its answer is lost, reconciling settles nothing, though the invoice could be read then."""
    control.set_fault(Fault(INVOICES, status="PERMISSION_DENIED", count=2))
    assert (await charger.do(charge("a")))["reconcilable"] is False
    control.set_fault(Fault(RPC, status="UNAVAILABLE", when="after", count=1))
    assert (await refused(charger.do(charge("b")))).code == "charge_outcome_unknown"
    found = await charger.ask("reconcile_charges")
    assert [(e["idempotency_key"], e["reconcilable"]) for e in found["still_unknown"]] == [("b", False)]
    assert found["settled"] == []


async def test_a_cloud_that_is_gone_leaves_the_key_unused(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any]
) -> None:
    """Nobody listens there any more: nothing can have been sent."""
    with SandboxProcess("--quiet") as gone:
        service = await make(**{**charging, "app_address": gone.address})
        await service.ask("get_available_billing_tiers")
        gone.kill()
        refusal = await refused(service.do(charge("a")))
        assert (refusal.code, "Nothing was sent" in refusal.text) == ("cloud_unreachable", True)
        assert (await refused(service.ask("get_charge", idempotency_key="a"))).code == "not_found"
        gone.start()
        await service.back()
        assert (await service.do(charge("a")))["attempts"] == 1
        assert keys(gone.control.stats()) == ["a"]
