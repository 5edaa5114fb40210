"""At most once: many callers of one key, callers that leave, one charge at a time for each organization."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from grpclib import GRPCError, Status

from support.charging import INVOICES, RPC, asked, charge, keys, sent, state_of
from support.faulty_cloud import outcome
from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_twenty_callers_of_one_key_charge_once(charger: Service, control: SandboxControl) -> None:
    """All get the same entry; one of them made it, nineteen came to it."""
    answers = await asyncio.gather(*(charger.do(charge("a")) for _ in range(20)))
    assert Counter(answer.pop("replayed") for answer in answers) == {False: 1, True: 19}
    assert all(answer == answers[0] for answer in answers)
    assert keys(control.stats()) == ["a"]


async def test_who_waits_for_an_attempt_gets_its_error(charger: Service, control: SandboxControl) -> None:
    """And does not start another one; the next call does."""
    control.set_fault(Fault(RPC, status="INVALID_ARGUMENT", latency_before_s=0.3, count=1))
    found = await asyncio.gather(*(outcome(charger.do(charge("a"))) for _ in range(10)))
    assert {each.code for each in found} == {"cloud_rejected"}
    assert control.stats().calls[RPC] == 1
    answer = await charger.do(charge("a"))
    assert (answer["attempts"], answer["replayed"]) == (2, False)
    assert keys(control.stats()) == ["a"]


async def test_who_waits_for_an_attempt_with_a_lost_answer(charger: Service, control: SandboxControl) -> None:
    """Learns that nobody knows, and so does everybody who comes with the key later."""
    control.set_fault(Fault(RPC, status="UNAVAILABLE", when="after", latency_before_s=0.3))
    found = await asyncio.gather(*(outcome(charger.do(charge("a"))) for _ in range(10)))
    assert {each.code for each in found} == {"charge_outcome_unknown"}
    control.clear_faults()
    for _ in range(3):
        assert (await refused(charger.do(charge("a")))).code == "charge_outcome_unknown"
    assert control.stats().calls[RPC] == 1


async def test_a_caller_that_leaves_before_its_turn_is_dropped(charger: Service, control: SandboxControl) -> None:
    """Nothing is read or sent for it, no entry is left; the key can be used."""
    control.set_fault(Fault(RPC, latency_before_s=0.6, count=1))
    first = asyncio.create_task(charger.do(charge("a")))
    await sent(control)
    second = asyncio.create_task(charger.do(charge("b")))
    third = asyncio.create_task(charger.do(charge("c")))
    await asked(charger, 3)
    second.cancel()
    assert [(await each)["state"] for each in (first, third)] == ["succeeded", "succeeded"]
    assert keys(control.stats()) == ["a", "c"]
    assert {each["idempotency_key"] for each in (await charger.ask("list_charges"))["charges"]} == {"a", "c"}
    assert (await charger.do(charge("b")))["replayed"] is False


async def test_a_caller_that_leaves_while_the_invoices_are_read(charger: Service, control: SandboxControl) -> None:
    """Is dropped too: nothing was reserved yet."""
    control.set_fault(Fault(INVOICES, latency_before_s=5, count=1))
    call = asyncio.create_task(charger.do(charge("a")))
    await sent(control, rpc=INVOICES)
    call.cancel()
    await asyncio.wait({call})  # it has told the module, before the next call does
    answer = await charger.do(charge("a"))
    assert (answer["attempts"], answer["replayed"]) == (1, False)
    assert keys(control.stats()) == ["a"]


async def test_one_of_two_callers_leaves(charger: Service, control: SandboxControl) -> None:
    """The other one's attempt goes on."""
    control.set_fault(Fault(INVOICES, latency_before_s=1.5, count=1))
    first = asyncio.create_task(charger.do(charge("a")))
    await sent(control, rpc=INVOICES)
    second = asyncio.create_task(charger.do(charge("a")))
    await asked(charger, 2)
    await charger.do(charge("b", dry_run=True))  # it reads the journal after the second has, which then joins
    first.cancel()
    assert (await second)["replayed"] is True
    assert keys(control.stats()) == ["a"]


async def test_a_caller_that_leaves_after_the_reservation_can_come_back(
    charger: Service, control: SandboxControl
) -> None:
    """The charge goes on, and the key tells its outcome: under way, and when it is over."""
    control.set_fault(Fault(RPC, latency_after_s=0.8, count=1))
    call = asyncio.create_task(charger.do(charge("a")))
    await sent(control)
    call.cancel()
    assert await state_of(charger, "a") == "sent"
    answer = await charger.do(charge("a"))
    assert (answer["state"], answer["replayed"], answer["attempts"]) == ("succeeded", True, 1)
    assert keys(control.stats()) == ["a"]


async def test_a_deadline_is_the_callers_alone(charger: Service, control: SandboxControl) -> None:
    """A charge has its own time: neither the caller's nor `timeout_s` (2 s) ends it."""
    control.set_fault(Fault(RPC, latency_after_s=4.5, count=1))
    with pytest.raises(GRPCError) as late:
        await charger.do(charge("a"), timeout_s=2.5)
    assert late.value.status is Status.DEADLINE_EXCEEDED
    assert control.stats().in_flight == 1
    answer = await charger.do(charge("a"))
    assert (answer["state"], answer["replayed"]) == ("succeeded", True)
    assert control.stats().calls[RPC] == 1


async def test_one_charge_at_a_time_for_each_organization(charger: Service, control: SandboxControl) -> None:
    """Others of the organization wait, in their order; another organization's do not."""
    control.set_fault(Fault(RPC, latency_before_s=0.3))
    calls = [asyncio.create_task(charger.do(charge(key))) for key in "abc"]
    await sent(control)
    other = asyncio.create_task(charger.do(charge("other", NORTHWIND_ID)))
    stats = await sent(control, 2)
    assert stats.in_flight <= 2
    await asyncio.gather(*calls, other)
    charged = control.stats().charges
    assert len([each for each in charged if each["org_id"] == HARBOR_ID]) == 3
    entries = [await charger.ask("get_charge", idempotency_key=str(each["description"])) for each in charged]
    times = [entry["sent_at"] for entry in entries if entry["org_id"] == HARBOR_ID]
    assert times == sorted(times)
    assert control.stats().max_in_flight <= 3


async def test_an_unknown_charge_blocks_those_that_wait(charger: Service, control: SandboxControl) -> None:
    """And those that come later, but not other organizations; when it is settled the block ends."""
    control.set_fault(Fault(RPC, status="ABORTED", when="after", latency_before_s=0.3, count=1))
    first = asyncio.create_task(outcome(charger.do(charge("a"))))
    await sent(control)
    waiting = [asyncio.create_task(outcome(charger.do(charge(key)))) for key in ("b", "c")]
    assert (await first).code == "charge_outcome_unknown"
    assert [(await each).code for each in waiting] == ["charge_blocked", "charge_blocked"]
    refusal = await refused(charger.do(charge("d")))
    assert (refusal.code, "reconcile_charges" in refusal.text) == ("charge_blocked", True)
    assert (await charger.do(charge("e", NORTHWIND_ID)))["state"] == "succeeded"
    assert keys(control.stats()) == ["a", "e"]
    assert (await charger.ask("reconcile_charges"))["settled"][0]["idempotency_key"] == "a"
    assert (await charger.do(charge("b")))["attempts"] == 1


async def test_a_success_is_replayed_through_a_block(charger: Service, control: SandboxControl) -> None:
    """The first answer, word for word."""
    first = await charger.do(charge("a"))
    control.set_fault(Fault(RPC, status="INTERNAL", when="before", count=1))
    assert (await refused(charger.do(charge("b")))).code == "charge_outcome_unknown"
    assert await charger.do(charge("a")) == {**first, "replayed": True}


async def test_callers_of_many_keys_at_once(charger: Service, control: SandboxControl) -> None:
    """Each key is charged once, whatever the order."""
    orgs = (HARBOR_ID, NORTHWIND_ID)
    calls = [charger.do(charge(f"k{number}", orgs[number % 2], 1.0)) for number in range(10) for _ in range(3)]
    answers = await asyncio.gather(*calls)
    assert Counter(keys(control.stats())) == {f"k{number}": 1 for number in range(10)}
    assert sum(not answer["replayed"] for answer in answers) == 10
