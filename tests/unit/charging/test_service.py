"""How a charge gets from its caller to the cloud and onto the disk, and what happens when one of them fails it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from msgspec import structs
from typing_extensions import override

from support.fake_charges import Scene, TroubledStore, away, request
from unit.charging.scene import code_of, under_way, unknown, until
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.charge import Entry
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.cloud.decoding import SeenInvoice
from viam_billing.core.errors import BillingError, CloudUnreachableError, KeyLacksPermissionError, Outcome


async def test_a_charge_is_on_the_disk_as_sent_before_it_leaves(scene: Scene) -> None:
    task = await under_way(scene)
    assert (await scene.entry()).state == "sent"
    invoice = scene.cloud.sendings[0].succeed()
    entry, replayed = await task
    assert (entry.state, entry.invoice_id, replayed) == ("succeeded", invoice.id, False)
    assert await scene.entry() == entry


async def test_a_check_that_was_overtaken_is_made_again(scene: Scene) -> None:
    """The charge under way ended unknown between the next one's check and its turn, which was free at once."""
    first = await under_way(scene)
    scene.store.late = late = asyncio.Event()
    second = asyncio.ensure_future(scene.charge("later"))
    await until(lambda: scene.store.late is None)
    scene.cloud.sendings[0].lose()
    assert await code_of(first) == "charge_outcome_unknown"
    scene.cloud.reading_fails = away()
    late.set()
    assert await code_of(second) == "charge_blocked"


async def test_the_same_key_with_other_parameters_is_a_conflict(scene: Scene) -> None:
    task = await under_way(scene)
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"
    scene.cloud.sendings[0].succeed()
    await task
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"


async def test_callers_that_join_an_attempt_get_its_error_each_in_an_object_of_its_own(scene: Scene) -> None:
    tasks = [asyncio.ensure_future(scene.charge()) for _ in range(3)]
    sending = await scene.cloud.arrived()
    await until(lambda: len(scene.charging.attempts["k"].callers) == 3)
    sending.refuse(Status.NOT_FOUND)
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert {getattr(error, "code", None) for error in errors} == {"not_found"}
    assert len({id(error) for error in errors}) == 3
    assert (len(scene.cloud.sendings), (await scene.entry()).attempts) == (1, 1)


async def test_a_charge_outlives_its_caller(scene: Scene) -> None:
    task = await under_way(scene)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = asyncio.ensure_future(scene.charge())
    await until(lambda: len(scene.charging.attempts["k"].callers) == 1)
    scene.cloud.sendings[0].succeed()
    entry, replayed = await again
    assert (entry.state, replayed, len(scene.cloud.sendings)) == ("succeeded", True, 1)


async def test_a_charge_waits_for_the_one_before_of_its_organization_and_is_blocked_by_it(scene: Scene) -> None:
    first = await under_way(scene, "k1")
    second = asyncio.ensure_future(scene.charge("k2"))
    await until(lambda: len(scene.charging.attempts) == 2)
    other = await under_way(scene, "k3", "b", number=2)
    scene.cloud.sendings[1].succeed()
    assert (await other)[0].state == "succeeded"
    scene.cloud.sendings[0].lose()
    assert await code_of(first) == "charge_outcome_unknown"
    assert await code_of(second) == "charge_blocked"
    assert (len(scene.cloud.sendings), scene.cloud.lists) == (2, 2)
    assert await scene.journal.find("k2") is None


async def test_an_unknown_charge_is_never_sent_again(scene: Scene) -> None:
    await unknown(scene)
    assert await code_of(scene.charge()) == "charge_outcome_unknown"
    assert await code_of(scene.charge("k2")) == "charge_blocked"
    assert len(scene.cloud.sendings) == 1


async def test_the_limit_is_checked_in_the_reservation(scene: Scene) -> None:
    scene.cloud.automatic = lambda sending: sending.succeed()
    access = scene.access(per_day=30, orgs=tuple("abcdefghij"))
    scene.cloud.reading.clear()
    tasks = [asyncio.ensure_future(scene.charge(f"k{org}", org, access=access)) for org in "abcdefghij"]
    await scene.cloud.asked(len(tasks))
    scene.cloud.reading.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(scene.cloud.sendings) == 3
    assert [each.code for each in results if isinstance(each, BillingError)] == 7 * ["charge_limit_exceeded"]


async def test_another_command_with_the_same_key_is_a_conflict(scene: Scene) -> None:
    task = await under_way(scene)
    scene.cloud.sendings[0].succeed()
    await task
    other = structs.replace(request(), command="create_invoice_and_charge_immediately")
    assert await code_of(scene.charging.check(other, scene.access().limits)) == "idempotency_conflict"


async def test_a_dry_run_beside_the_charge_itself_is_compared_with_it(scene: Scene) -> None:
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    assert await code_of(scene.charging.check(request(cents=5), scene.access().limits)) == "idempotency_conflict"
    assert await scene.charging.check(request(), scene.access().limits) is None
    scene.cloud.reading.set()
    (await scene.cloud.arrived()).succeed()
    await task


# --- what an error tells ---


@pytest.mark.parametrize("outcome", [Outcome.NEVER_SENT, Outcome.REFUSED])
async def test_an_error_after_the_mark_that_says_nothing_was_charged_fails_the_charge(
    scene: Scene, outcome: Outcome
) -> None:
    """As a stream that was refused before it was processed: lost, and yet certain."""
    task = await under_way(scene)
    scene.cloud.sendings[0].end_in(CloudUnreachableError("the stream was refused.", outcome))
    assert await code_of(task) == "cloud_unreachable"
    assert (await scene.entry()).state == "failed"


@pytest.mark.parametrize(
    ("before", "worked", "after", "state"),
    [
        (None, False, None, "failed"),
        (None, True, None, "unknown"),
        (KeyLacksPermissionError("no"), False, None, "unknown"),
        (None, False, away(), "unknown"),
    ],
)
async def test_a_declined_card_fails_a_charge_only_if_the_invoices_show_no_new_one(
    scene: Scene,
    before: BillingError | None,
    worked: bool,  # noqa: FBT001 - from the table
    after: BillingError | None,
    state: str,
) -> None:
    scene.cloud.reading_fails = before
    task = await under_way(scene)
    sending = scene.cloud.sendings[0]
    if worked:
        sending.work()
    scene.cloud.reading_fails = after
    sending.refuse(Status.FAILED_PRECONDITION)
    assert await code_of(task) == ("cloud_rejected" if state == "failed" else "charge_outcome_unknown")
    assert (await scene.entry()).state == state


async def test_a_defect_while_charging_leaves_an_unknown_charge(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    task = await under_way(scene)
    scene.cloud.sendings[0].end_in(ZeroDivisionError())
    assert await code_of(task) == "charge_outcome_unknown"
    assert (await scene.entry()).state == "unknown"
    told = [each.message for each in caplog.records if "charge_outcome_unknown" in each.message]
    assert all(word in told[0] for word in ('"k"', '"a"', "10.00 dollars", "reconcile_charges"))


# --- the disk, another process, the end ---


class FillingJournal(Journal):
    """A journal whose disk is full right after the reservation."""

    store: TroubledStore

    @override
    async def reserve(self, *args: Any) -> tuple[Entry, bool]:
        result = await super().reserve(*args)
        self.store.trouble = "before"
        return result


class FillingScene(Scene):
    """A process with such a journal."""

    @override
    def make_journal(self, identity: Identity) -> Journal:
        journal = FillingJournal(self.store, "https://app.viam.com", self.clock, identity)
        journal.store = self.store
        return journal


async def test_without_the_mark_nothing_is_sent(tmp_path: Path) -> None:
    scene = FillingScene(str(tmp_path))
    assert await code_of(scene.charge()) == "state_unavailable"
    assert not scene.cloud.sendings
    scene.store.trouble = ""
    await scene.recovery.prepare()
    assert (await scene.entry()).state == "failed"
    scene.close()


class DeafAccess(ServiceAccess):
    """A service whose reading of invoices swallows its cancellation, as `wait_for` does in some versions of Python."""

    started: asyncio.Event
    released: asyncio.Event

    @override
    async def invoices(self, org_id: str) -> list[SeenInvoice]:
        self.started.set()
        while not self.released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.released.wait()
        return []


async def test_a_dropped_attempt_is_not_reserved_though_its_cancellation_was_swallowed(scene: Scene) -> None:
    usual = scene.context()
    access = DeafAccess(scene.cloud, usual.policy)
    access.started, access.released = asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(scene.charge(access=access))
    await access.started.wait()
    attempt = scene.charging.attempts["k"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    access.released.set()
    assert await code_of(attempt.task) == "cloud_unreachable"
    assert not scene.cloud.sendings
    assert await scene.journal.find("k") is None


async def test_an_unwritten_outcome_is_answered_and_stops_further_charges(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    task = await under_way(scene)
    scene.store.trouble = "before"
    scene.cloud.sendings[0].succeed()
    assert (await task)[0].state == "succeeded"
    assert "the outcome succeeded of the charge" in caplog.text
    assert await code_of(scene.charge("k2", "b")) == "state_unavailable"
    scene.store.trouble = ""
    assert (await scene.entry()).state == "sent"
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k2", "b")
    assert (await scene.entry()).state == "succeeded"


async def test_an_outcome_that_a_defect_leaves_unwritten_is_answered_and_written_later(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(_: object) -> bool:
        raise ValueError("a secret")

    task = await under_way(scene)
    with monkeypatch.context() as broken:
        broken.setattr(scene.journal, "settle", defect)
        scene.cloud.sendings[0].succeed()
        assert (await task)[0].state == "succeeded"
    assert "defect: ValueError" in caplog.text
    assert "a secret" not in caplog.text
    assert (await scene.entry()).state == "sent"
    await scene.recovery.prepare()
    assert (await scene.entry()).state == "succeeded"


async def test_a_reservation_that_seemed_unwritten_is_ended_later(scene: Scene) -> None:
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    scene.store.trouble = "after"
    scene.cloud.reading.set()
    assert await code_of(task) == "state_unavailable"
    scene.store.trouble = ""
    assert (await scene.entry()).state == "reserved"
    await scene.recovery.prepare()
    assert (await scene.entry()).state == "failed"
    assert not scene.cloud.sendings


async def test_after_a_crash_what_was_sent_is_unknown_and_what_was_reserved_failed(scene: Scene) -> None:
    await scene.journal.reserve(request("k1"), scene.access().limits, [])
    sent, _ = await scene.journal.reserve(request("k2", "b"), scene.access().limits, [])
    await scene.journal.mark_sent(sent)
    later = Scene(scene.folder, scene.clock, scene.cloud)
    scene.lock.release()
    await later.recovery.prepare()
    assert ((await later.entry("k1")).state, (await later.entry("k2")).state) == ("failed", "unknown")
    later.close()


async def test_a_lock_that_was_lost_does_not_end_what_is_under_way(scene: Scene) -> None:
    task = await under_way(scene)
    Path(scene.folder, "journal.lock").unlink()  # noqa: ASYNC240 - the test itself may wait for its own small files
    await scene.recovery.prepare()
    assert scene.lock.generation == 2
    assert (await scene.entry()).state == "sent"
    scene.cloud.sendings[0].succeed()
    assert (await task)[0].state == "succeeded"


async def test_a_stopping_module_begins_no_charge_and_lets_reserved_ones_end(scene: Scene) -> None:
    first = await under_way(scene, "k1")
    waiting = asyncio.ensure_future(scene.charge("k2"))
    await until(lambda: len(scene.charging.attempts) == 2)
    scene.charging.stopping = True
    scene.charging.drop_waiting()
    assert await code_of(waiting) == "cloud_unreachable"
    assert await code_of(scene.charge("k3", "b")) == "cloud_unreachable"
    scene.cloud.sendings[0].succeed()
    assert (await first)[0].state == "succeeded"
    assert len(scene.cloud.sendings) == 1


async def test_a_closed_service_begins_no_charge(scene: Scene) -> None:
    access = scene.access()
    access.closed = True
    assert await code_of(scene.charge(access=access)) == "cloud_unreachable"
    assert await scene.journal.find("k") is None


async def test_a_key_that_another_process_used_meanwhile_is_told_as_it_stands(scene: Scene) -> None:
    """Between the look at the key and the reservation: another attempt is not taken for a success."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    reserved, _ = await scene.journal.reserve(request(), scene.access().limits, [])
    await scene.journal.mark_sent(reserved)
    scene.cloud.reading.set()
    assert await code_of(task) == "charge_outcome_unknown"
    assert not scene.cloud.sendings
