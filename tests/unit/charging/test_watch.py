"""When the invoices of unknown charges are looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from grpclib.const import Status

from support.fake_charges import Scene, Sending, away
from viam_billing.charging import watch
from viam_billing.core.errors import BillingError, KeyLacksPermissionError


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    while not holds():  # noqa: ASYNC110 - what is waited for rings no bell
        await asyncio.sleep(0.001)


async def settled(scene: Scene) -> None:
    """Wait until the charge has succeeded."""
    while (await scene.entry()).state != "succeeded":  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.001)


async def lost(scene: Scene, key: str = "k", org_id: str = "a") -> Sending:
    """A charge that the cloud made, and whose answer was lost."""

    def lose(sending: Sending) -> None:
        sending.work()
        sending.lose()

    scene.cloud.automatic = lose
    with pytest.raises(BillingError, match="not known"):
        await scene.charge(key, org_id)
    return scene.cloud.sendings[-1]


async def looked(scene: Scene) -> None:
    """The watch has been round since: it takes note of being woken at the beginning of a round only."""
    for _ in range(2):
        scene.watch.wake()
        await until(lambda: not scene.watch._woken.is_set())  # noqa: SLF001 - nothing else shows it


async def test_it_looks_at_the_start_for_what_a_dead_process_left(scene: Scene) -> None:
    """A minute after the charge at the earliest."""
    await lost(scene)
    scene.lock.release()
    scene.clock.now_s += 61
    later = Scene(scene.folder, scene.clock, scene.cloud)
    desk = later.desk()
    later.watch.join(desk)
    lists = scene.cloud.lists
    await until(lambda: scene.cloud.lists > lists)
    await settled(later)
    later.watch.leave(desk)
    later.close()


async def test_it_never_looks_sooner_than_a_minute_after_the_charge(scene: Scene) -> None:
    """By itself: the command does."""
    desk = scene.desk()
    scene.watch.join(desk)
    await lost(scene)
    lists = scene.cloud.lists
    scene.clock.now_s += 59
    await looked(scene)
    assert scene.cloud.lists == lists
    found = await scene.watch.look_for(desk)
    assert [entry.key for entry in found.settled] == ["k"]
    scene.watch.leave(desk)


async def test_it_looks_when_it_is_woken_after_a_minute(scene: Scene) -> None:
    """As it is when the cloud is back."""
    desk = scene.desk()
    scene.watch.join(desk)
    await lost(scene)
    await looked(scene)
    scene.clock.now_s += 61
    scene.watch.wake()
    await settled(scene)
    scene.watch.leave(desk)


async def test_how_long_it_waits(scene: Scene) -> None:
    """What is young: its minute. Else an hour, a minute where the cloud is away, and for ever for nothing."""
    desk = scene.desk()
    scene.watch._desks.append(desk)  # noqa: SLF001 - its rounds are made by hand here
    assert await scene.watch._look_round() is None  # noqa: SLF001 - the same
    scene.cloud.automatic = lambda sending: sending.lose()
    with pytest.raises(BillingError, match="not known"):
        await scene.charge()
    assert await scene.watch._look_round() == watch.NOT_BEFORE_S  # noqa: SLF001 - the same
    scene.clock.now_s += 61
    assert await scene.watch._look_round() == watch.EVERY_S  # noqa: SLF001 - the same
    scene.cloud.reading_fails = away()
    assert await scene.watch._look_round() == watch.TRY_AGAIN_S  # noqa: SLF001 - the same


async def test_it_looks_only_at_what_a_service_sees(scene: Scene) -> None:
    """What it does not see stays unknown and is not told."""
    await lost(scene, "k1", "a")
    await lost(scene, "k2", "b")
    found = await scene.watch.look_for(scene.desk(orgs=("b",)))
    assert ([entry.key for entry in found.settled], found.still_unknown) == (["k2"], [])
    assert (await scene.entry("k1")).state == "unknown"


async def test_the_command_fails_where_nothing_can_be_read(scene: Scene) -> None:
    """One organization of two that can be is an answer, which names the other as still unknown."""
    await lost(scene)
    scene.cloud.reading_fails = away()
    with pytest.raises(BillingError, match="failed"):
        await scene.watch.look_for(scene.desk())


async def test_the_command_without_anything_to_look_for_is_an_answer(scene: Scene) -> None:
    """Empty, and without a call."""
    found = await scene.watch.look_for(scene.desk())
    assert (found.settled, found.still_unknown, scene.cloud.lists) == ([], [], 0)


async def test_a_full_disk_is_complained_of_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """And looked past."""
    scene.store.trouble = "before"
    desk = scene.desk()
    scene.watch.join(desk)
    await looked(scene)
    assert caplog.text.count("are not looked for") == 1
    scene.watch.leave(desk)
    scene.watch.leave(desk)


async def test_what_a_dead_process_left_is_settled_before_it_is_shown(scene: Scene) -> None:
    """Where a service charges; one that only reads does not take the lock."""
    await scene.watch.recovered()
    assert scene.lock.generation == 0
    desk = scene.desk()
    scene.watch.join(desk)
    await scene.watch.recovered()
    assert scene.lock.generation == 1
    scene.watch.leave(desk)


async def test_a_refused_charge_is_not_looked_for(scene: Scene) -> None:
    """There is nothing to find."""
    scene.cloud.automatic = lambda sending: sending.refuse(Status.NOT_FOUND)
    with pytest.raises(BillingError, match="Nothing was charged"):
        await scene.charge()
    assert await scene.charger.outcomes.to_look_for() == ([], [])


async def test_figures_are_read_for_a_service_that_only_reads(scene: Scene) -> None:
    """Once, without the lock."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    reader = Scene(scene.folder, scene.clock, scene.cloud)
    reader.watch.look_at_figures()
    await until(lambda: reader.journal.figures is not None)
    assert reader.journal.figures is not None
    assert (reader.journal.figures.entries, reader.lock.generation) == (1, 0)
    reader.close()


async def test_what_one_service_may_not_read_another_one_may(scene: Scene) -> None:
    """Whichever joined first."""
    await lost(scene)
    scene.clock.now_s += 61
    blind = Scene(scene.folder, scene.clock)
    blind.cloud.reading_fails = KeyLacksPermissionError("no")
    scene.watch.join(blind.desk())
    seeing = scene.desk()
    scene.watch.join(seeing)
    await settled(scene)
    for desk in list(scene.watch._desks):  # noqa: SLF001 - all of them
        scene.watch.leave(desk)
    blind.close()
