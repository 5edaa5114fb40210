"""A charge whose disk, process, lock or service fails it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from support.fake_charges import FOR_EVER, Scene, request
from unit.charging.charges_scene import attempts, code_of, under_way
from viam_billing.core.errors import StateUnavailableError


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
