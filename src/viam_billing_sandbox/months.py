"""The calendar of billing: months begin at midnight UTC of their first day."""

from __future__ import annotations

from datetime import datetime, timezone

_MONTHS_PER_YEAR = 12


def utc_now() -> datetime:
    """Answers the real time; everything else takes it as an argument."""
    return datetime.now(timezone.utc)


def month_start(now: datetime, months_ahead: int = 0) -> datetime:
    """Answers the first moment of the month of `now`, or of one some months ahead (negative: before)."""
    years, month = divmod(now.month - 1 + months_ahead, _MONTHS_PER_YEAR)
    return datetime(now.year + years, month + 1, 1, tzinfo=timezone.utc)


def elapsed_fraction(now: datetime) -> float:
    """Answers how much of the month of `now` has passed, from 0 to below 1."""
    start, end = month_start(now), month_start(now, 1)
    return (now - start) / (end - start)
