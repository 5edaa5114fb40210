"""The billing month of a usage answer: when it began and when it ends, whatever the API's dates mean.

start_date   the first in UTC, or up to 14 hours off it, which is the first in another time zone
             any other day, if less than a month ago
             one of the future, more than two months ago, or more than one where the end is ahead: not known
end_date     the month's end
             not after now, or less than a day after it while the calendar month goes on: counted until here
             left out, or more than a month after the start: not known
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from viam_billing.cloud import decoding
from viam_billing.core.times import DAY_S, HOUR_S, LAST_S, month_start_s, next_month_s

LONGEST_MONTH_S: Final = 32 * DAY_S
"""A month of 31 days, and more than an hour for clocks that are put back in it."""

_LARGEST_ZONE_S: Final = 14 * HOUR_S


class Month(Struct, frozen=True):
    """A billing month, in Unix seconds; `start_s` is None where the answer does not tell it."""

    start_s: float | None
    end_s: float


def billing_month(start_s: float | None, end_s: float | None, as_of_s: float) -> Month:
    """The month of an answer that the cloud gave at `as_of_s`, from its `start_date` and `end_date`.

    Without a known end it ends with the calendar month, in the time zone of its start, in which most of the time since
    the start lies. `end_s` is not after `as_of_s` where the cloud has not begun the new month yet.
    """
    zone_s = None if start_s is None else _zone_s(start_s)
    may_have_ended = zone_s is not None and not (end_s is not None and end_s > as_of_s)
    longest_s = 2 * LONGEST_MONTH_S if may_have_ended else LONGEST_MONTH_S
    if start_s is None or not as_of_s - longest_s < start_s <= as_of_s + _LARGEST_ZONE_S:
        start_s = zone_s = None
    begun_s = as_of_s if start_s is None else start_s
    calendar_s = next_month_s((begun_s + as_of_s) / 2) if zone_s is None else next_month_s(begun_s - zone_s) + zone_s
    if end_s is None or not as_of_s < end_s <= begun_s + LONGEST_MONTH_S:
        end_s = calendar_s
    elif end_s - as_of_s < DAY_S:
        end_s = max(end_s, calendar_s)
    if end_s <= as_of_s and zone_s is None:
        return Month(None, next_month_s(as_of_s))  # begun on any day, and nobody knows when it ends
    return Month(start_s, end_s)


def _zone_s(start_s: float) -> float | None:
    """How far a start is from the first of a month in UTC; None where no time zone is that far."""
    off_s = start_s - month_start_s(min(start_s + _LARGEST_ZONE_S, LAST_S))
    return off_s if off_s <= _LARGEST_ZONE_S else None


def month_of(usage: Mapping[str, Any], as_of_s: float) -> Month:
    """The month of a native `GetCurrentMonthUsageResponse`."""
    return billing_month(decoding.moment_s(usage, "start_date"), decoding.moment_s(usage, "end_date"), as_of_s)
