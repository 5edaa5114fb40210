"""What becomes of a charge whose answer was lost: reconciling, by command and by itself, and a person's decision."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from grpclib import GRPCError

from support.charging import INVOICES, RPC, change_journal, charge, keys, state_of
from support.faulty_cloud import until
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def lose(service: Service | ModuleProcess, control: SandboxControl, key: str, *, charged: bool) -> None:
    """A charge of Harbor Logistics whose answer is lost, after the cloud's work or before."""
    control.set_fault(Fault(RPC, status="INTERNAL", when="after" if charged else "before", count=1))
    assert (await refused(service.do(charge(key)))).code == "charge_outcome_unknown"


async def entry(service: Service | ModuleProcess, key: str) -> dict[str, Any]:
    """What the journal has."""
    return await service.ask("get_charge", idempotency_key=key)


async def test_the_one_new_invoice_settles_a_charge(charger: Service, control: SandboxControl) -> None:
    """Beside equal ones that were there before or are another entry's; the key is replayed from then on."""
    control.patch_organization(HARBOR_ID, add_invoices=[{"hours_ago": 1, "amount": 12.5, "id": "equal-and-earlier"}])
    await charger.do(charge("a"))
    await lose(charger, control, "b", charged=True)
    (settled,) = (await charger.ask("reconcile_charges"))["settled"]
    invoice_id = control.stats().charges[1]["invoice_id"]
    assert (settled["idempotency_key"], settled["state"]) == ("b", "succeeded")
    assert settled["invoice_id"] == invoice_id
    assert "checked_at" in settled
    answer = await charger.do(charge("b"))
    assert (answer["replayed"], answer["invoice_id"]) == (True, invoice_id)
    assert (await charger.ask("reconcile_charges")) == {"settled": [], "still_unknown": []}


async def test_without_an_invoice_it_stays_unknown(charger: Service, control: SandboxControl) -> None:
    """Not one of another amount, nor one dated more than a day before; it is never concluded that it failed."""
    await lose(charger, control, "a", charged=False)
    others = [
        {"hours_ago": 0, "amount": 12.51, "id": "another-amount"},
        {"hours_ago": 25, "amount": 12.5, "id": "too-old"},
    ]
    control.patch_organization(HARBOR_ID, add_invoices=others)
    for _ in range(2):
        found = await charger.ask("reconcile_charges")
        assert [(e["idempotency_key"], e["state"]) for e in found["still_unknown"]] == [("a", "unknown")]
        assert found["settled"] == []
        assert "checked_at" in found["still_unknown"][0]
    assert (await refused(charger.do(charge("a")))).code == "charge_outcome_unknown"


async def test_an_invoice_dated_a_little_earlier_is_taken(charger: Service, control: SandboxControl) -> None:
    """The cloud's clock is not the robot's."""
    await lose(charger, control, "a", charged=False)
    control.patch_organization(HARBOR_ID, add_invoices=[{"hours_ago": 23, "amount": 12.5, "id": "earlier"}])
    assert (await charger.ask("reconcile_charges"))["settled"][0]["invoice_id"] == "earlier"


async def test_twins_settle_nothing(charger: Service, control: SandboxControl) -> None:
    """Two invoices fit: both are shown, and a person says which one it is."""
    await lose(charger, control, "a", charged=True)
    own = control.stats().charges[0]["invoice_id"]
    control.patch_organization(HARBOR_ID, add_invoices=[{"hours_ago": 0, "amount": 12.5, "id": "twin"}])
    found = await charger.ask("reconcile_charges")
    assert found["settled"] == []
    assert found["still_unknown"][0]["candidates"] == [own, "twin"]
    assert (await entry(charger, "a"))["candidates"] == [own, "twin"]
    refusal = await refused(charger.ask("resolve_charge", idempotency_key="a", outcome="failed", note="a guess"))
    assert (refusal.code, own in refusal.text) == ("invalid_request", True)
    answer = await charger.ask(
        "resolve_charge", idempotency_key="a", outcome="succeeded", invoice_id=own, note="by the PDF"
    )
    assert (answer["state"], answer["invoice_id"], answer["note"]) == ("succeeded", own, "by the PDF")
    assert "candidates" not in answer
    assert (await charger.do(charge("a")))["replayed"] is True


async def test_only_an_unknown_charge_can_be_resolved(charger: Service, control: SandboxControl) -> None:
    """Not one that succeeded, failed, is under way or is not there; and the parameters have to make sense."""
    await charger.do(charge("good"))
    control.set_fault(Fault(RPC, status="NOT_FOUND", count=1))
    await refused(charger.do(charge("bad")))
    for key, code in (("good", "invalid_request"), ("bad", "invalid_request"), ("none", "not_found")):
        for outcome in ("succeeded", "failed"):
            refusal = await refused(charger.ask("resolve_charge", idempotency_key=key, outcome=outcome, note="n"))
            assert refusal.code == code
    await lose(charger, control, "a", charged=False)
    invoice = (await entry(charger, "good"))["invoice_id"]
    wrong: list[dict[str, Any]] = [
        {"outcome": "succeeded", "invoice_id": invoice, "note": "it is the other one's"},
        {"outcome": "failed", "invoice_id": "in_1", "note": "what failed has no invoice"},
        {"outcome": "succeeded"},
        {"outcome": "failed", "note": ""},
        {"outcome": "unknown", "note": "n"},
        {"note": "n"},
    ]
    for block in wrong:
        assert (await refused(charger.ask("resolve_charge", idempotency_key="a", **block))).code == "invalid_request"
    assert await state_of(charger, "a") == "unknown"


async def test_resolved_as_failed_the_key_is_free(charger: Service, control: SandboxControl) -> None:
    """The block ends, and the same key is a new attempt."""
    await lose(charger, control, "a", charged=False)
    answer = await charger.ask("resolve_charge", idempotency_key="a", outcome="failed", note="asked the customer")
    assert (answer["state"], answer["note"]) == ("failed", "asked the customer")
    again = await charger.do(charge("a"))
    assert (again["attempts"], again["state"], again["note"]) == (2, "succeeded", "asked the customer")
    assert keys(control.stats()) == ["a"]


async def test_it_is_resolved_also_where_the_invoices_cannot_be_read(charger: Service, control: SandboxControl) -> None:
    """A person may know more than the cloud tells now."""
    await lose(charger, control, "a", charged=False)
    control.set_fault(Fault(INVOICES, status="PERMISSION_DENIED"))
    answer = await charger.ask("resolve_charge", idempotency_key="a", outcome="failed", note="asked the customer")
    assert answer["state"] == "failed"


async def test_a_late_invoice_is_shown_and_keeps_the_key(charger: Service, control: SandboxControl) -> None:
    """It turned up after a person had said that the charge failed: an error in the log, and it is not sent again."""
    await lose(charger, control, "late", charged=False)
    await charger.ask("resolve_charge", idempotency_key="late", outcome="failed", note="asked too early")
    control.patch_organization(HARBOR_ID, add_invoices=[{"hours_ago": 0, "amount": 12.5, "id": "in-late"}])
    await charger.ask("reconcile_charges")
    found = await entry(charger, "late")
    assert (found["state"], found["late_invoice"]) == ("failed", "in-late")
    line = next(line for line in charger.module.log.splitlines() if "in-late" in line)
    assert "ERROR" in line
    assert '"late"' in line
    refusal = await refused(charger.do(charge("late")))
    assert (refusal.code, "in-late" in refusal.text) == ("charge_outcome_unknown", True)
    assert (await charger.do(charge("other")))["state"] == "succeeded"
    assert keys(control.stats()) == ["other"]


async def test_a_late_invoice_is_seen_before_the_next_charge(charger: Service, control: SandboxControl) -> None:
    """The list that is read before it has it; it is not taken for the next charge's own."""
    await lose(charger, control, "late", charged=False)
    await charger.ask("resolve_charge", idempotency_key="late", outcome="failed", note="asked too early")
    control.patch_organization(HARBOR_ID, add_invoices=[{"hours_ago": 0, "amount": 12.5, "id": "in-late-2"}])
    await lose(charger, control, "next", charged=False)
    assert (await entry(charger, "late"))["late_invoice"] == "in-late-2"
    assert (await charger.ask("reconcile_charges"))["settled"] == []


async def test_reconciling_needs_the_cloud(charger: Service, control: SandboxControl) -> None:
    """Where something is unknown and nothing can be read, it is an error; with nothing unknown there is no call."""
    assert await charger.ask("reconcile_charges") == {"settled": [], "still_unknown": []}
    assert INVOICES not in control.stats().calls
    await lose(charger, control, "a", charged=True)
    control.set_fault(Fault(INVOICES, status="INTERNAL", count=1))
    assert (await refused(charger.ask("reconcile_charges"))).code == "cloud_error"
    assert len((await charger.ask("reconcile_charges"))["settled"]) == 1


async def _killed_while_sent(module: ModuleProcess, control: SandboxControl, state_dir: str, older_s: float) -> None:
    control.set_fault(Fault(RPC, never_answer=True, when="after"))
    call = asyncio.create_task(module.do(charge("a")))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.finished.get(RPC) == 1)
    module.kill()
    await asyncio.gather(call, return_exceptions=True)
    control.clear_faults()
    change_journal(state_dir, "UPDATE charges SET sent_at = sent_at - ?", older_s)


async def test_what_is_old_is_looked_for_at_the_start(charging: dict[str, Any], control: SandboxControl) -> None:
    """A minute after its sending, nobody has to ask."""
    async with ModuleProcess() as module:
        await module.add(charging)
        await _killed_while_sent(module, control, charging["state_dir"], older_s=70)
        await module.restart()
        await module.add(charging)

        async def settled() -> bool:
            return await state_of(module, "a") == "succeeded"

        await until(settled, within_s=10)
        assert (await module.do(charge("a")))["replayed"] is True
    assert keys(control.stats()) == ["a"]


async def test_what_is_young_is_not(charging: dict[str, Any], control: SandboxControl) -> None:
    """Its invoice may be on its way: by itself the module waits; by command it looks."""
    async with ModuleProcess() as module:
        await module.add(charging)
        await _killed_while_sent(module, control, charging["state_dir"], older_s=30)
        control.reset_stats()
        await module.restart()
        await module.add(charging)
        assert await state_of(module, "a") == "unknown"
        assert (await refused(module.do(charge("b")))).code == "charge_blocked"
        assert INVOICES not in control.stats().calls
        assert (await module.do(charge("c", NORTHWIND_ID)))["state"] == "succeeded"
        assert len((await module.ask("reconcile_charges"))["settled"]) == 1


async def test_it_is_looked_for_when_the_cloud_is_back(charging: dict[str, Any], control: SandboxControl) -> None:
    """Started without a network, the module looks at the first answer."""
    async with ModuleProcess() as module:
        await module.add(charging)
        await _killed_while_sent(module, control, charging["state_dir"], older_s=70)
        control.go_dark()
        await module.restart()
        await module.add(charging)
        for _ in range(2):
            await refused(module.ask("get_available_billing_tiers", max_age_s=0))
        assert await state_of(module, "a") == "unknown"
        control.clear_faults()

        async def settled() -> bool:
            with contextlib.suppress(GRPCError):  # it may count as away still
                await module.ask("get_available_billing_tiers", max_age_s=0)
            return await state_of(module, "a") == "succeeded"

        await until(settled, within_s=10)
