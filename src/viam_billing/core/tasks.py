"""Background tasks, and waiting for those that several callers share."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, TypeVar

from viam_billing.core.errors import service_closed

T = TypeVar("T")


def retrieve_exception(task: asyncio.Future[Any]) -> None:
    """A done callback for a task that may outlive its callers: asyncio then does not log its exception as lost."""
    if not task.cancelled():
        task.exception()


async def wait_shared(
    task: asyncio.Future[T], timeout_s: float | None = None, closed: asyncio.Future[None] | None = None
) -> T:
    """The result of a task that others may wait for too. A caller that is cancelled does not cancel it.

    Raises `asyncio.TimeoutError` after `timeout_s`; `CloudUnreachableError` once the caller's service is `closed` or
    the task cancelled; the task's own error, in a copy for each caller: what one of them adds, another does not see.
    """
    awaited: set[asyncio.Future[Any]] = {task} if closed is None else {task, closed}
    await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if task.cancelled() or (not task.done() and closed is not None and closed.done()):
        raise service_closed()
    if not task.done():
        raise asyncio.TimeoutError
    if (error := task.exception()) is not None:
        raise copy.copy(error).with_traceback(error.__traceback__)
    return task.result()
