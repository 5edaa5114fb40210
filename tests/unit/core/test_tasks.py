from __future__ import annotations

import asyncio

import pytest

from viam_billing.core.errors import CloudUnreachableError, NotFoundError, Outcome
from viam_billing.core.tasks import wait_shared, within


async def waiting(task: asyncio.Future[int]) -> asyncio.Task[int]:
    """A caller that waits already."""
    caller = asyncio.create_task(wait_shared(task, 10.0))
    await asyncio.sleep(0)
    return caller


@pytest.fixture
async def shared() -> asyncio.Future[int]:
    """What the callers wait for."""
    return asyncio.get_running_loop().create_future()


async def test_every_caller_gets_the_result(shared: asyncio.Future[int]) -> None:
    callers = [await waiting(shared) for _ in range(2)]
    shared.set_result(7)
    assert await asyncio.gather(*callers) == [7, 7]


async def test_every_caller_gets_an_equal_error_of_its_own(shared: asyncio.Future[int]) -> None:
    callers = [await waiting(shared) for _ in range(2)]
    error = NotFoundError("x.", Outcome.REFUSED)
    error.happened = "y"
    shared.set_exception(error)
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert len({id(each) for each in [*found, error]}) == 3
    assert [(type(each), vars(each)) for each in found] == [(NotFoundError, vars(error))] * 2


async def test_a_caller_that_is_cancelled_leaves_the_task_alone(shared: asyncio.Future[int]) -> None:
    caller = await waiting(shared)
    caller.cancel()
    await asyncio.wait([caller])
    assert (caller.cancelled(), shared.cancelled()) == (True, False)


async def test_a_task_that_is_cancelled_is_an_error_of_the_contract(shared: asyncio.Future[int]) -> None:
    caller = await waiting(shared)
    shared.cancel()
    with pytest.raises(CloudUnreachableError, match="closed"):
        await caller


@pytest.mark.parametrize("caller_first", [True, False])
async def test_a_caller_that_is_cancelled_together_with_the_task_stays_cancelled(
    shared: asyncio.Future[int], *, caller_first: bool
) -> None:
    caller = await waiting(shared)
    for each in [caller, shared] if caller_first else [shared, caller]:
        each.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()


async def test_a_caller_waits_no_longer_than_it_has_time(shared: asyncio.Future[int]) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await wait_shared(shared, 0.01)
    shared.cancel()


async def test_work_within_its_time_has_its_result_or_its_error() -> None:
    async def work(error: Exception | None) -> int:
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return 7

    assert await within(10.0, work(None)) == 7
    assert await within(None, work(None)) == 7
    with pytest.raises(NotFoundError):
        await within(10.0, work(NotFoundError("x.")))


@pytest.mark.parametrize("time_s", [0.01, -1.0])
async def test_work_is_cancelled_when_its_time_is_over(shared: asyncio.Future[int], time_s: float) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await within(time_s, shared)
    assert shared.cancelled()


@pytest.mark.parametrize("end", ["set_result", "cancel"])
async def test_a_caller_that_is_cancelled_in_the_tick_in_which_its_work_ends_stays_cancelled(
    shared: asyncio.Future[int], end: str
) -> None:
    caller = asyncio.create_task(within(10.0, shared))
    await asyncio.sleep(0)
    getattr(shared, end)(*([7] if end == "set_result" else []))
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
