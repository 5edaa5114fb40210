"""Billing months, which begin at midnight UTC of their first day."""

from __future__ import annotations

from datetime import datetime, timezone

_MONTHS_PER_YEAR = 12


def utc_now() -> datetime:
    """Returns the real time; everything else takes it as an argument."""
    return datetime.now(timezone.utc)


def month_start(now: datetime, months_ahead: int = 0) -> datetime:
    """Returns the start of the month of `now`, or of a month that many ahead (negative: before)."""
    years, month = divmod(now.month - 1 + months_ahead, _MONTHS_PER_YEAR)
    return datetime(now.year + years, month + 1, 1, tzinfo=timezone.utc)


def elapsed_fraction(now: datetime) -> float:
    """Returns the elapsed fraction of the month of `now`, from 0 to below 1."""
    start, end = month_start(now), month_start(now, 1)
    return (now - start) / (end - start)
