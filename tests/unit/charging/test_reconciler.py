"""When the invoices of unknown charges are read."""

from __future__ import annotations

import asyncio
import time

import pytest

from support.fake_charges import Scene, away
from unit.charging.scene import code_of, unknown, until
from viam_billing.charging.reconciliation import EVERY_S, NOT_BEFORE_S, RETRY_S
from viam_billing.core.errors import KeyLacksPermissionError


async def settled(scene: Scene, within_s: float = 5.0) -> None:
    """Wait until the charge has succeeded."""
    end_s = time.monotonic() + within_s
    while (await scene.entry()).state != "succeeded":
        assert time.monotonic() < end_s, "it was not settled"
        await asyncio.sleep(0.001)


async def test_at_the_start_it_looks_for_what_a_dead_process_left(scene: Scene) -> None:
    await unknown(scene, worked=True)
    scene.lock.release()
    scene.clock.now_s += 61
    later = Scene(scene.folder, scene.clock, scene.cloud)
    access = later.access()
    later.reconciler.join(access)
    await settled(later)
    later.reconciler.leave(access)
    later.close()


async def test_in_the_background_it_looks_a_minute_after_the_charge_and_no_sooner(scene: Scene) -> None:
    access = scene.access()
    await unknown(scene, worked=True)
    scene.reconciler.join(access)
    lists = scene.cloud.lists
    scene.clock.now_s += 59
    await scene.reconciler.round()
    assert scene.cloud.lists == lists
    scene.clock.now_s += 2
    scene.reconciler.wake()
    await settled(scene)
    scene.reconciler.leave(access)


async def test_the_command_looks_at_once(scene: Scene) -> None:
    await unknown(scene, worked=True)
    found = await scene.reconciler.reconcile(scene.access())
    assert [entry.key for entry in found.settled] == ["k"]


async def test_how_long_it_waits(scene: Scene) -> None:
    """For what is young its minute, else an hour, a minute where the cloud is away, for ever where nothing is left."""
    access = scene.access()
    scene.reconciler.join(access)
    assert await scene.reconciler.round() is None
    await unknown(scene)
    assert await scene.reconciler.round() == NOT_BEFORE_S
    scene.clock.now_s += 61
    assert await scene.reconciler.round() == EVERY_S
    scene.cloud.reading_fails = away()
    assert await scene.reconciler.round() == RETRY_S
    scene.reconciler.leave(access)


async def test_an_unknown_charge_wakes_it(scene: Scene) -> None:
    woken: list[bool] = []
    scene.recovery.when_unknown = [lambda: woken.append(True)]
    await unknown(scene)
    assert woken == [True]


async def test_it_looks_only_at_what_a_service_sees(scene: Scene) -> None:
    await unknown(scene, "k1", "a", worked=True)
    await unknown(scene, "k2", "b", worked=True)
    found = await scene.reconciler.reconcile(scene.access(orgs=("b",)))
    assert ([entry.key for entry in found.settled], found.still_unknown) == (["k2"], [])
    assert (await scene.entry("k1")).state == "unknown"


async def test_the_command_fails_where_nothing_can_be_read(scene: Scene) -> None:
    await unknown(scene)
    scene.cloud.reading_fails = away()
    assert await code_of(scene.reconciler.reconcile(scene.access())) == "cloud_unreachable"


async def test_a_full_disk_is_a_warning(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.store.trouble = "before"
    access = scene.access()
    scene.reconciler.join(access)
    await until(lambda: "are not looked for" in caplog.text)
    scene.reconciler.leave(access)


async def test_only_where_a_service_charges_the_lock_is_taken_before_entries_are_shown(scene: Scene) -> None:
    await scene.charging.read_figures()
    assert scene.lock.generation == 0
    access = scene.access()
    scene.reconciler.join(access)
    await scene.charging.read_figures()
    assert scene.lock.generation == 1
    scene.reconciler.leave(access)


async def test_what_one_service_may_not_read_another_one_may(scene: Scene) -> None:
    await unknown(scene, worked=True)
    scene.clock.now_s += 61
    blind = Scene(scene.folder, scene.clock)
    blind.cloud.reading_fails = KeyLacksPermissionError("no")
    services = (blind.access(), scene.access())
    for service in services:
        scene.reconciler.join(service)
    await settled(scene)
    for service in services:
        scene.reconciler.leave(service)
    blind.close()
