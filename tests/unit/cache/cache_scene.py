"""A cache whose cloud answers 1, 2, 3 and so on, with clocks of the test's and a disk in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from typing_extensions import override

from support.fake_parts import NOON_S, Clock
from viam_billing.cache.cache import Cache, Reader
from viam_billing.cache.disk import CacheFile
from viam_billing.cache.readings import FOREVER_S, Call, Entry, Memory, Reading
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.core.errors import BillingError
from viam_billing.core.times import Deadline
from viam_billing.storage.disk import Disk


class FakeFile(CacheFile):
    """A disk in memory that can be slow."""

    def __init__(self, stored: dict[str, Entry]) -> None:
        super().__init__(Disk(), "/nowhere", "cloud")
        self.stored = stored
        self.ready = asyncio.Event()
        self.ready.set()

    @override
    async def clean(self) -> None:
        return

    @override
    async def load(self) -> dict[str, Entry]:
        stored = dict(self.stored)
        await self.ready.wait()
        return stored

    @override
    async def save(self, query: str, entry: Entry, *, within_s: float) -> None:
        self.stored[query] = entry

    @override
    async def written(self, *, within_s: float) -> None:
        return

    @override
    def delete(self, query: str | None) -> None:
        if query is None:
            self.stored.clear()
        self.stored.pop(query or "", None)


class Scene:
    """One service at a cache. The cloud answers while `open` is set, or fails with `error`."""

    def __init__(self, **stored: Entry) -> None:
        self.wall = Clock(NOON_S)
        self.monotonic = Clock(0.0)
        self.circuit_breaker = CircuitBreaker("cloud", self.monotonic, max)
        self.file = FakeFile(stored)
        self.cache = Cache(self.circuit_breaker, self.file, Memory(self.wall, self.monotonic))
        self.reader = self.service()
        self.open = asyncio.Event()
        self.open.set()
        self.error: BillingError | None = None
        self.fetches = 0

    def service(self, max_stale_s: float = 3600.0) -> Reader:
        """Another service at the same cache."""
        reader = Reader(ttl_s=300.0, max_stale_s=max_stale_s, timeout_s=10.0)
        self.cache.join(reader)
        return reader

    async def fetch(self, _: Deadline) -> tuple[dict[str, Any], float]:
        """Ask the cloud, as a probe where it is away."""
        probe = self.circuit_breaker.enter()
        self.fetches += 1
        number = self.fetches
        try:
            await self.open.wait()
        finally:
            if probe:
                self.circuit_breaker.leave_probe()
        if self.error is not None:
            raise self.error
        self.circuit_breaker.answered()
        return {"number": number}, FOREVER_S

    async def read(
        self, query: str = "q", *, max_age_s: float | None = None, time_s: float = 10.0, reader: Reader | None = None
    ) -> Reading:
        """A caller's read."""
        call = Call(Deadline(time_s), Deadline(time_s))
        return await self.cache.read(query, self.fetch, reader or self.reader, call, max_age_s)

    async def number(self, query: str = "q", **how: Any) -> int:  # noqa: ANN401 - of `read`
        """The number of a read's answer."""
        return int((await self.read(query, **how)).value["number"])

    def wait(self, time_s: float) -> None:
        """Let both clocks go."""
        self.wall.now_s += time_s
        self.monotonic.now_s += time_s

    async def under_way(self, count: int = 1) -> None:
        """Wait until so many fetches have begun."""
        while self.fetches < count:  # noqa: ASYNC110 - a number, not an event
            await asyncio.sleep(0)


def old(age_s: float = 1000.0, number: int = 7) -> Entry:
    """An entry of an earlier process."""
    return Entry({"number": number}, NOON_S - age_s, None, NOON_S + 86_400)
