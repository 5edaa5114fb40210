"""The same work for thousands of names: a fixed pool of workers, and other callers still get their turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from viam_billing.cloud.session import CALLS_AT_ONCE

T = TypeVar("T")

WORKERS: Final = 4 * CALLS_AT_ONCE
"""More than the cloud is asked at once: answers are worked on meanwhile, and refused calls wait for their next try."""


async def for_each(names: Iterable[str], work: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """The result of the work for each name, in the order of the names; a name given twice is worked on once.

    The first exception of the work, or the caller's cancellation, ends all of it.
    """
    ordered = list(dict.fromkeys(names))
    results: dict[str, T] = {}
    left = iter(ordered)

    async def worker() -> None:
        for name in left:
            results[name] = await work(name)
            await asyncio.sleep(0)  # work that finds all in the cache never waits by itself

    workers = [asyncio.create_task(worker()) for _ in range(min(WORKERS, len(ordered)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
    return {name: results[name] for name in ordered}
