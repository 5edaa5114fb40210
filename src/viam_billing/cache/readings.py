"""The answers in memory: what the cache keeps, how old it is, and what a call gets of it; clocks are arguments.

The age of an entry of this process is measured on the monotonic clock, so that setting the wall clock changes no age.
The wall clock is for what people read (`as_of`), for the month's end, and for the age of an earlier process's entry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct, field

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.tasks import nothing, within
from viam_billing.core.times import Deadline, monotonic_s, to_rfc3339

T = TypeVar("T")

FOREVER_S: Final = 1e18

MOST_ENTRIES: Final = 25_000
_CLOCK_STEP_S: Final = 2.0
"""By how much the wall clock has to differ before it counts as set, and not as corrected bit by bit."""


class Reading(Struct, frozen=True, gc=False):
    """An answer as one caller gets it; `stale_reason` is the error's code where it stands in for the cloud's."""

    value: dict[str, Any]
    as_of_s: float
    stale_reason: str | None = None


class Call(Struct):
    """One call of the module: its deadlines, and the readings that its answer was made of.

    `deadline` is that of what it reads, `caller` the caller's alone: a charge has its own time. `begin` is awaited
    before anything is sent, and writes the attempt down.
    """

    deadline: Deadline
    caller: Deadline
    readings: list[Reading] = field(default_factory=list)
    begin: Callable[[], Awaitable[None]] = nothing

    async def from_disk(self, work: Awaitable[T]) -> T:
        """The result of work on the disk. Raises: StateUnavailableError: if it takes longer than the cloud may."""
        try:
            return await within(self.deadline.remaining_s(), work)
        except asyncio.TimeoutError:
            raise StateUnavailableError(
                "the disk does not answer in time. Find what keeps the files in state_dir busy, or try again later."
            ) from None


def provenance(readings: Iterable[Reading]) -> dict[str, Any]:
    """`as_of`, `stale` and `stale_reason` of an answer made of readings: the oldest time, stale if one is."""
    parts = list(readings)
    reason = next((part.stale_reason for part in parts if part.stale_reason), None)
    facts = {"as_of": to_rfc3339(min(part.as_of_s for part in parts)), "stale": reason is not None}
    return {**facts, "stale_reason": reason} if reason else facts


class Entry(Struct, eq=False, gc=False):
    """A cached answer. `as_of_s` is on the wall clock; `seen_s` on the monotonic one, None from an earlier process.

    `valid_until_s` (wall clock) is when it stops being an answer at all: usage ends with its month. `share` is the part
    of `cache_ttl_s` for which it is fresh: a random part, so that a fleet that starts together does not ask in step.
    """

    value: dict[str, Any]
    as_of_s: float
    seen_s: float | None = None
    valid_until_s: float = FOREVER_S
    share: float = 1.0


class Memory:
    """The entries of one cache, by query."""

    def __init__(self, wall_s: Callable[[], float] = time.time, clock_s: Callable[[], float] = monotonic_s) -> None:
        self.wall_s = wall_s
        self._clock_s = clock_s
        self._entries: dict[str, Entry] = {}
        self._distrusted_until_s: dict[str, float] = {}
        self._dropped: set[str] | None = set()
        """What was dropped while the entries of an earlier process are awaited; None when they are not."""

    def put(self, query: str, value: dict[str, Any], valid_until_s: float = FOREVER_S, share: float = 1.0) -> Entry:
        """Keep an answer that the cloud gave now."""
        entry = Entry(value, self.wall_s(), self._clock_s(), valid_until_s, share)
        self._entries.pop(query, None)
        self._entries[query] = entry
        while len(self._entries) > MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return entry

    def restore(self, stored: Mapping[str, Entry]) -> None:
        """Keep the entries of an earlier process, once, but for those that were replaced or dropped since."""
        if self._dropped is not None:
            self._entries = {query: stored[query] for query in stored if query not in self._dropped} | self._entries
            self._dropped = None

    def drop(self, query: str, distrust_s: float = 0.0) -> None:
        """Forget an answer, and take none to its query for fresh within `distrust_s`."""
        self._entries.pop(query, None)
        if self._dropped is not None:
            self._dropped.add(query)
        if distrust_s:
            self._distrusted_until_s[query] = self._clock_s() + distrust_s

    def clear(self) -> None:
        """Forget all answers."""
        self._entries.clear()
        self._dropped = None

    def fresh(self, query: str, ttl_s: float, max_age_s: float | None) -> Reading | None:
        """The answer, if it is younger than a caller's `max_age_s`; without one, than its share of `ttl_s`."""
        entry = self._entries.get(query)
        if entry is None or self.wall_s() >= entry.valid_until_s:
            return None
        if self._clock_s() < self._distrusted_until_s.get(query, 0.0):
            return None
        fresh_for_s = entry.share * ttl_s if max_age_s is None else max_age_s
        return Reading(entry.value, entry.as_of_s) if 0 <= self._age_s(entry) < fresh_for_s else None

    def stale(self, query: str, max_stale_s: float, reason: str) -> Reading | None:
        """The answer, if it is at most `max_stale_s` old, as one that stands in for the cloud's because of `reason`."""
        entry = self._entries.get(query)
        if entry is None or self.wall_s() >= entry.valid_until_s or self._age_s(entry) > max_stale_s:
            return None
        return Reading(entry.value, entry.as_of_s, reason)

    def _age_s(self, entry: Entry) -> float:
        """Seconds since the cloud gave it; below 0 where the wall clock says that it comes from the future.

        An entry's `as_of_s` follows a wall clock that was set since.
        """
        if entry.seen_s is None:
            return self.wall_s() - entry.as_of_s
        age_s = self._clock_s() - entry.seen_s
        as_of_s = self.wall_s() - age_s
        if abs(as_of_s - entry.as_of_s) > _CLOCK_STEP_S:
            entry.as_of_s = as_of_s
        return age_s
