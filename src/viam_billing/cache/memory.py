"""Known answers in memory and their age; no I/O, its clocks are arguments.

An answer's age goes by the steady clock, which nobody sets; the wall clock only says it to people, and to a process
that starts with the answers of an earlier one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from viam_billing.core.times import monotonic_s

FOREVER_S: Final = float("inf")

_MOST_ENTRIES: Final = 25_000
_CLOCK_STEP_S: Final = 2.0


class Entry(Struct, eq=False, gc=False):
    """A known answer. `as_of_s` is on the wall clock; `seen_s` on the steady one, None if another process saw it.

    `valid_until_s` (wall clock) is when it stops being an answer at all: usage ends with its month. `share` is the part
    of the configured time for which it counts as fresh: not all of it, by chance, so that a fleet does not ask in step.
    """

    value: dict[str, Any]
    as_of_s: float
    seen_s: float | None
    valid_until_s: float = FOREVER_S
    share: float = 1.0


class Limits(Struct, frozen=True):
    """One service's view of age, in seconds: `cache_ttl_s`, `max_stale_s`, and the whole time of a read."""

    ttl_s: float
    max_stale_s: float
    timeout_s: float


class Reading(Struct, frozen=True, gc=False):
    """An answer as one caller gets it.

    `stale_reason` is the error code if the cloud was asked in vain. A reading from memory tells which `entry` it is of
    which `question`, and how long, on the steady clock, it is fresh.
    """

    value: dict[str, Any]
    as_of_s: float
    stale_reason: str | None = None
    fresh_until_s: float = 0.0
    question: str = ""
    entry: Entry | None = None


class Answers:
    """What is known, by question."""

    def __init__(self, wall_s: Callable[[], float] = time.time, clock_s: Callable[[], float] = monotonic_s) -> None:
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._entries: dict[str, Entry] = {}
        self._distrusted: dict[str, float] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def now_s(self) -> float:
        """The time on the wall clock."""
        return self._wall_s()

    def put(self, question: str, value: dict[str, Any], valid_until_s: float, share: float) -> Entry:
        """Keep an answer that the cloud gave now."""
        entry = Entry(value, self._wall_s(), self._clock_s(), valid_until_s, share)
        self._entries.pop(question, None)
        self._entries[question] = entry
        if len(self._entries) > _MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return entry

    def put_old(self, question: str, value: dict[str, Any], as_of_s: float, valid_until_s: float) -> None:
        """Keep an answer of an earlier process, unless there is a newer one."""
        self._entries.setdefault(question, Entry(value, as_of_s, None, valid_until_s))

    def drop(self, question: str) -> bool:
        """Forget an answer. Returns whether there was one."""
        return self._entries.pop(question, None) is not None

    def distrust(self, question: str, for_s: float) -> None:
        """Take no answer to a question for fresh, for a while."""
        self._distrusted[question] = self._clock_s() + for_s

    def fresh(self, question: str, ttl_s: float, max_age_s: float | None) -> Reading | None:
        """The answer, if it is younger than a caller's `max_age_s`, or else than its share of `ttl_s`."""
        entry = self.valid(question)
        if entry is None:
            return None
        fresh_for_s = entry.share * ttl_s if max_age_s is None else max_age_s
        age_s = self.age_s(entry)
        if not 0 <= age_s < fresh_for_s or self._is_distrusted(question):
            return None
        return Reading(entry.value, self.as_of_s(entry), None, self._clock_s() + fresh_for_s - age_s, question, entry)

    def is_current(self, reading: Reading) -> bool:
        """Whether asking again now would give the same reading. Cheap: the path of every repeated question."""
        entry = reading.entry
        return (
            entry is not None
            and self._entries.get(reading.question) is entry
            and self._clock_s() < reading.fresh_until_s
            and self._wall_s() < entry.valid_until_s
        )

    def valid(self, question: str) -> Entry | None:
        """The answer, however old, unless its time as an answer is over."""
        entry = self._entries.get(question)
        return entry if entry is not None and self._wall_s() < entry.valid_until_s else None

    def age_s(self, entry: Entry) -> float:
        """Seconds since the cloud gave it; below 0 where the wall clock says that it comes from the future."""
        if entry.seen_s is not None:
            return self._clock_s() - entry.seen_s
        return self._wall_s() - entry.as_of_s

    def as_of_s(self, entry: Entry) -> float:
        """When the cloud gave it, by the wall clock as it goes now: that one may have been set since."""
        if entry.seen_s is not None:
            by_steady_clock_s = self._wall_s() - (self._clock_s() - entry.seen_s)
            if abs(by_steady_clock_s - entry.as_of_s) > _CLOCK_STEP_S:
                entry.as_of_s = by_steady_clock_s
        return entry.as_of_s

    def _is_distrusted(self, question: str) -> bool:
        until_s = self._distrusted.get(question)
        if until_s is not None and self._clock_s() >= until_s:
            del self._distrusted[question]
            return False
        return until_s is not None
