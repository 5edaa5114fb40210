"""The cache while the cloud is away, and with entries of an earlier process."""

from __future__ import annotations

import asyncio
import time

import pytest

from support.fake_parts import NOON_S
from unit.cache.cache_scene import Scene, old
from viam_billing.core.errors import CloudTimeoutError, CloudUnreachableError

FAILED = CloudUnreachableError("no route.")


async def test_while_it_is_away_the_last_known_answer_comes_at_once() -> None:
    scene = Scene(q=old())
    scene.circuit_breaker.connection_failed(FAILED)
    reading = await scene.read()
    assert (reading.value, reading.stale_reason, reading.as_of_s) == ({"number": 7}, FAILED.code, NOON_S - 1000)
    assert scene.fetches == 0


async def test_while_it_is_away_a_read_without_an_entry_fails_at_once() -> None:
    scene = Scene()
    scene.circuit_breaker.connection_failed(FAILED)
    with pytest.raises(CloudUnreachableError):
        await scene.read()
    assert scene.fetches == 0


async def test_a_fresh_entry_stays_fresh_while_it_is_away() -> None:
    scene = Scene(q=old(10.0))
    scene.circuit_breaker.connection_failed(FAILED)
    assert (await scene.read()).stale_reason is None


async def test_a_read_with_an_entry_does_not_wait_for_the_probe_that_it_starts() -> None:
    scene = Scene(q=old())
    scene.circuit_breaker.connection_failed(FAILED)
    scene.wait(1)
    scene.open.clear()
    assert (await scene.read()).stale_reason == FAILED.code
    scene.open.set()
    while scene.circuit_breaker.is_open:  # noqa: ASYNC110 - nobody is told of the end of a probe
        await asyncio.sleep(0)
    assert await scene.number() == 1


async def test_only_the_read_that_probes_waits_where_there_is_no_entry() -> None:
    scene = Scene()
    scene.circuit_breaker.connection_failed(FAILED)
    scene.wait(1)
    scene.open.clear()
    probe = asyncio.create_task(scene.number())
    await scene.under_way()
    for query in ("q", "other"):
        with pytest.raises(CloudUnreachableError):
            await scene.read(query)
    scene.open.set()
    assert (await probe, scene.fetches) == (1, 1)


async def test_a_caller_waits_no_longer_than_its_own_time_and_the_fetch_goes_on() -> None:
    scene = Scene()
    scene.open.clear()
    patient = asyncio.create_task(scene.number())
    with pytest.raises(CloudTimeoutError):
        await scene.read(time_s=0.01)
    scene.open.set()
    assert await patient == 1


async def test_a_caller_without_time_gets_the_last_known_answer() -> None:
    scene = Scene(q=old())
    scene.open.clear()
    assert (await scene.read(time_s=0.01)).stale_reason == "cloud_timeout"


async def test_entries_of_an_earlier_process_are_fresh_while_they_are_young() -> None:
    scene = Scene(q=old(100))
    assert (await scene.number(), scene.fetches) == (7, 0)


async def test_a_change_before_the_first_read_drops_what_an_earlier_process_left() -> None:
    scene = Scene(q=old(100))
    async with scene.cache.changing("q"):
        pass
    assert await scene.number() == 1


async def test_a_disk_that_does_not_answer_is_not_waited_for() -> None:
    """Its entries count when they come."""
    scene = Scene(other=old(100))
    scene.file.ready.clear()
    started_s = time.monotonic()
    assert await scene.number() == 1
    assert time.monotonic() - started_s < 10  # it never answers
    scene.file.ready.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert await scene.number("other") == 7


async def test_a_read_that_waits_for_the_disk_ends_with_an_error_when_the_cache_is_closed() -> None:
    scene = Scene(q=old())
    scene.file.ready.clear()
    caller = asyncio.create_task(scene.read())
    await asyncio.sleep(0)
    scene.cache.close()
    with pytest.raises(CloudUnreachableError, match="closed"):
        await asyncio.wait_for(caller, 0.5)


async def test_what_was_cleared_does_not_come_back_from_a_slow_disk() -> None:
    scene = Scene(q=old(100))
    scene.file.ready.clear()
    scene.cache.clear()
    scene.file.ready.set()
    assert await scene.number() == 1


async def test_what_is_dropped_is_dropped_on_disk() -> None:
    scene = Scene(q=old(), other=old())
    await scene.read("unrelated")
    scene.cache.drop("q")
    assert set(scene.file.stored) == {"other", "unrelated"}
    scene.cache.clear()
    assert scene.file.stored == {}


async def test_nothing_is_written_for_a_service_that_wants_no_stale_answer() -> None:
    scene = Scene()
    await scene.read(reader=scene.service(max_stale_s=0.0))
    assert scene.file.stored == {}
