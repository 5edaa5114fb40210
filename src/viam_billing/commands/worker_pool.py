"""The same work for thousands of names: a bounded number at once, and every other task still has its turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from viam_billing.cloud.link import AT_ONCE
from viam_billing.core.tasks import unwatched

T = TypeVar("T")

_WORKERS: Final = 2 * AT_ONCE
"""So many are under way at once: while half of them wait for the cloud, the others are read and written down."""
_MOST_WORKERS: Final = 1024
"""Where every name pauses, as when the cloud limits the rate, no more than these wait at once: a task costs memory."""
_LOOK_EVERY_S: Final = 0.25
"""A pause is seen while it lasts, 0.1 to 2 s and more; to look more often would cost passes over all under way."""
_IN_ONE_TURN: Final = 50


class _Workers:
    """Those who do the work. One whose name waits before it asks the cloud again does not count: another one helps."""

    def __init__(
        self,
        names: Sequence[str],
        work: Callable[[str], Awaitable[None]],
        is_paused: Callable[[str], bool],
    ) -> None:
        self._left = iter(names)
        self._first = min(_WORKERS, len(names))
        self._work = work
        self._is_paused = is_paused
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = 0
        self._done = 0
        self._turn = asyncio.Lock()
        """One worker at a time gives up its turn: else each would do its rows from memory in the same one."""

    async def run(self) -> None:
        """Until all is done, or the first exception."""
        try:
            for _ in range(self._first):
                await self._start()
            while self._tasks:
                done, self._tasks = await asyncio.wait(
                    self._tasks, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_EXCEPTION
                )
                for task in done:
                    task.result()
                self._paused = sum(map(self._is_paused, self._under_way))
                while self._tasks and self._too_few():
                    await self._start()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _start(self) -> None:
        task = asyncio.create_task(self._worker())
        task.add_done_callback(unwatched)
        self._tasks.add(task)
        await asyncio.sleep(0)

    def _too_few(self) -> bool:
        return len(self._under_way) == len(self._tasks) < min(_WORKERS + self._paused, _MOST_WORKERS)

    async def _worker(self) -> None:
        for name in self._left:
            self._under_way.add(name)
            await self._work(name)
            self._under_way.discard(name)
            self._done += 1
            if self._done % _IN_ONE_TURN == 0:
                async with self._turn:
                    await asyncio.sleep(0)
            if len(self._under_way) >= _WORKERS + self._paused:
                return


async def for_each(names: Iterable[str], work: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Do the work for each name. Returns the results in the order of the names.

    Work that never waits, as it finds all in memory, gives up its turn now and then.

    Args:
        names: each once.
        work: what is done for one.
    """
    results: dict[str, T] = {}
    ordered = list(names)

    async def one(name: str) -> None:
        results[name] = await work(name)

    await _Workers(ordered, one, lambda _: False).run()
    return {name: results[name] for name in ordered}


async def in_turns(rows: Iterable[T]) -> AsyncIterator[T]:
    """Each of thousands of rows, with a turn for the others now and then."""
    for number, row in enumerate(rows, 1):
        yield row
        if number % _IN_ONE_TURN == 0:
            await asyncio.sleep(0)
