"""The cache while the cloud is away, and with answers of an earlier process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from typing_extensions import override

from support.fake_parts import NOON_S, Clock
from viam_billing.cache.cache import Cache, CacheCounters, Fetched
from viam_billing.cache.disk import CacheFile, Row
from viam_billing.cache.memory import Answers, Entry, Limits, Reading
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.core.errors import CloudTimeoutError, CloudUnreachableError, KeyRejectedError
from viam_billing.core.times import Deadline

LIMITS = Limits(ttl_s=300.0, max_stale_s=3600.0, timeout_s=10.0)
FAILED = CloudUnreachableError("no route.")


class FakeFile(CacheFile):
    """A disk in memory that can be slow."""

    def __init__(self, *rows: Row) -> None:
        self.rows = {row[0]: row for row in rows}
        self.ready = asyncio.Event()
        self.ready.set()

    @override
    async def load(self, *, now_s: float, revealed: bool) -> list[Row]:
        rows = list(self.rows.values())
        await self.ready.wait()
        return rows

    @override
    async def save(self, question: str, entry: Entry, *, within_s: float) -> None:
        self.rows[question] = (question, entry.value, entry.as_of_s, entry.valid_until_s)

    @override
    async def written(self, *, within_s: float) -> None:
        return

    @override
    async def purge(self, *, oldest_s: float) -> None:
        return

    @override
    def purge_at_close(self, *, oldest_s: float) -> None:
        return

    @override
    def delete(self, question: str) -> None:
        self.rows.pop(question, None)

    @override
    def delete_all(self) -> None:
        self.rows.clear()

    @override
    def close(self) -> None:
        self.rows.clear()


class Scene:
    """A cache whose cloud answers when it is let."""

    def __init__(self, *rows: Row) -> None:
        self.clock = Clock(NOON_S)
        self.circuit_breaker = CircuitBreaker("cloud", self.clock, max)
        self.file = FakeFile(*rows)
        self.cache = Cache(self.circuit_breaker, self.file, Answers(self.clock, self.clock))
        self.open = asyncio.Event()
        self.open.set()
        self.fetches = 0

    async def fetch(self, _: Deadline) -> Fetched:
        """Ask the cloud, as a probe where it is away."""
        probe = self.circuit_breaker.enter()
        self.fetches += 1
        try:
            await self.open.wait()
        finally:
            if probe:
                self.circuit_breaker.leave_probe()
        self.circuit_breaker.answered()
        return Fetched({"number": self.fetches})

    async def read(self, question: str = "q", time_s: float = 10.0, max_age_s: float | None = None) -> Reading:
        """A caller's read."""
        return await self.cache.read(
            question,
            self.fetch,
            deadline=Deadline(time_s),
            max_age_s=max_age_s,
            limits=LIMITS,
            counters=CacheCounters(),
        )


def old(question: str = "q", age_s: float = 1000.0, **value: Any) -> Row:  # noqa: ANN401 - JSON
    """An answer of an earlier process."""
    return question, value, NOON_S - age_s, NOON_S + 86_400


async def test_while_it_is_away_the_last_known_answer_comes_at_once() -> None:
    """The cloud is not asked."""
    scene = Scene(old(number=7))
    scene.circuit_breaker.connection_failed(FAILED)
    reading = await scene.read()
    assert (reading.value, reading.stale_reason, reading.as_of_s) == ({"number": 7}, FAILED.code, NOON_S - 1000)
    assert scene.fetches == 0


async def test_while_it_is_away_who_knows_nothing_is_told_at_once() -> None:
    """As an error."""
    scene = Scene()
    scene.circuit_breaker.connection_failed(FAILED)
    with pytest.raises(CloudUnreachableError):
        await scene.read()
    assert scene.fetches == 0


async def test_a_fresh_answer_stays_fresh_while_it_is_away() -> None:
    """Nobody would have asked the cloud anyway."""
    scene = Scene(old(age_s=10.0, number=7))
    scene.circuit_breaker.connection_failed(FAILED)
    assert (await scene.read()).stale_reason is None


async def test_who_starts_the_probe_does_not_wait_for_it_either() -> None:
    """Where an answer is known it comes at once, and the probe goes on."""
    scene = Scene(old(number=7))
    scene.circuit_breaker.connection_failed(FAILED)
    scene.clock.now_s += 1
    scene.open.clear()
    assert (await scene.read()).stale_reason == FAILED.code
    scene.open.set()
    while scene.circuit_breaker.is_open:  # noqa: ASYNC110 - nobody is told of the end of a probe
        await asyncio.sleep(0)
    assert (await scene.read()).value == {"number": 1}


async def test_only_the_probe_waits_where_nothing_is_known() -> None:
    """Others are told at once, of the same question and of another one; the probe gets the answer."""
    scene = Scene()
    scene.circuit_breaker.connection_failed(FAILED)
    scene.clock.now_s += 1
    scene.open.clear()
    probe = asyncio.create_task(scene.read())
    while not scene.fetches:  # noqa: ASYNC110 - a number, not an event
        await asyncio.sleep(0)
    for question in ("q", "other"):
        with pytest.raises(CloudUnreachableError):
            await scene.read(question)
    scene.open.set()
    assert (await probe).value == {"number": 1}
    assert scene.fetches == 1


async def test_a_caller_waits_no_longer_than_its_own_time() -> None:
    """And the fetch goes on for others."""
    scene = Scene()
    scene.open.clear()
    patient = asyncio.create_task(scene.read())
    with pytest.raises(CloudTimeoutError):
        await scene.read(time_s=0.01)
    scene.open.set()
    assert (await patient).value == {"number": 1}


async def test_a_caller_without_time_gets_the_last_known_answer() -> None:
    """With the reason that it did."""
    scene = Scene(old(number=7))
    scene.open.clear()
    assert (await scene.read(time_s=0.01)).stale_reason == "cloud_timeout"


async def test_answers_of_an_earlier_process_are_served() -> None:
    """Fresh, where they are young enough."""
    scene = Scene(old(age_s=100, number=7))
    reading = await scene.read()
    assert (reading.value, reading.stale_reason, scene.fetches) == ({"number": 7}, None, 0)


async def test_a_change_before_the_first_read_drops_what_an_earlier_process_left() -> None:
    """The disk has not been read then, and still must not bring the outdated answer back."""
    scene = Scene(old(age_s=100, number=7))
    async with scene.cache.changing("q"):
        pass
    assert (await scene.read()).value == {"number": 1}


async def test_a_disk_that_does_not_answer_is_not_waited_for() -> None:
    """A read goes on after a second, and takes what the disk had when it comes."""
    scene = Scene(old("other", age_s=100, number=7))
    scene.file.ready.clear()
    started_s = time.monotonic()
    assert (await scene.read()).value == {"number": 1}
    assert time.monotonic() - started_s < 10  # it never answers
    scene.file.ready.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await scene.read("other")).value == {"number": 7}


async def test_what_was_dropped_does_not_come_back_from_a_slow_disk() -> None:
    """The key was rejected while the disk was still being read."""
    scene = Scene(old("other", age_s=100, number=7))
    scene.file.ready.clear()

    async def rejected(_: Deadline) -> Fetched:
        raise KeyRejectedError("x.")

    with pytest.raises(KeyRejectedError):
        await scene.cache.read(
            "q", rejected, deadline=Deadline(10), max_age_s=None, limits=LIMITS, counters=CacheCounters()
        )
    scene.cache.clear()  # as the link tells it
    scene.file.ready.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await scene.read("other")).value == {"number": 1}


async def test_what_is_dropped_is_dropped_on_disk() -> None:
    """A restart must not bring it back."""
    scene = Scene(old(number=7), old("other", number=8))
    await scene.read("unrelated")
    scene.cache.drop("q")
    assert set(scene.file.rows) == {"other", "unrelated"}
    scene.cache.clear()
    assert scene.file.rows == {}


async def test_nothing_is_written_where_no_stale_answer_is_wanted() -> None:
    """`max_stale_s` of 0."""
    scene = Scene()
    await scene.cache.read(
        "q",
        scene.fetch,
        deadline=Deadline(10),
        max_age_s=None,
        limits=Limits(300.0, 0.0, 10.0),
        counters=CacheCounters(),
    )
    assert scene.file.rows == {}


async def test_a_caller_whose_cache_is_closed_gets_an_error_of_the_contract() -> None:
    """It did not leave, so it is not cancelled: its service was reconfigured while it waited."""
    scene = Scene()
    scene.open.clear()
    caller = asyncio.create_task(scene.read())
    while not scene.fetches:  # noqa: ASYNC110 - a number, not an event
        await asyncio.sleep(0)
    scene.cache.close()
    scene.cache.close()
    (found,) = await asyncio.gather(caller, return_exceptions=True)
    assert isinstance(found, CloudUnreachableError)
