"""One fetch for any number of callers (single flight), and the last known answer when the cloud is away.

read --> a fresh entry? -----------------------------------> its answer
           | no
           v
         cloud away and an entry known? -------------------> its answer, stale (stale-if-error)
           | no
           v
         a fetch under way? --no--> start one
           |  |                      |
           v  v                      v
         wait for it, as long as the caller's time lasts --> its answer; an entry's, stale; or its error
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from copy import copy
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from viam_billing.cache.memory import Fetched, Memory, Reading
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome
from viam_billing.core.tasks import retrieve_exception, wait_shared
from viam_billing.core.times import Deadline

if TYPE_CHECKING:
    from viam_billing.cache.disk import CacheFile
    from viam_billing.cloud.circuit_breaker import CircuitBreaker

_DISTRUST_S: Final = 60.0
"""After a change whose outcome is unknown, nothing that it may outdate is fresh for so long."""
_SMALLEST_SHARE: Final = 0.85
_SAVE_S: Final = 0.25
_REMOVE_S: Final = 1.0


class Reader(Struct, eq=False):
    """One service at a shared cache: how old its answers may be, in seconds, and what `get_status` tells of its reads.

    `timeout_s` is a read's whole time. `closed` is done when the service is removed or recreated.
    """

    ttl_s: float
    max_stale_s: float
    timeout_s: float
    closed: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    hits: int = 0
    misses: int = 0
    stale: int = 0

    def close(self) -> None:
        """End its reads that are under way. May be called twice."""
        if not self.closed.done():
            self.closed.set_result(None)


class _Fetch(Struct, eq=False):
    task: asyncio.Task[Reading]
    deadline: Deadline


class Cache:
    """The answers of one key, address and folder; without a file, in memory only."""

    def __init__(
        self,
        circuit_breaker: CircuitBreaker,
        file: CacheFile | None = None,
        memory: Memory | None = None,
        siblings: Iterable[Cache] | None = None,
    ) -> None:
        """`siblings` are all caches that a change may outdate, this one among them."""
        self._circuit_breaker = circuit_breaker
        self._file = file
        self._memory = memory or Memory()
        if file is None:
            self._memory.restore(())
        self._siblings = [self] if siblings is None else siblings
        self._fetches: dict[str, _Fetch] = {}
        self._changing: dict[str, int] = {}
        self._timeout_s = 0.0

    def join(self, reader: Reader) -> None:
        """Take a service in: a fetch lasts, and an entry is kept on the disk, as long as any service wants."""
        self._timeout_s = max(self._timeout_s, reader.timeout_s)
        if self._file is not None:
            self._file.restore(self._memory, reader.max_stale_s)

    async def read(
        self,
        query: str,
        fetch: Callable[[Deadline], Awaitable[Fetched]],
        reader: Reader,
        *,
        deadline: Deadline,
        max_age_s: float | None,
    ) -> Reading:
        """The answer to a query.

        Raises:
            BillingError: the fetch's error, where no entry may stand in for it.
        """
        if self._file is not None and not self._file.restored:
            await self._file.wait_restored(reader.closed)
        fresh = self._memory.fresh(query, reader.ttl_s, max_age_s)
        if fresh is not None:
            reader.hits += 1
            return fresh
        reader.misses += 1
        try:
            return await self._fetch(query, fetch, reader, deadline)
        except errors.CloudAwayError as error:
            reading = self._memory.stale(query, reader.max_stale_s, error.code)
            if reading is None or reader.closed.done():
                raise
            reader.stale += 1
            return reading
        except errors.KeyLacksPermissionError:
            self.drop(query)
            raise

    async def _fetch(
        self, query: str, fetch: Callable[[Deadline], Awaitable[Fetched]], reader: Reader, deadline: Deadline
    ) -> Reading:
        """The reading of a fetch. While the cloud is away, only the caller that starts the probe waits for it."""
        if reader.closed.done():
            raise errors.service_closed()
        if deadline.remaining_s() <= 0:
            raise errors.CloudTimeoutError("the caller's time was over before the cloud was asked. Try again later.")
        away = self._circuit_breaker.is_open
        under_way = self._fetches.get(query)
        if away and (under_way is not None or not self._circuit_breaker.probe_due):
            raise self._circuit_breaker.unreachable()
        if under_way is None:
            under_way = self._start(query, fetch, reader)
        if away and self._memory.stale(query, reader.max_stale_s, "") is not None:
            raise self._circuit_breaker.unreachable()
        try:
            return await wait_shared(under_way.task, deadline.remaining_s(), reader.closed)
        except asyncio.TimeoutError:
            last = under_way.deadline.last_error
        del under_way  # an error that somebody keeps must not keep the call's connection
        if isinstance(last, BillingError):
            raise copy(last)
        raise errors.CloudTimeoutError("the cloud did not answer in time. Try again later.")

    @asynccontextmanager
    async def changing(self, *queries: str) -> AsyncIterator[None]:
        """Around the sending of a change: what it outdates is forgotten, and so is what is fetched meanwhile.

        It is gone from the disk before: if the module dies on the way, its next start must not take it for fresh.
        """
        for cache in self._siblings:
            await cache.begin_change(queries)
        outcome = Outcome.UNKNOWN
        try:
            yield
            outcome = Outcome.REFUSED
        except BillingError as error:
            outcome = error.outcome
            raise
        finally:
            for cache in self._siblings:
                cache.end_change(queries, distrust_s=_DISTRUST_S if outcome is Outcome.UNKNOWN else 0.0)

    async def begin_change(self, queries: Iterable[str]) -> None:
        """Forget answers, on the disk too, and keep none until the change has ended."""
        for query in queries:
            self._changing[query] = self._changing.get(query, 0) + 1
            self.drop(query)
        if self._file is not None:
            await self._file.written(within_s=_REMOVE_S)

    def end_change(self, queries: Iterable[str], *, distrust_s: float) -> None:
        """Forget what came meanwhile; `distrust_s` is for how long a newer answer may still be outdated."""
        for query in queries:
            self._changing[query] -= 1
            if not self._changing[query]:
                del self._changing[query]
            self.drop(query)
            if distrust_s:
                self._memory.distrust(query, distrust_s)

    def forget(self, *queries: str) -> None:
        """Drop answers from this cache and its siblings: they are known to be outdated."""
        for cache in self._siblings:
            for query in queries:
                cache.drop(query)

    def drop(self, query: str) -> None:
        """Forget an answer. A fetch under way still answers its callers, and is not kept."""
        self._fetches.pop(query, None)
        self._memory.drop(query)
        if self._file is not None:
            self._file.delete(query)

    def clear(self) -> None:
        """Forget all answers."""
        self._fetches.clear()
        self._memory.clear()
        if self._file is not None:
            self._file.delete_all()

    def _start(self, query: str, fetch: Callable[[Deadline], Awaitable[Fetched]], reader: Reader) -> _Fetch:
        """Start the one fetch of a query. It outlives its first caller."""
        # A little less than a caller's own time, so that its error arrives before the caller's time is over.
        time_s = max(reader.timeout_s, self._timeout_s)
        deadline = Deadline(time_s - min(0.25, 0.2 * time_s))
        keep = reader.max_stale_s > 0
        task = asyncio.create_task(self._fetched(query, fetch, deadline, keep=keep), name=f"viam-billing {query}")
        task.add_done_callback(retrieve_exception)
        started = self._fetches[query] = _Fetch(task, deadline)
        return started

    async def _fetched(
        self, query: str, fetch: Callable[[Deadline], Awaitable[Fetched]], deadline: Deadline, *, keep: bool
    ) -> Reading:
        try:
            fetched = await fetch(deadline)
            if not self._is_current(query) or query in self._changing:
                return Reading(fetched.value, self._memory.now_s())  # outdated by a change meanwhile: not kept
            share = random.uniform(_SMALLEST_SHARE, 1.0)  # noqa: S311 - no secret
            entry = self._memory.put(query, fetched, share)
        finally:
            if self._is_current(query):
                del self._fetches[query]
        if self._file is not None and keep:
            await self._file.save(query, entry, within_s=_SAVE_S)
        return Reading(entry.value, entry.as_of_s)

    def _is_current(self, query: str) -> bool:
        """Whether this task is the fetch of a query, and no drop has cut it off."""
        fetch = self._fetches.get(query)
        return fetch is not None and fetch.task is asyncio.current_task()

    def close(self) -> None:
        """End the fetches under way, and close the file. May be called twice."""
        for fetch in self._fetches.values():
            fetch.task.cancel()
        if self._file is not None:
            self._file.close()
