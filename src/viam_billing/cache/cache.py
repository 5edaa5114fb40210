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
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from copy import copy
from typing import Any, Final, TypeAlias

from msgspec import Struct

from viam_billing.cache.disk import CacheFile
from viam_billing.cache.readings import Call, Memory, Reading
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome
from viam_billing.core.tasks import wait_shared
from viam_billing.core.times import Deadline

Fetch: TypeAlias = Callable[[Deadline], Awaitable[tuple[dict[str, Any], float]]]
"""Asks the cloud for a value; and until when, on the wall clock, it is an answer."""

_DISTRUST_S: Final = 60.0
"""After a change whose outcome is unknown, nothing that it may outdate is fresh for so long."""
_SMALLEST_SHARE: Final = 0.85
_RESTORE_S: Final = 1.0
_SAVE_S: Final = 0.25
_REMOVE_S: Final = 1.0


class Reader(Struct, eq=False):
    """One service at a shared cache: how old its answers may be, in seconds, and what `get_status` tells of its reads.

    `timeout_s` is a read's whole time.
    """

    ttl_s: float
    max_stale_s: float
    timeout_s: float
    hits: int = 0
    misses: int = 0
    stale: int = 0


class Cache:
    """The answers of one key, address and folder; without a file, in memory only."""

    def __init__(
        self,
        circuit_breaker: CircuitBreaker,
        file: CacheFile | None = None,
        memory: Memory | None = None,
        siblings: Iterable[Cache] | None = None,
        named: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`siblings` are all caches that a change may outdate, this one among them.

        `named` is the file's cloud name, where it is not known from the start.
        """
        self._circuit_breaker = circuit_breaker
        self.file = file
        self.changing_now: Counter[str] = Counter()
        self._memory = memory or Memory()
        self._named = named
        self._cloud: str | None = None
        self._siblings = [self] if siblings is None else siblings
        self._fetches: dict[str, tuple[asyncio.Task[Reading | BillingError], Deadline]] = {}
        self._timeout_s = 0.0
        self._restore_deadline = Deadline(_RESTORE_S)
        self._restoring: asyncio.Task[None] | None = None
        if file is None:
            self._memory.restore({})

    async def _restore(self, file: CacheFile) -> None:
        await file.clean()
        if self._named is not None:
            self._cloud = await self._named()
            file.rename(self._cloud)
        self._memory.restore(await file.load())

    def join(self, reader: Reader) -> None:
        """Take a service in: a fetch lasts, and an entry is kept on the disk, as long as any service wants."""
        self._timeout_s = max(self._timeout_s, reader.timeout_s)
        if self.file is not None:
            self.file.keep_s = max(self.file.keep_s, reader.max_stale_s)
            if self._restoring is None:
                self._restoring = asyncio.create_task(self._restore(self.file))

    async def read(self, query: str, fetch: Fetch, reader: Reader, call: Call, max_age_s: float | None) -> Reading:
        """The answer to a query, noted in the call. Raises: BillingError: the fetch's, where no entry may stand in."""
        if self._restoring is not None and not self._restoring.done():
            with contextlib.suppress(asyncio.TimeoutError):  # a disk that does not answer costs the old answers
                await wait_shared(self._restoring, self._restore_deadline.remaining_s())
        reading = self._memory.fresh(query, reader.ttl_s, max_age_s)
        if reading is not None:
            reader.hits += 1
        else:
            reader.misses += 1
            try:
                reading = await self._ask(query, fetch, reader, call.deadline)
            except errors.CloudAwayError as error:
                reading = self._memory.stale(query, reader.max_stale_s, error.code)
                if reading is None:
                    raise
                reader.stale += 1
            except errors.KeyLacksPermissionError:
                self.drop(query)
                raise
        call.readings.append(reading)
        return reading

    async def _ask(self, query: str, fetch: Fetch, reader: Reader, deadline: Deadline) -> Reading:
        """The reading of a fetch. While the cloud is away, only the caller that starts the probe waits for it."""
        if deadline.remaining_s() <= 0:
            raise errors.CloudTimeoutError("the caller's time was over before the cloud was asked. Try again later.")
        away = self._circuit_breaker.is_open
        under_way = self._fetches.get(query)
        if away and (under_way is not None or not self._circuit_breaker.probe_due):
            raise self._circuit_breaker.unreachable()
        if under_way is None:
            # A little less than a caller's own time, so that its error arrives before the caller's time is over.
            fetch_deadline = Deadline(self._timeout_s - min(0.25, 0.2 * self._timeout_s))
            fetching = self._fetch(query, fetch, fetch_deadline, keep=reader.max_stale_s > 0)
            under_way = asyncio.create_task(fetching, name=f"viam-billing {query}"), fetch_deadline
            self._fetches[query] = under_way
        if away and self._memory.stale(query, reader.max_stale_s, "") is not None:
            raise self._circuit_breaker.unreachable()
        task, fetch_deadline = under_way
        result: Reading | Exception | None
        try:
            result = await wait_shared(task, deadline.remaining_s())
        except asyncio.TimeoutError:
            result = fetch_deadline.last_error
        del under_way, task  # an error that a caller keeps must not keep the call's connection open
        if isinstance(result, Reading):
            return result
        if isinstance(result, BillingError):
            raise copy(result)
        raise errors.CloudTimeoutError("the cloud did not answer in time. Try again later.")

    async def _fetch(self, query: str, fetch: Fetch, deadline: Deadline, *, keep: bool) -> Reading | BillingError:
        """What the cloud answers to all who wait; it outlives the first of them.

        An error is returned: nobody may be left who waits for it. The copy keeps nothing of the cloud's call alive.
        """
        try:
            value, valid_until_s = await fetch(deadline)
        except BillingError as error:
            return copy(error)
        finally:
            current = query in self._fetches and self._fetches[query][1] is deadline
            if current:
                del self._fetches[query]
        if not current or self.changing_now[query]:
            return Reading(value, self._memory.wall_s())  # outdated by a change meanwhile: not kept
        share = random.uniform(_SMALLEST_SHARE, 1.0)  # noqa: S311 - no secret
        entry = self._memory.put(query, value, valid_until_s, share)
        if self.file is not None and keep:
            await self.file.save(query, entry, within_s=_SAVE_S)
        return Reading(value, entry.as_of_s)

    @contextlib.asynccontextmanager
    async def changing(self, *queries: str) -> AsyncIterator[None]:
        """Around the sending of a change: what it outdates is forgotten, and so is what is fetched meanwhile.

        It is gone from the disk before: if the module dies on the way, its next start must not take it for fresh.
        """
        self.forget(*queries)
        caches = list(self._siblings)
        for cache in caches:
            cache.changing_now.update(queries)
        distrust_s = _DISTRUST_S
        try:
            for cache in caches:
                if cache.file is not None:
                    await cache.file.written(within_s=_REMOVE_S)
            yield
            distrust_s = 0.0
        except BillingError as error:
            if error.outcome is not Outcome.UNKNOWN:
                distrust_s = 0.0
            raise
        finally:
            for cache in caches:
                cache.changing_now.subtract(queries)
            self.forget(*queries, distrust_s=distrust_s)

    def forget(self, *queries: str, distrust_s: float = 0.0) -> None:
        """Drop answers that are known to be outdated; their next ones may be, too, for as long as `distrust_s`."""
        for cache in self._siblings:
            for query in queries:
                cache.drop(query, distrust_s)

    def drop(self, query: str, distrust_s: float = 0.0) -> None:
        """Drop an answer from this cache alone. A fetch under way still answers its callers, and is not kept."""
        self._fetches.pop(query, None)
        self._memory.drop(query, distrust_s)
        if self.file is not None:
            self.file.delete(query)

    def clear(self) -> None:
        """Forget all answers."""
        self._fetches.clear()
        self._memory.clear()
        if self.file is not None:
            self.file.delete(None)

    def rename(self, cloud: str) -> None:
        """Forget all answers of another key than this one's; the file keeps them under that one's name."""
        before, self._cloud = self._cloud, cloud
        if before == cloud:
            return
        if before is not None:
            self._fetches.clear()
            self._memory.clear()
        if self.file is not None:
            self.file.rename(cloud)

    def close(self) -> None:
        """End the fetches under way, and close the file. May be called twice."""
        for task, _ in self._fetches.values():
            task.cancel()
        if self._restoring is not None:
            self._restoring.cancel()
        if self.file is not None:
            self.file.close()
