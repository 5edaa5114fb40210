"""The estimate of a month's total: from the days seen so far, or by a straight line; pure arithmetic.

points -> spans of about a day, each with its rate -> typical days and one-offs
                                                      rate and trend of the typical days -> the rest of the month

One-offs stay in the cost to date; only the rate of the remaining days is estimated without them. Nothing is
extrapolated for longer than it has been seen: a trend seen for ten days is taken to last ten days more.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate, groupby, takewhile
from typing import Final, NamedTuple

from msgspec import Struct

from viam_billing.core.money import TOO_LARGE, exact, rounded
from viam_billing.core.times import DAY_S, next_month_s

STRAIGHT_LINE: Final = "straight_line"
USUAL_DAYS: Final = "usual_days"

EARLIEST_FRACTION: Final = 0.05
"""No estimate is given before this fraction of the month has passed: it would be noise."""

CostAt = tuple[float, float]
"""A time in Unix seconds, and the dollars from the month's start to that time."""

_FEWEST_SPANS: Final = 3
_FIRST_S: Final = 1.0
"""Seconds after the month's start before which a point is ignored: a rate over less time means nothing."""

_TYPICAL_SHARE: Final = 0.42
"""Nearly the median. From the fifth day on at most two fifths of the days are weekends, whatever day a month starts
on, so a fleet that rests at weekends has its working days as typical ones."""
_LOW_SHARE: Final = 0.1
_FAR_ABOVE: Final = 1.2
_SPREADS_ABOVE: Final = 4.0
_HABIT: Final = 3
"""An excess that occurs this often is not a one-off."""
_LASTING_SPANS: Final = 2
"""A fee lies in one span; usage that has risen for good is in at least this many."""

_NEARLY_A_DAY: Final = 0.75
_FEWEST_FOR_TREND: Final = 4
_NO_RATE: Final = 1e-9
"""Dollars a day below which there is no trend to compute, as the square would be 0."""
_CERTAIN: Final = 2.8
"""Standard errors up to which a slope counts as chance."""
_OWN_NOISE: Final = 0.06
_OWN_NOISE_DAYS: Final = 6
"""How much days differ by themselves, as a fraction of the rate, and how many days of data this counts for: five days
that happen to lie on a line are no sign of growth."""
_USUAL_GROWTH: Final = 0.01
"""How fast fleets grow in a day, as a fraction of the rate; a slope that is less certain than this is reduced."""


class Projection(Struct, frozen=True):
    """An estimate: `total` in dollars, whole cents; `method`; the fraction of the month that has passed."""

    total: float
    method: str
    elapsed_fraction: float


class _Span(NamedTuple):
    """The time between two points about a day apart, or further where none lies between them."""

    middle: float  # in days from now; negative
    days: float
    rate: float  # dollars a day


def projected(
    cost: float, start_s: float, end_s: float | None, as_of_s: float, points: Iterable[CostAt] = ()
) -> Projection | None:
    """The month's total from its typical days; by a straight line where the points make fewer than three spans.

    `cost` is in unrounded dollars from `start_s`, the API's `start_date`, to `as_of_s`, when the cloud gave it; `end_s`
    is the `end_date`, see `month_end_s`. `points` are what was seen in between, in any order; one a day is enough,
    others are ignored. None before a twentieth of the month has passed, and after its end; never below the cost.
    """
    line = straight_line(cost, start_s, end_s, as_of_s)
    if line is None:
        return None
    spans = _spans(cost, start_s, as_of_s, points)
    if len(spans) < _FEWEST_SPANS:
        return line
    rest = _rest(spans, (month_end_s(start_s, end_s, as_of_s) - as_of_s) / DAY_S)
    return Projection(rounded(exact(cost) + Decimal(rest)), USUAL_DAYS, line.elapsed_fraction)


def straight_line(cost: float, start_s: float, end_s: float | None, as_of_s: float) -> Projection | None:
    """The month's total if the rest of it costs as much per second as what has passed. Arguments as for `projected`."""
    end = month_end_s(start_s, end_s, as_of_s)
    if start_s >= end or as_of_s >= end or (elapsed := (as_of_s - start_s) / (end - start_s)) < EARLIEST_FRACTION:
        return None
    return Projection(rounded(exact(cost) / exact(elapsed)), STRAIGHT_LINE, round(elapsed, 6))


def month_end_s(start_s: float | None, end_s: float | None, as_of_s: float) -> float:
    """When the month of a usage answer ends: at the API's `end_date`, or with the calendar month of `start_date`.

    An `end_date` that is not after `as_of_s` is the end of what was counted so far, and not that of the month. Where
    the calendar month is over too, the cloud has not begun the new month yet.
    """
    return end_s if end_s is not None and end_s > as_of_s else next_month_s(as_of_s if start_s is None else start_s)


def _spans(cost: float, start_s: float, as_of_s: float, points: Iterable[CostAt]) -> list[_Span]:
    """Oldest first. Going back from now, each begins at the point nearest to a day, at least a half, before its end."""
    first_s = start_s + _FIRST_S
    inside = sorted(point for point in points if first_s < point[0] < as_of_s and abs(point[1]) < TOO_LARGE)
    known = [(start_s, 0.0), *inside]
    times = [time_s for time_s, _ in known]
    spans = []
    to_s, to_cost, at = as_of_s, cost, len(known)
    while at:
        day_before_s = to_s - DAY_S
        later = bisect_left(times, day_before_s, 0, at)
        half_a_day = later < at and to_s - times[later] >= DAY_S / 2
        nearer = half_a_day and times[later] - day_before_s < day_before_s - times[later - 1]
        at = later if nearer or later == 0 else later - 1
        from_s, from_cost = known[at]
        days = (to_s - from_s) / DAY_S
        spans.append(_Span(((from_s + to_s) / 2 - as_of_s) / DAY_S, days, (to_cost - from_cost) / days))
        to_s, to_cost = from_s, from_cost
    return spans[::-1]


def _rest(spans: Sequence[_Span], left: float) -> float:
    """Dollars for the days that are left. Spans in which the cost fell hold a credit and are ignored.

    A span is a one-off if its rate is far above the typical one, and above the spread of the low ones.
    """
    rising = [span for span in spans if span.rate >= 0]
    ranked = sorted(rising, key=lambda span: span.rate)
    typical, low = _rate_at(ranked, _TYPICAL_SHARE), _rate_at(ranked, _LOW_SHARE)
    limit = typical + max(_FAR_ABOVE * typical, _SPREADS_ABOVE * (typical - low))
    if sum(above for above, _ in groupby(span.rate > limit for span in rising)) >= _HABIT:
        limit = math.inf
    usual = [span for span in rising if span.rate <= limit]
    if not usual:
        return 0.0
    rate, slope = _rate_and_slope(usual)
    grows = min(left, sum(span.days for span in spans))
    rest = left * rate + slope * grows * (left - grows / 2)
    lasting = list(takewhile(lambda span: span.rate > limit, reversed(rising)))
    if len(lasting) >= _LASTING_SPANS:
        rest += min(left, sum(span.days for span in lasting)) * max(0.0, _mean(lasting)[1] - rate)
    return rest


def _rate_at(ranked: Sequence[_Span], share: float) -> float:
    """The rate that this share of the spans does not exceed."""
    weights = [min(span.days, 1.0) for span in ranked]  # a long gap counts as one day, part of a day as less
    needed = share * sum(weights)
    reached = zip(ranked, accumulate(weights), strict=True)
    return next((span.rate for span, weight in reached if weight >= needed), 0.0)


def _rate_and_slope(usual: Sequence[_Span]) -> tuple[float, float]:
    """Dollars a day as of now, and their rise a day, which is 0 unless it stands out from the noise.

    The slope is the least-squares slope, reduced by its uncertainty. A negative slope lowers today's rate, but is not
    extrapolated: growth goes on for weeks, a decline soon reaches its floor.
    """
    usual_middle, today = _mean(usual)
    whole = [span for span in usual if span.days >= _NEARLY_A_DAY]
    if len(whole) < _FEWEST_FOR_TREND:
        return today, 0.0
    middle, rate = _mean(whole)
    if rate < _NO_RATE:
        return today, 0.0
    width = sum(span.days * (span.middle - middle) ** 2 for span in whole)
    slope = sum(span.days * (span.middle - middle) * span.rate for span in whole) / width
    misses = sum(span.days * (span.rate - rate - slope * (span.middle - middle)) ** 2 for span in whole)
    misses += _OWN_NOISE_DAYS * (_OWN_NOISE * rate) ** 2
    variance = misses / (len(whole) - 2 + _OWN_NOISE_DAYS) / width
    if slope**2 <= _CERTAIN**2 * variance:
        return today, 0.0
    slope *= (1 - _CERTAIN**2 * variance / slope**2) / (1 + variance / (_USUAL_GROWTH * rate) ** 2)
    return max(0.0, today - slope * usual_middle), max(0.0, slope)


def _mean(spans: Sequence[_Span]) -> tuple[float, float]:
    """The middle, in days from now, and the rate, in dollars a day, of all spans together."""
    days = sum(span.days for span in spans)
    return sum(span.days * span.middle for span in spans) / days, sum(span.days * span.rate for span in spans) / days
