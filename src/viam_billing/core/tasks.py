"""Background tasks, and waiting for those that several callers share."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from viam_billing.core.errors import service_closed

S = TypeVar("S")
T = TypeVar("T")

_MANY: Final = 300


async def nothing() -> None:
    """For a caller that has nothing to be awaited."""


def retrieve_exception(task: asyncio.Future[Any]) -> None:
    """A done callback for a task that may outlive its callers: asyncio then does not log its exception as lost."""
    if not task.cancelled():
        task.exception()


async def within(timeout_s: float | None, work: Awaitable[T]) -> T:
    """The result of work, which is cancelled with its caller, and after `timeout_s`: `asyncio.TimeoutError`.

    `asyncio.wait_for` before Python 3.12 swallows a cancellation that comes in the tick in which the work ends.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(retrieve_exception)
    try:
        if not (await asyncio.wait({task}, timeout=timeout_s))[0]:
            raise asyncio.TimeoutError
    finally:
        task.cancel()  # changes nothing about one that has ended
    return task.result()


async def wait_shared(task: asyncio.Future[T], timeout_s: float | None = None) -> T:
    """The result of a task that others may wait for too. A caller that is cancelled does not cancel it.

    Raises `asyncio.TimeoutError` after `timeout_s`; `CloudUnreachableError` if the task was cancelled, as closing does;
    the task's own error, in a copy for each caller: what one of them adds, another does not see.
    """
    await asyncio.wait({task}, timeout=timeout_s)
    if task.cancelled():
        raise service_closed()
    if not task.done():
        raise asyncio.TimeoutError
    if (error := task.exception()) is not None:
        raise copy.copy(error).with_traceback(error.__traceback__)
    return task.result()


async def off_loop(work: Callable[[], T], *, long: bool) -> T:
    """The result of work without I/O, which is done on a thread where it takes long enough for others to notice."""
    return await asyncio.to_thread(work) if long else work()


async def rows(make: Callable[[S], T], parts: Sequence[S]) -> list[T]:
    """A row of an answer for each part; hundreds of them are made on a thread."""
    return await off_loop(lambda: [make(part) for part in parts], long=len(parts) > _MANY)
