"""Times: Unix seconds inside the module, RFC 3339 in UTC in its answers, and the deadline of one call."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Final

HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
_LONGEST_DEADLINE_S: Final = 366 * DAY_S
_FIRST_S, LAST_S = -62_135_596_800.0, 253_402_300_799.0  # of the years 1 and 9999; there are no other dates


def to_rfc3339(unix_s: float) -> str:
    """`2026-11-21T08:30:00.250Z`; milliseconds only where there are any. Years are clamped to 1 to 9999."""
    moment = datetime.fromtimestamp(round(min(max(unix_s, _FIRST_S), LAST_S), 3), timezone.utc)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> float:
    """Unix seconds of a timestamp in protobuf's JSON mapping: it ends with `Z` and has up to nine decimals."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(f"{whole}+00:00")
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)


def month_start_s(unix_s: float) -> float:
    """The start of the calendar month, in UTC, that contains a time."""
    moment = datetime.fromtimestamp(unix_s, timezone.utc)
    return datetime(moment.year, moment.month, 1, tzinfo=timezone.utc).timestamp()


def next_month_s(unix_s: float) -> float:
    """The start of the calendar month, in UTC, after the one that contains a time."""
    return month_start_s(min(month_start_s(unix_s) + 31 * DAY_S, LAST_S))


monotonic_s: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds on the monotonic clock; it also counts the time asleep where the system has such a clock."""


class Deadline:
    """When one call has to be answered, on the monotonic clock.

    The shorter of the module's own time and the caller's counts. At the caller's deadline its handler is cancelled
    without an answer, so a little of that time is kept back: an old answer, or an error with its code, still arrives.
    """

    def __init__(self, time_s: float, caller_s: float | None = None) -> None:
        if caller_s is not None:
            time_s = min(time_s, max(0.0, caller_s - min(0.25, caller_s * 0.1)))
        self._time_s = min(time_s, _LONGEST_DEADLINE_S)
        self._ends_at = time.monotonic() + self._time_s
        self.last_error: Exception | None = None  # the last one of a read that waits before it tries again

    def renew(self) -> None:
        """Start the whole time again from now."""
        self._ends_at = time.monotonic() + self._time_s

    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._ends_at - time.monotonic())
