"""Points in time: Unix seconds inside, RFC 3339 in UTC at the edges, and the deadline of one call."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Final

HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", None)
FOREVER_S: Final = 366 * DAY_S


def to_rfc3339(unix_s: float) -> str:
    """`2026-11-21T08:30:00.250Z`; milliseconds only where there are any."""
    moment = datetime.fromtimestamp(round(unix_s, 3), timezone.utc)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def from_rfc3339(text: str) -> float:
    """Unix seconds of a timestamp as protobuf's JSON mapping writes it (always `Z`, up to nanoseconds)."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(f"{whole}+00:00")
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)


def month_start_s(unix_s: float) -> float:
    """The start of the calendar month of a moment, in UTC."""
    moment = datetime.fromtimestamp(unix_s, timezone.utc)
    return datetime(moment.year, moment.month, 1, tzinfo=timezone.utc).timestamp()


def next_month_s(unix_s: float) -> float:
    """The start of the calendar month after a moment, in UTC."""
    moment = datetime.fromtimestamp(unix_s, timezone.utc)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)  # noqa: PLR2004 - December
    return datetime(year, month, 1, tzinfo=timezone.utc).timestamp()


def steady_s() -> float:
    """Seconds on the clock that nobody sets; where the system has one that goes on while it sleeps, on that."""
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


class Deadline:
    """The moment at which one call has to be answered, on the clock that never jumps."""

    __slots__ = ("_ends_at", "_time_s", "last_error")

    def __init__(self, time_s: float) -> None:
        self._time_s = min(time_s, FOREVER_S)
        self.renew()
        self.last_error: Exception | None = None
        """What a read under this deadline got last, while it pauses before it asks again."""

    def renew(self) -> None:
        """Let all of the time begin anew."""
        self._ends_at = time.monotonic() + self._time_s

    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._ends_at - time.monotonic())

    @classmethod
    def of_caller(cls, timeout_s: float | None, own_s: float) -> Deadline:
        """The shorter of the module's own time and the caller's.

        At its deadline a caller's handler is cancelled, without an answer. A little of the caller's time is therefore
        kept back, so that a last known answer or an error with its code still reaches it.
        """
        if timeout_s is None:
            return cls(own_s)
        return cls(min(own_s, max(0.0, timeout_s - min(0.25, timeout_s * 0.1))))
