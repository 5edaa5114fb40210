"""How a charge gets from its caller to the cloud and onto the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from support.fake_charges import FOR_EVER, Scene, away, request
from viam_billing.errors import BillingError, CloudUnreachableError, KeyLacksPermissionError, StateUnavailableError
from viam_billing.times import Deadline


async def code_of(work: Awaitable[object]) -> str:
    """The code of the error that something ends in."""
    with pytest.raises(BillingError) as caught:
        await work
    return caught.value.code


async def under_way(scene: Scene, key: str = "k", org_id: str = "a", number: int = 1) -> asyncio.Task[Any]:
    """A charge that has reached the cloud."""
    task = asyncio.ensure_future(scene.charge(key, org_id))
    await scene.cloud.arrived(number)
    return task


async def attempts(scene: Scene, number: int) -> None:
    """Wait until there are so many, under way or waiting for their turn."""
    while len(scene.charger._attempts) < number:  # noqa: ASYNC110, SLF001 - nothing else shows who waits
        await asyncio.sleep(0.001)


async def test_a_charge_succeeds(scene: Scene) -> None:
    """And its entry has the invoice."""
    task = await under_way(scene)
    invoice = scene.cloud.sendings[0].succeed()
    entry, replayed = await task
    assert (entry.state, entry.invoice_id, entry.attempts, replayed) == ("succeeded", invoice.id, 1, False)
    assert await scene.entry() == entry


async def test_it_is_on_the_disk_as_sent_before_it_leaves(scene: Scene) -> None:
    """At the moment in which the cloud gets it."""
    task = await under_way(scene)
    assert (await scene.entry()).state == "sent"
    scene.cloud.sendings[0].succeed()
    await task


async def test_the_mark_comes_right_before_the_sending(scene: Scene) -> None:
    """A login that fails leaves an entry that was never sent, and failed."""
    scene.cloud.before_mark = away()
    assert await code_of(scene.charge()) == "cloud_unreachable"
    entry = await scene.entry()
    assert (entry.state, entry.sent_at) == ("failed", None)


async def test_without_the_mark_nothing_is_sent(scene: Scene) -> None:
    """The disk fills up between the reservation and the mark."""
    desk = scene.desk()
    reading = scene.cloud.reading
    reading.clear()
    task = asyncio.ensure_future(scene.charge(desk=desk))
    await scene.cloud.asked()
    reserve = scene.journal.reserve

    async def reserve_and_fill_up(*args: Any) -> Any:  # noqa: ANN401 - passed through
        result = await reserve(*args)
        scene.store.trouble = "before"
        return result

    scene.journal.reserve = reserve_and_fill_up  # type: ignore[assignment,method-assign] # the moment is to be had in no other way
    reading.set()
    assert await code_of(task) == "state_unavailable"
    assert not scene.cloud.sendings
    scene.store.trouble = ""
    await scene.charger.prepare()
    assert (await scene.entry()).state == "failed"


async def test_the_same_key_is_answered_from_the_journal(scene: Scene) -> None:
    """For ever, without the cloud."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    first, _ = await scene.charge()
    scene.cloud.reading_fails = away()
    assert await scene.charge() == (first, True)
    assert len(scene.cloud.sendings) == 1


async def test_the_same_key_with_other_parameters_is_a_conflict(scene: Scene) -> None:
    """After it succeeded, while it is under way, and after it failed."""
    task = await under_way(scene)
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"
    scene.cloud.sendings[0].refuse(Status.INVALID_ARGUMENT)
    await code_of(task)
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"


async def test_callers_with_one_key_share_one_attempt(scene: Scene) -> None:
    """Twenty of them, and its error too."""
    tasks = [asyncio.ensure_future(scene.charge()) for _ in range(20)]
    sending = await scene.cloud.arrived()
    sending.succeed()
    results = await asyncio.gather(*tasks)
    assert len(scene.cloud.sendings) == 1
    assert sorted(replayed for _, replayed in results) == [False] + 19 * [True]
    assert {entry.invoice_id for entry, _ in results} == {"inv-1"}


async def test_a_caller_that_joins_never_starts_another_attempt(scene: Scene) -> None:
    """Where the attempt that it waits for is refused, it gets the refusal."""
    tasks = [asyncio.ensure_future(scene.charge()) for _ in range(3)]
    (await scene.cloud.arrived()).refuse(Status.NOT_FOUND)
    codes = {await code_of(task) for task in tasks}
    assert codes == {"not_found"}
    assert (len(scene.cloud.sendings), (await scene.entry()).attempts) == (1, 1)


async def test_a_charge_outlives_its_caller(scene: Scene) -> None:
    """Who leaves can come back with the key."""
    task = await under_way(scene)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = asyncio.ensure_future(scene.charge())
    await asyncio.sleep(0)
    scene.cloud.sendings[0].succeed()
    entry, replayed = await again
    assert (entry.state, replayed, len(scene.cloud.sendings)) == ("succeeded", True, 1)


async def test_a_caller_whose_time_ends_is_told_that_it_goes_on(scene: Scene) -> None:
    """`cloud_timeout`, and the key's outcome is to be had later."""
    first = await under_way(scene)
    with pytest.raises(BillingError, match="goes on") as caught:
        await scene.charger.charge(request(), scene.desk(), Deadline(0))
    assert caught.value.code == "cloud_timeout"
    scene.cloud.sendings[0].succeed()
    assert (await first)[0] == (await scene.charge())[0]


async def test_a_charge_that_nobody_waits_for_is_dropped_before_it_is_reserved(scene: Scene) -> None:
    """It leaves no entry, and its key is free."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    scene.cloud.reading.set()
    assert await scene.journal.find("k") is None
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert (await scene.charge())[0].attempts == 1


async def test_a_dropped_attempt_is_not_reserved_though_its_cancellation_got_lost(scene: Scene) -> None:
    """What swallows a cancellation, as `wait_for` does in some versions of Python, starts no charge of nobody's."""
    desk = scene.desk()
    started, released = asyncio.Event(), asyncio.Event()

    async def deaf(org_id: str) -> list[Any]:  # noqa: ARG001 - the signature of what it stands for
        started.set()
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        return []

    desk.invoices = deaf  # type: ignore[method-assign] # a reading that swallows its cancellation
    task = asyncio.ensure_future(scene.charge(desk=desk))
    await started.wait()
    attempt = scene.charger._attempts["k"].task  # noqa: SLF001 - to wait for its end
    assert attempt is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()
    await asyncio.wait({attempt})
    assert not scene.cloud.sendings
    assert await scene.journal.find("k") is None


async def test_one_charge_at_a_time_for_an_organization(scene: Scene) -> None:
    """The next one waits until the first has ended; another organization does not."""
    first = await under_way(scene, "k1")
    second = asyncio.ensure_future(scene.charge("k2"))
    other = await under_way(scene, "k3", "b", number=2)
    assert [each.description for each in scene.cloud.sendings] == ["k1", "k3"]
    scene.cloud.sendings[0].succeed()
    await first
    (await scene.cloud.arrived(3)).succeed()
    scene.cloud.sendings[1].succeed()
    assert (await second)[0].state == (await other)[0].state == "succeeded"


async def test_who_waits_behind_an_unknown_charge_is_blocked(scene: Scene) -> None:
    """And sends nothing, and leaves its key unused."""
    first = await under_way(scene, "k1")
    second = asyncio.ensure_future(scene.charge("k2"))
    await attempts(scene, 2)
    scene.cloud.sendings[0].lose()
    assert await code_of(first) == "charge_outcome_unknown"
    assert await code_of(second) == "charge_blocked"
    assert (len(scene.cloud.sendings), scene.cloud.lists) == (1, 1)
    assert await scene.journal.find("k2") is None


async def test_an_unknown_charge_is_never_sent_again(scene: Scene) -> None:
    """Its key gets `charge_outcome_unknown`, other keys of the organization `charge_blocked`, others go on."""
    scene.cloud.automatic = lambda sending: sending.lose()
    assert await code_of(scene.charge()) == "charge_outcome_unknown"
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert await code_of(scene.charge()) == "charge_outcome_unknown"
    assert await code_of(scene.charge("k2")) == "charge_blocked"
    assert (await scene.charge("k3", "b"))[0].state == "succeeded"
    assert [each.description for each in scene.cloud.sendings] == ["k", "k3"]


async def test_a_succeeded_key_is_answered_while_its_organization_is_blocked(scene: Scene) -> None:
    """And while the day is full."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    desk = scene.desk(per_day=20)
    await scene.charge(desk=desk)
    scene.cloud.automatic = lambda sending: sending.lose()
    await code_of(scene.charge("k2", desk=desk))
    assert (await scene.charge(desk=desk))[1]


async def test_a_failed_key_is_a_new_attempt(scene: Scene) -> None:
    """Counted, with the time of the first."""
    scene.cloud.automatic = lambda sending: sending.refuse(Status.PERMISSION_DENIED)
    assert await code_of(scene.charge()) == "key_lacks_permission"
    scene.clock.now_s += 10
    scene.cloud.automatic = lambda sending: sending.succeed()
    entry, _ = await scene.charge()
    assert (entry.attempts, entry.created_at, entry.sent_at) == (2, scene.clock.now_s - 10, scene.clock.now_s)
    assert entry.error_code is None


async def test_unreadable_invoices_fail_the_charge(scene: Scene) -> None:
    """Nothing is sent, and the entry says so."""
    scene.cloud.reading_fails = away()
    with pytest.raises(CloudUnreachableError, match="Nothing was sent"):
        await scene.charge()
    entry = await scene.entry()
    assert (entry.state, entry.error_code, entry.attempts) == ("failed", "cloud_unreachable", 1)
    assert not scene.cloud.sendings


async def test_invoices_that_the_key_may_not_read_are_done_without(scene: Scene) -> None:
    """The charge goes on and cannot be reconciled."""
    scene.cloud.reading_fails = KeyLacksPermissionError("no")
    scene.cloud.automatic = lambda sending: sending.succeed()
    entry, _ = await scene.charge()
    assert (entry.state, entry.reconcilable) == ("succeeded", False)


async def test_the_limit_is_checked_in_the_reservation(scene: Scene) -> None:
    """Ten charges of as many moments at once: as many as fit."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    desk = scene.desk(per_day=30, orgs=tuple("abcdefghij"))
    scene.cloud.reading.clear()
    tasks = [asyncio.ensure_future(scene.charge(f"k{org}", org, desk=desk)) for org in "abcdefghij"]
    await scene.cloud.asked(len(tasks))
    scene.cloud.reading.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(scene.cloud.sendings) == 3
    assert [each.code for each in results if isinstance(each, BillingError)] == 7 * ["charge_limit_exceeded"]


async def test_services_apply_their_own_limits_to_the_sum(scene: Scene) -> None:
    """What one has charged counts for the other."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k1", desk=scene.desk(per_day=100), cents=4000)
    assert await code_of(scene.charge("k2", desk=scene.desk(per_day=45))) == "charge_limit_exceeded"
    assert (await scene.charge("k2", desk=scene.desk(per_day=50)))[0].state == "succeeded"


async def test_an_unwritten_outcome_is_told_and_stops_further_charges(scene: Scene) -> None:
    """The caller gets it, the entry stays `sent`, and nothing is charged until it is written."""
    task = await under_way(scene)
    scene.store.trouble = "before"
    scene.cloud.sendings[0].succeed()
    assert (await task)[0].state == "succeeded"
    assert await code_of(scene.charge("k2", "b")) == "state_unavailable"
    scene.store.trouble = ""
    assert (await scene.entry()).state == "sent"
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k2", "b")
    assert (await scene.entry()).state == "succeeded"


async def test_an_unwritten_reservation_is_ended_later(scene: Scene) -> None:
    """It may be on the disk although the disk said no."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    scene.store.trouble = "after"
    scene.cloud.reading.set()
    assert await code_of(task) == "state_unavailable"
    scene.store.trouble = ""
    assert (await scene.entry()).state == "reserved"
    await scene.charger.prepare()
    assert (await scene.entry()).state == "failed"
    assert not scene.cloud.sendings


async def test_a_defect_while_charging_leaves_an_unknown_charge(scene: Scene) -> None:
    """After the mark nobody knows what became of it."""
    task = await under_way(scene)
    scene.cloud.sendings[0].answer.set_exception(ZeroDivisionError())
    assert await code_of(task) == "charge_outcome_unknown"
    assert (await scene.entry()).state == "unknown"


async def test_after_a_crash_what_was_sent_is_unknown(scene: Scene) -> None:
    """And what was only reserved has failed."""
    await scene.journal.reserve(request("k1"), scene.desk().limits, [])
    sent, _ = await scene.journal.reserve(request("k2", "b"), scene.desk().limits, [])
    await scene.journal.mark_sent(sent)
    later = Scene(scene.folder, scene.clock, scene.cloud)
    scene.lock.release()
    await later.charger.prepare()
    assert ((await later.entry("k1")).state, (await later.entry("k2")).state) == ("failed", "unknown")
    assert await code_of(later.charge("k2", "b")) == "charge_outcome_unknown"
    later.close()


async def test_a_second_process_is_refused_and_tries_again(scene: Scene) -> None:
    """It does not touch what the first has under way."""
    task = await under_way(scene)
    second = Scene(scene.folder, scene.clock, scene.cloud)
    assert await code_of(second.charge("k2", "b")) == "state_unavailable"
    assert (await scene.entry()).state == "sent"
    scene.cloud.sendings[0].succeed()
    await task
    scene.lock.release()
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert (await second.charge("k2", "b"))[0].state == "succeeded"
    second.close()


async def test_a_lock_that_was_lost_does_not_end_what_is_under_way(scene: Scene) -> None:
    """Its file was removed: it is taken anew, and what is found is settled, but not what goes on here."""
    task = await under_way(scene)
    Path(scene.folder, "journal.lock").unlink()  # noqa: ASYNC240 - the test itself may wait for its own small files
    await scene.charger.prepare()
    assert scene.lock.generation == 2
    assert (await scene.entry()).state == "sent"
    scene.cloud.sendings[0].succeed()
    assert (await task)[0].state == "succeeded"


async def test_a_stopping_module_begins_no_charge(scene: Scene) -> None:
    """And drops what is not reserved; what is, goes on."""
    first = await under_way(scene, "k1")
    waiting = asyncio.ensure_future(scene.charge("k2"))
    await attempts(scene, 2)
    scene.charger.stopping = True
    scene.charger.drop_waiting()
    assert await code_of(waiting) == "cloud_unreachable"
    assert await code_of(scene.charge("k3", "b")) == "cloud_unreachable"
    assert [attempt.request.key for attempt in scene.charger.under_way()] == ["k1"]
    scene.cloud.sendings[0].succeed()
    assert (await first)[0].state == "succeeded"
    assert len(scene.cloud.sendings) == 1


async def test_a_closed_service_begins_no_charge(scene: Scene) -> None:
    """Another at the same journal does."""
    desk = scene.desk()
    desk.closed = True
    assert await code_of(scene.charge(desk=desk)) == "cloud_unreachable"
    assert await scene.journal.find("k") is None


async def test_a_dry_run_checks_and_sends_nothing(scene: Scene) -> None:
    """A key that succeeded is told; an unknown one is an error; a new one passes the limits."""
    limits = scene.desk(per_day=15).limits
    assert await scene.charger.check(request(), limits) is None
    scene.cloud.automatic = lambda sending: sending.succeed()
    entry, _ = await scene.charge()
    assert await scene.charger.check(request(), limits) == entry
    assert await code_of(scene.charger.check(request("k2"), limits)) == "charge_limit_exceeded"
    scene.cloud.automatic = lambda sending: sending.lose()
    await code_of(scene.charge("k3"))
    assert await code_of(scene.charger.check(request("k3"), scene.desk().limits)) == "charge_outcome_unknown"
    assert await code_of(scene.charger.check(request("k4"), scene.desk().limits)) == "charge_blocked"
    assert len(scene.cloud.sendings) == 2


async def test_a_dry_run_beside_the_charge_itself_is_compared_with_it(scene: Scene) -> None:
    """Other parameters are a conflict, the same ones are not."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    assert await code_of(scene.charger.check(request(cents=5), scene.desk().limits)) == "idempotency_conflict"
    assert await scene.charger.check(request(), scene.desk().limits) is None
    scene.cloud.reading.set()
    (await scene.cloud.arrived()).succeed()
    await task


async def test_a_key_that_another_process_used_meanwhile_is_told_as_it_stands(scene: Scene) -> None:
    """Between the look at the key and the reservation: an attempt of somebody else's is not taken for a success."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    reserved, _ = await scene.journal.reserve(request(), scene.desk().limits, [])
    await scene.journal.mark_sent(reserved)
    scene.cloud.reading.set()
    assert await code_of(task) == "charge_outcome_unknown"
    assert not scene.cloud.sendings


async def test_an_empty_journal_is_a_warning(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Once; one with an entry is none."""
    await scene.charger.prepare()
    await scene.charger.prepare()
    assert [record.message for record in caplog.records if "is empty" in record.message][1:] == []
    assert "is empty" in caplog.text


async def test_what_cannot_be_prepared_charges_nothing(scene: Scene) -> None:
    """The disk is full from the start."""
    scene.store.trouble = "before"
    with pytest.raises(StateUnavailableError):
        await scene.charger.charge(request(), scene.desk(), FOR_EVER)
    assert not scene.cloud.lists
