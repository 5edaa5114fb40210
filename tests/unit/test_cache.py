from __future__ import annotations

import asyncio

import pytest

from support.fake_parts import NOON_S, Clock
from viam_billing.cache.cache import Cache, CacheCounters, Fetched
from viam_billing.cache.memory import Answers, Limits, Reading
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.core.errors import (
    BillingError,
    CloudError,
    CloudRateLimitedError,
    CloudTimeoutError,
    CloudUnreachableError,
    KeyLacksPermissionError,
    NotFoundError,
    Outcome,
)
from viam_billing.core.times import Deadline

LIMITS = Limits(ttl_s=300.0, max_stale_s=3600.0, timeout_s=10.0)
AWAY = [CloudUnreachableError("x."), CloudTimeoutError("x."), CloudRateLimitedError("x.")]


class Scene:
    """A cache whose cloud counts its answers: 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self.wall = Clock(NOON_S)
        self.steady = Clock(0.0)
        self.circuit_breaker = CircuitBreaker("cloud", self.steady, max)
        self.cache = Cache(self.circuit_breaker, answers=Answers(self.wall, self.steady))
        self.counters = CacheCounters()
        self.open = asyncio.Event()
        self.open.set()
        self.error: BillingError | None = None
        self.fetches = 0

    async def fetch(self, _: Deadline) -> Fetched:
        """Ask the cloud."""
        self.fetches += 1
        number = self.fetches
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return Fetched({"number": number})

    async def read(self, question: str = "q", max_age_s: float | None = None, limits: Limits = LIMITS) -> Reading:
        """A caller's read."""
        deadline, counters = Deadline(10.0), self.counters
        return await self.cache.read(
            question, self.fetch, deadline=deadline, max_age_s=max_age_s, limits=limits, counters=counters
        )

    def wait(self, time_s: float) -> None:
        """Let both clocks go."""
        self.wall.now_s += time_s
        self.steady.now_s += time_s

    async def under_way(self, count: int) -> None:
        """Wait until so many fetches have begun."""
        while self.fetches < count:  # noqa: ASYNC110 - a number, not an event
            await asyncio.sleep(0)


@pytest.fixture
def scene() -> Scene:
    """An empty cache."""
    return Scene()


async def test_a_fresh_answer_asks_nobody(scene: Scene) -> None:
    """The second read is a hit."""
    readings = [await scene.read(), await scene.read()]
    assert [reading.value for reading in readings] == [{"number": 1}, {"number": 1}]
    assert scene.counters == CacheCounters(hits=1, misses=1)


async def test_the_time_of_expiry_is_jittered(scene: Scene) -> None:
    """Of many answers of one moment, some expire earlier than others, and none after less than 80%."""
    for number in range(50):
        await scene.read(f"q{number}")
    scene.wait(240)
    assert [(await scene.read(f"q{number}")).value["number"] for number in range(50)] == list(range(1, 51))
    scene.wait(40)
    for number in range(50):
        await scene.read(f"q{number}")
    assert 50 < scene.fetches < 100


async def test_callers_share_one_fetch(scene: Scene) -> None:
    """Those who ask while it is under way, with 0 as the greatest age too."""
    scene.open.clear()
    callers = [asyncio.create_task(scene.read(max_age_s=age)) for age in (None, 0, 5)]
    await scene.under_way(1)
    scene.open.set()
    assert {str(reading.value) for reading in await asyncio.gather(*callers)} == {"{'number': 1}"}
    assert scene.fetches == 1


async def test_a_fetch_survives_its_first_caller(scene: Scene) -> None:
    """Others wait for it."""
    scene.open.clear()
    first, second = (asyncio.create_task(scene.read()) for _ in range(2))
    await scene.under_way(1)
    first.cancel()
    scene.open.set()
    assert (await second).value == {"number": 1}
    assert (first.cancelled(), scene.fetches) == (True, 1)


async def test_a_fetch_that_has_failed_and_will_try_again_is_pausing(scene: Scene) -> None:
    """Not one that waits for its first answer, nor one that has ended."""
    scene.open.clear()
    told: list[Deadline] = []

    async def fetch(deadline: Deadline) -> Fetched:
        told.append(deadline)
        return await scene.fetch(deadline)

    reading = scene.cache.read(
        "q", fetch, deadline=Deadline(10.0), max_age_s=None, limits=LIMITS, counters=scene.counters
    )
    caller = asyncio.create_task(reading)
    await scene.under_way(1)
    assert not scene.cache.is_pausing("q")
    told[0].last_error = CloudRateLimitedError("x.")
    assert scene.cache.is_pausing("q")
    assert not scene.cache.is_pausing("other")
    scene.open.set()
    await caller
    await asyncio.sleep(0)
    assert not scene.cache.is_pausing("q")


async def test_a_fetch_without_callers_is_kept(scene: Scene) -> None:
    """The cloud has been asked: the next caller gets the answer from memory."""
    scene.open.clear()
    caller = asyncio.create_task(scene.read())
    await scene.under_way(1)
    caller.cancel()
    scene.open.set()
    await asyncio.wait([caller])
    await scene.read()
    assert (await scene.read()).value == {"number": 1}


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.code)
async def test_the_last_known_answer_stands_in_for_a_cloud_that_is_away(scene: Scene, error: BillingError) -> None:
    """With the reason and the time of the answer."""
    await scene.read()
    scene.wait(1000)
    scene.error = error
    reading = await scene.read()
    assert (reading.value, reading.stale_reason, reading.as_of_s) == ({"number": 1}, error.code, NOON_S)
    assert scene.counters.stale == 1


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.code)
async def test_without_a_known_answer_the_error_is_told(scene: Scene, error: BillingError) -> None:
    """Nothing is made up."""
    scene.error = error
    with pytest.raises(type(error)):
        await scene.read()


@pytest.mark.parametrize("error", [CloudError("x."), NotFoundError("x.")], ids=lambda error: error.code)
async def test_an_answer_of_the_cloud_is_told_as_it_is(scene: Scene, error: BillingError) -> None:
    """It did answer: an old figure would hide that. The figure stays for an outage."""
    await scene.read()
    scene.error = error
    with pytest.raises(type(error)):
        await scene.read(max_age_s=0)
    scene.error = CloudUnreachableError("x.")
    assert (await scene.read(max_age_s=0)).value == {"number": 1}


async def test_an_answer_that_is_too_old_is_none(scene: Scene) -> None:
    """Not for one second more than `max_stale_s`."""
    await scene.read()
    scene.error = CloudUnreachableError("x.")
    scene.wait(3600)
    assert (await scene.read()).stale_reason == "cloud_unreachable"
    scene.wait(1)
    with pytest.raises(CloudUnreachableError):
        await scene.read()


async def test_nothing_is_served_stale_where_that_is_not_wanted(scene: Scene) -> None:
    """`max_stale_s` of 0."""
    await scene.read()
    scene.wait(1)
    scene.error = CloudUnreachableError("x.")
    with pytest.raises(CloudUnreachableError):
        await scene.read(max_age_s=0, limits=Limits(300.0, 0.0, 10.0))


async def test_an_answer_too_old_for_one_service_stays_for_another(scene: Scene) -> None:
    """Two services with one key share answers, not their limits."""
    await scene.read()
    scene.wait(100)
    scene.error = CloudUnreachableError("x.")
    with pytest.raises(CloudUnreachableError):
        await scene.read(max_age_s=0, limits=Limits(300.0, 10.0, 10.0))
    assert (await scene.read(max_age_s=0)).stale_reason == "cloud_unreachable"


async def test_a_rejected_key_drops_all(scene: Scene) -> None:
    """What a key had a right to yesterday it may not see today; the link tells when it is rejected."""
    await scene.read("other")
    scene.cache.clear()
    scene.error = CloudUnreachableError("x.")
    with pytest.raises(CloudUnreachableError):
        await scene.read("other")


async def test_a_lacking_permission_drops_what_it_is_about(scene: Scene) -> None:
    """And leaves what the key may still read."""
    await scene.read("other")
    await scene.read()
    scene.error = KeyLacksPermissionError("x.")
    with pytest.raises(KeyLacksPermissionError):
        await scene.read(max_age_s=0)
    scene.error = CloudUnreachableError("x.")
    assert (await scene.read("other", max_age_s=0)).value == {"number": 1}
    with pytest.raises(CloudUnreachableError):
        await scene.read()


async def test_a_change_drops_what_it_outdates(scene: Scene) -> None:
    """And nothing else."""
    await scene.read("other")
    await scene.read()
    async with scene.cache.changing("q"):
        pass
    assert [(await scene.read(name)).value["number"] for name in ("other", "q")] == [1, 3]


async def test_a_change_outdates_a_fetch_under_way(scene: Scene) -> None:
    """Those who wait for it get its answer, which is not kept; who asks later asks anew."""
    scene.open.clear()
    early = asyncio.create_task(scene.read())
    await scene.under_way(1)
    async with scene.cache.changing("q"):
        pass
    late = asyncio.create_task(scene.read())
    await scene.under_way(2)
    scene.open.set()
    assert [(await early).value["number"], (await late).value["number"], (await scene.read()).value["number"]] == [
        1,
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("outcome", "fetches"), [(Outcome.UNKNOWN, 2), (Outcome.REFUSED, 1), (Outcome.NEVER_SENT, 1)], ids=str
)
async def test_a_change_of_unknown_outcome_is_watched(scene: Scene, outcome: Outcome, fetches: int) -> None:
    """It may happen after the next answer, so for a minute none is taken for fresh."""
    with pytest.raises(CloudTimeoutError):
        async with scene.cache.changing("q"):
            raise CloudTimeoutError("x.", outcome)
    await scene.read()
    await scene.read()
    scene.wait(60)
    await scene.read()
    assert scene.fetches == fetches
