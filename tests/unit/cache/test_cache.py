from __future__ import annotations

import asyncio

import pytest

from support.fake_parts import NOON_S
from unit.cache.cache_scene import Scene
from viam_billing.cache.readings import Call
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

AWAY = [CloudUnreachableError("x."), CloudTimeoutError("x."), CloudRateLimitedError("x.")]


@pytest.fixture
async def scene() -> Scene:
    """An empty cache."""
    return Scene()


async def test_a_fresh_entry_needs_no_fetch(scene: Scene) -> None:
    assert [await scene.number(), await scene.number()] == [1, 1]
    assert (scene.reader.hits, scene.reader.misses) == (1, 1)


async def test_entries_of_one_moment_do_not_all_expire_at_once(scene: Scene) -> None:
    for number in range(50):
        await scene.read(f"q{number}")
    scene.wait(240)
    assert [await scene.number(f"q{number}") for number in range(50)] == list(range(1, 51))
    scene.wait(40)
    for number in range(50):
        await scene.read(f"q{number}")
    assert 50 < scene.fetches < 100


async def test_callers_share_one_fetch_whatever_age_they_accept(scene: Scene) -> None:
    scene.open.clear()
    callers = [asyncio.create_task(scene.number(max_age_s=age)) for age in (None, 0, 5)]
    await scene.under_way()
    scene.open.set()
    assert await asyncio.gather(*callers) == [1, 1, 1]


async def test_a_fetch_survives_its_first_caller(scene: Scene) -> None:
    scene.open.clear()
    first, second = (asyncio.create_task(scene.number()) for _ in range(2))
    await scene.under_way()
    first.cancel()
    scene.open.set()
    assert await second == 1
    assert (first.cancelled(), scene.fetches) == (True, 1)


async def test_the_answer_of_a_fetch_without_callers_is_kept(scene: Scene) -> None:
    scene.open.clear()
    caller = asyncio.create_task(scene.read())
    await scene.under_way()
    caller.cancel()
    await asyncio.wait([caller])
    scene.open.set()
    await scene.read()
    assert await scene.number() == 1


async def test_each_caller_gets_an_error_of_its_own(scene: Scene) -> None:
    """What one of them adds to it, the others must not see."""
    scene.open.clear()
    scene.error = NotFoundError("x.")
    callers = [asyncio.create_task(scene.read()) for _ in range(2)]
    await scene.under_way()
    scene.open.set()
    first, second = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(first, NotFoundError)
    assert isinstance(second, NotFoundError)
    first.text = "changed."
    assert second.text == "x."


async def test_a_caller_whose_time_ends_gets_the_error_of_the_last_attempt(scene: Scene) -> None:
    scene.open.clear()

    async def limited(deadline: Deadline) -> None:
        deadline.last_error = CloudRateLimitedError("slower.")
        await scene.open.wait()

    with pytest.raises(CloudRateLimitedError):
        await scene.cache.read("q", limited, scene.reader, Call(Deadline(0.01), Deadline(0.01)), None)  # type: ignore[arg-type] # it never answers
    scene.cache.close()


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.code)
async def test_the_last_known_answer_stands_in_for_a_cloud_that_is_away(scene: Scene, error: BillingError) -> None:
    await scene.read()
    scene.wait(1000)
    scene.error = error
    reading = await scene.read()
    assert (reading.value, reading.stale_reason, reading.as_of_s) == ({"number": 1}, error.code, NOON_S)
    assert scene.reader.stale == 1


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.code)
async def test_without_an_entry_the_error_is_raised(scene: Scene, error: BillingError) -> None:
    scene.error = error
    with pytest.raises(type(error)):
        await scene.read()


@pytest.mark.parametrize("error", [CloudError("x."), NotFoundError("x.")], ids=lambda error: error.code)
async def test_an_error_that_the_cloud_answered_is_raised_and_leaves_the_entry(
    scene: Scene, error: BillingError
) -> None:
    await scene.read()
    scene.error = error
    with pytest.raises(type(error)):
        await scene.read(max_age_s=0)
    scene.error = CloudUnreachableError("x.")
    assert await scene.number(max_age_s=0) == 1


async def test_an_entry_older_than_max_stale_s_does_not_stand_in(scene: Scene) -> None:
    await scene.read()
    scene.error = CloudUnreachableError("x.")
    scene.wait(3600)
    assert (await scene.read()).stale_reason == "cloud_unreachable"
    scene.wait(1)
    with pytest.raises(CloudUnreachableError):
        await scene.read()


async def test_services_share_entries_and_not_their_limits(scene: Scene) -> None:
    await scene.read()
    scene.wait(100)
    scene.error = CloudUnreachableError("x.")
    for max_stale_s in (10.0, 0.0):
        with pytest.raises(CloudUnreachableError):
            await scene.read(max_age_s=0, reader=scene.service(max_stale_s))
    assert await scene.number(max_age_s=0) == 1


async def test_a_cleared_cache_knows_nothing(scene: Scene) -> None:
    await scene.read("other")
    scene.cache.clear()
    scene.error = CloudUnreachableError("x.")
    with pytest.raises(CloudUnreachableError):
        await scene.read("other")


async def test_a_lacking_permission_drops_what_it_is_about(scene: Scene) -> None:
    await scene.read("other")
    await scene.read()
    scene.error = KeyLacksPermissionError("x.")
    with pytest.raises(KeyLacksPermissionError):
        await scene.read(max_age_s=0)
    scene.error = CloudUnreachableError("x.")
    assert await scene.number("other", max_age_s=0) == 1
    with pytest.raises(CloudUnreachableError):
        await scene.read()


async def test_a_change_drops_what_it_outdates(scene: Scene) -> None:
    await scene.read("other")
    await scene.read()
    async with scene.cache.changing("q"):
        pass
    assert [await scene.number(name) for name in ("other", "q")] == [1, 3]


async def test_a_change_outdates_a_fetch_under_way(scene: Scene) -> None:
    """Its answer is for those who wait for it, and not kept."""
    scene.open.clear()
    early = asyncio.create_task(scene.number())
    await scene.under_way()
    async with scene.cache.changing("q"):
        pass
    late = asyncio.create_task(scene.number())
    await scene.under_way(2)
    scene.open.set()
    assert [await early, await late, await scene.number()] == [1, 2, 2]


@pytest.mark.parametrize(
    ("outcome", "fetches"), [(Outcome.UNKNOWN, 2), (Outcome.REFUSED, 1), (Outcome.NEVER_SENT, 1)], ids=str
)
async def test_after_a_change_of_unknown_outcome_nothing_is_fresh_for_a_minute(
    scene: Scene, outcome: Outcome, fetches: int
) -> None:
    with pytest.raises(CloudTimeoutError):
        async with scene.cache.changing("q"):
            raise CloudTimeoutError("x.", outcome)
    await scene.read()
    await scene.read()
    scene.wait(60)
    await scene.read()
    assert scene.fetches == fetches


async def test_a_read_under_way_ends_with_an_error_when_the_cache_is_closed(scene: Scene) -> None:
    scene.open.clear()
    caller = asyncio.create_task(scene.read())
    await scene.under_way()
    scene.cache.close()
    scene.cache.close()
    with pytest.raises(CloudUnreachableError, match="closed"):
        await caller


async def test_a_caller_that_is_cancelled_while_the_cache_closes_stays_cancelled(scene: Scene) -> None:
    scene.open.clear()
    caller = asyncio.create_task(scene.read())
    await scene.under_way()
    scene.cache.close()
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
