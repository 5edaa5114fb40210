"""The estimate of a month's total that learns from how the month went day by day; pure arithmetic.

points --> spans of about a day, each with its rate --> usual ones and one-offs
                                                        rate and trend of the usual ones --> the rest of the month

What was spent is spent: one-offs stay in the cost to date, and only the rate of the rest is estimated without them.
One thought limits every extension: what has been seen for so many days is taken to last as many days more.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate, groupby, takewhile
from typing import Final, NamedTuple

from viam_billing.core.money import exact, rounded
from viam_billing.core.times import DAY_S
from viam_billing.usage.forecast import Projection, month_end_s, straight_line

USUAL_DAYS: Final = "usual_days"

Point = tuple[float, float]
"""What was seen once: the time in Unix seconds, and the dollars from the month's start to it."""

_FEWEST_SPANS: Final = 3
_NO_AMOUNT: Final = 1e12
"""Dollars from which on a point is a defect; see `money.exact`."""
_FIRST_S: Final = 1.0
"""Seconds after the start before which a point is none: a rate over less is no figure to compute with."""

_TYPICAL_SHARE: Final = 0.42
"""Nearly the median: from the fifth day on, weekends are at most two fifths of a month's days, whatever day it starts
on, so that a fleet that rests then has its working days for typical ones."""
_LOW_SHARE: Final = 0.1
_FAR_ABOVE: Final = 1.2
_SPREADS_ABOVE: Final = 4.0
_HABIT: Final = 3
"""An excess that came so often is no one-off."""
_LASTING_SPANS: Final = 2
"""A fee lies in one span; what goes on is in two at least."""

_NEARLY_A_DAY: Final = 0.75
_FEWEST_FOR_TREND: Final = 4
_NO_RATE: Final = 1e-9
"""Dollars a day, of which there is no trend to speak of, and whose square would be 0."""
_SURE: Final = 2.8
"""Standard errors up to which a slope counts as chance."""
_OWN_NOISE: Final = 0.06
_OWN_NOISE_DAYS: Final = 6
"""By how much days differ by themselves, as a share of the rate, and how many days that knowledge is worth: five days
that happen to lie on a line are no sign of growth."""
_USUAL_GROWTH: Final = 0.01
"""A day, as a share of the rate: how fast fleets grow. Slopes that are not known better than that count for less."""


class _Span(NamedTuple):
    """From one point to another about a day later, or to the next one where there is a gap."""

    middle: float
    """Days from now; negative."""
    days: float
    rate: float
    """Dollars a day."""

    @property
    def say(self) -> float:
        """What it counts for where days are compared: a long gap is seen once, a part of a day is less than one."""
        return min(self.days, 1.0)


def projected(
    cost: float, start_s: float, end_s: float | None, as_of_s: float, points: Iterable[Point] = ()
) -> Projection | None:
    """The month's total from its usual days; the straight line where the points make fewer than three spans of a day.

    Args:
        cost: dollars from the month's start to `as_of_s`, unrounded.
        start_s: the API's `start_date`, in Unix seconds.
        end_s: its `end_date`, None if it has none; see `month_end_s`.
        as_of_s: when the cloud gave the cost.
        points: what was seen of this month, in any order; one a day says as much as one an hour. Those that are not
            between start and `as_of_s` are passed over.

    Returns:
        None before a twentieth of the month, and when it has ended. A total is never below the cost.
    """
    line = straight_line(cost, start_s, end_s, as_of_s)
    if line is None:
        return None
    spans = _spans(cost, start_s, as_of_s, points)
    if len(spans) < _FEWEST_SPANS:
        return line
    rest = _rest(spans, (month_end_s(start_s, end_s, as_of_s) - as_of_s) / DAY_S)
    return Projection(rounded(exact(cost) + Decimal(rest)), USUAL_DAYS, line.elapsed_fraction)


def _spans(cost: float, start_s: float, as_of_s: float, points: Iterable[Point]) -> list[_Span]:
    """Back from now, each from the point that is nearest to a day earlier; nothing is made up inside a gap."""
    first_s = start_s + _FIRST_S
    inside = sorted(point for point in points if first_s < point[0] < as_of_s and abs(point[1]) < _NO_AMOUNT)
    known = [(start_s, 0.0), *inside]
    times = [time_s for time_s, _ in known]
    spans = []
    to_s, to_cost, at = as_of_s, cost, len(known)
    while at:
        at = _a_day_before(to_s, times, at)
        from_s, from_cost = known[at]
        days = (to_s - from_s) / DAY_S
        spans.append(_Span(((from_s + to_s) / 2 - as_of_s) / DAY_S, days, (to_cost - from_cost) / days))
        to_s, to_cost = from_s, from_cost
    return spans[::-1]


def _a_day_before(to_s: float, times: Sequence[float], end: int) -> int:
    """The place before `end` of the time that is nearest to a day earlier, but not nearer to `to_s` than half a day."""
    day_before_s = to_s - DAY_S
    later = bisect_left(times, day_before_s, 0, end)
    if later == 0:
        return 0
    is_there = later < end and to_s - times[later] >= DAY_S / 2
    return later if is_there and times[later] - day_before_s < day_before_s - times[later - 1] else later - 1


def _rest(spans: Sequence[_Span], left: float) -> float:
    """Dollars in the days that are left. A span in which the cost fell holds a credit and says nothing of usage."""
    rising = [span for span in spans if span.rate >= 0]
    limit = _limit(rising)
    usual = [span for span in rising if span.rate <= limit]
    if not usual:
        return 0.0
    rate, slope = _rate_and_slope(usual)
    grows = min(left, sum(span.days for span in spans))
    rest = left * rate + slope * grows * (left - grows / 2)
    lasting = list(takewhile(lambda span: span.rate > limit, reversed(rising)))
    if len(lasting) >= _LASTING_SPANS:
        days = sum(span.days for span in lasting)
        rest += min(left, days) * max(0.0, _mean_rate(lasting) - rate)
    return rest


def _limit(spans: Sequence[_Span]) -> float:
    """The rate above which a span is no usual one: far above a typical one, also by the measure of the cheap ones."""
    ranked = sorted(spans, key=lambda span: span.rate)
    typical, low = _rate_at(ranked, _TYPICAL_SHARE), _rate_at(ranked, _LOW_SHARE)
    limit = typical + max(_FAR_ABOVE * typical, _SPREADS_ABOVE * (typical - low))
    times_above = sum(above for above, _ in groupby(span.rate > limit for span in spans))
    return limit if times_above < _HABIT else math.inf


def _rate_at(ranked: Sequence[_Span], share: float) -> float:
    """The rate that a share of the spans does not pass."""
    needed = share * sum(span.say for span in ranked)
    reached = accumulate(span.say for span in ranked)
    return next((span.rate for span, say in zip(ranked, reached, strict=True) if say >= needed), 0.0)


def _rate_and_slope(usual: Sequence[_Span]) -> tuple[float, float]:
    """Dollars a day as of now, and by how many they rise each day: by nothing, unless that stands out of the noise.

    The slope is that of the least squares, less its share of chance. One that falls changes the rate of today, but is
    not carried on: fleets grow for weeks, and what gets cheaper is soon as cheap as it gets.
    """
    today = _mean_rate(usual)
    whole = [span for span in usual if span.days >= _NEARLY_A_DAY]
    if len(whole) < _FEWEST_FOR_TREND or (rate := _mean_rate(whole)) < _NO_RATE:
        return today, 0.0
    middle = _mean_middle(whole)
    width = sum(span.days * (span.middle - middle) ** 2 for span in whole)
    slope = sum(span.days * (span.middle - middle) * span.rate for span in whole) / width
    misses = sum(span.days * (span.rate - rate - slope * (span.middle - middle)) ** 2 for span in whole)
    misses += _OWN_NOISE_DAYS * (_OWN_NOISE * rate) ** 2
    variance = misses / (len(whole) - 2 + _OWN_NOISE_DAYS) / width
    if slope**2 <= _SURE**2 * variance:
        return today, 0.0
    slope *= (1 - _SURE**2 * variance / slope**2) / (1 + variance / (_USUAL_GROWTH * rate) ** 2)
    return max(0.0, today - slope * _mean_middle(usual)), max(0.0, slope)


def _mean_rate(spans: Sequence[_Span]) -> float:
    """Dollars a day over all of them."""
    return sum(span.days * span.rate for span in spans) / sum(span.days for span in spans)


def _mean_middle(spans: Sequence[_Span]) -> float:
    """Where, in days from now, that rate was the rate."""
    return sum(span.days * span.middle for span in spans) / sum(span.days for span in spans)
