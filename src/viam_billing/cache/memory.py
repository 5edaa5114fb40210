"""Cache entries in memory and their age; no I/O, its clocks are arguments.

The age of an entry of this process is measured on the monotonic clock, so that setting the wall clock changes no age.
The wall clock is for what people read (`as_of`), for the month's end, and for the age of an earlier process's entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct

from viam_billing.core.times import monotonic_s

FOREVER_S: Final = float("inf")

_MOST_ENTRIES: Final = 25_000
_CLOCK_STEP_S: Final = 2.0
"""By how much the wall clock has to differ before it counts as set, and not as corrected bit by bit."""


class Entry(Struct, eq=False, gc=False):
    """A cached answer. `as_of_s` is on the wall clock; `seen_s` on the monotonic one, None from an earlier process.

    `valid_until_s` (wall clock) is when it stops being an answer at all: usage ends with its month. `share` is the part
    of `cache_ttl_s` for which it is fresh: a random part, so that a fleet that starts together does not ask in step.
    """

    value: dict[str, Any]
    as_of_s: float
    seen_s: float | None
    valid_until_s: float = FOREVER_S
    share: float = 1.0


class Fetched(Struct, frozen=True):
    """What a fetch brings: the value, and until when on the wall clock it is an answer."""

    value: dict[str, Any]
    valid_until_s: float = FOREVER_S


class StoredEntry(NamedTuple):
    """An entry as the disk keeps it; both times are on the wall clock."""

    query: str
    value: dict[str, Any]
    as_of_s: float
    valid_until_s: float


class Reading(Struct, frozen=True, gc=False):
    """An answer as one caller gets it; `stale_reason` is the error's code where it stands in for the cloud's."""

    value: dict[str, Any]
    as_of_s: float
    stale_reason: str | None = None


class Memory:
    """The entries of one cache, by query."""

    def __init__(self, wall_s: Callable[[], float] = time.time, clock_s: Callable[[], float] = monotonic_s) -> None:
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._entries: dict[str, Entry] = {}
        self._distrusted: dict[str, float] = {}
        self._dropped: set[str] = set()
        self._restored = self._cleared = False

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def now_s(self) -> float:
        """The time on the wall clock."""
        return self._wall_s()

    def put(self, query: str, fetched: Fetched, share: float = 1.0) -> Entry:
        """Keep an answer that the cloud gave now."""
        entry = Entry(fetched.value, self._wall_s(), self._clock_s(), fetched.valid_until_s, share)
        self._entries.pop(query, None)
        self._entries[query] = entry
        if len(self._entries) > _MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return entry

    def restore(self, stored: Iterable[StoredEntry]) -> None:
        """Keep the entries of an earlier process, but for those that were replaced or dropped since."""
        for query, value, as_of_s, valid_until_s in stored:
            if query not in self._dropped and not self._cleared:
                self._entries.setdefault(query, Entry(value, as_of_s, None, valid_until_s))
        self._restored = True
        self._dropped.clear()

    def drop(self, query: str) -> None:
        """Forget an answer."""
        self._entries.pop(query, None)
        if not self._restored:
            self._dropped.add(query)

    def clear(self) -> None:
        """Forget all answers."""
        self._entries.clear()
        self._cleared = True

    def distrust(self, query: str, for_s: float) -> None:
        """Take no answer to a query for fresh, for a while."""
        self._distrusted[query] = self._clock_s() + for_s

    def fresh(self, query: str, ttl_s: float, max_age_s: float | None) -> Reading | None:
        """The answer, if it is younger than a caller's `max_age_s`; without one, than its share of `ttl_s`."""
        entry = self._entries.get(query)
        if entry is None or self._wall_s() >= entry.valid_until_s or self._clock_s() < self._distrusted.get(query, 0.0):
            return None
        fresh_for_s = entry.share * ttl_s if max_age_s is None else max_age_s
        if not 0 <= self._age_s(entry) < fresh_for_s:
            return None
        return Reading(entry.value, self._as_of_s(entry))

    def stale(self, query: str, max_stale_s: float, reason: str) -> Reading | None:
        """The answer, if it is at most `max_stale_s` old, as one that stands in for the cloud's because of `reason`."""
        entry = self._entries.get(query)
        if entry is None or self._wall_s() >= entry.valid_until_s or self._age_s(entry) > max_stale_s:
            return None
        return Reading(entry.value, self._as_of_s(entry), reason)

    def _age_s(self, entry: Entry) -> float:
        """Seconds since the cloud gave it; below 0 where the wall clock says that it comes from the future."""
        if entry.seen_s is not None:
            return self._clock_s() - entry.seen_s
        return self._wall_s() - entry.as_of_s

    def _as_of_s(self, entry: Entry) -> float:
        """When the cloud gave it, by the wall clock as it goes now: it may have been set since."""
        if entry.seen_s is not None:
            as_of_s = self._wall_s() - (self._clock_s() - entry.seen_s)
            if abs(as_of_s - entry.as_of_s) > _CLOCK_STEP_S:
                entry.as_of_s = as_of_s
        return entry.as_of_s
