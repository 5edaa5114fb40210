"""The estimate of a month's total: from the days seen so far, or by a straight line; pure arithmetic.

points -> days -> weekday factors -> days of the week evened out, one-offs cut -> level after each day
                                              the last level, and growth -> the rest of the month
                                             what the earlier ones missed -> low and high

A day is 24 hours back from now, so none is ever incomplete, and the days that are left fall on the same hours. One-offs
stay in the cost to date; they are not extended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate, groupby
from typing import Annotated, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from viam_billing.core.money import exact, rounded
from viam_billing.core.times import DAY_S
from viam_billing.settings.answers import says, usd
from viam_billing.usage.days import CostAt, days_back

STRAIGHT_LINE: Final = "straight_line"
HISTORY: Final = "history"

EARLIEST_FRACTION: Final = 0.05
"""Before this fraction of the month has passed, its own days are noise: there is no estimate without a history."""
FEWEST_DAYS: Final = 3
"""Known days from which an estimate is made of them."""
HISTORY_DAYS: Final = 28
"""Known days that allow an estimate from the month's first moment."""

SMOOTHING: Final = 0.2
"""How far exponential smoothing follows each day (Brown 1959). Its tracking signal is smoothed alike (Trigg 1964): from
0, where errors cancel out, to 1, where all have one sign."""
LEVEL_DAYS: Final = 28
"""Of the moving average that is combined with it, as a mean of two forecasts is better than either (Bates and Granger
1969): the average alone at first, half and half after four weeks, the smoothing alone at a signal of 1."""
FACTOR_WEEKS: Final = 12
"""From which weekday factors are estimated, shrunk towards 1 by their own uncertainty (James and Stein 1961)."""
REST_FACTOR: Final = 0.1
"""A weekday below it is one of rest, which says nothing about the level."""
CUT: Final = 3.0
"""Robust deviations above the median of four weeks from which a day counts less, and at twice as many as the median:
a one-off (Hampel 1974)."""
FEW_DAYS: Final = 6
"""Few days know little of how they differ: of n days the limit is 1 + 6 / n times as far, as Student's t needs it."""
HABIT: Final = 3
"""What comes in so many separate runs within four weeks is no one-off; nor is what comes twice, where most days cost
nothing."""
LASTING_DAYS: Final = 5
"""One-offs that have gone on until now for so many days are a new level."""
OWN_NOISE: Final = 0.1
"""How much days differ by themselves, as a fraction of the level: what is taken for certain before it is seen."""
OWN_NOISE_DAYS: Final = 4
"""How many days of data that counts for."""
USUAL_GROWTH: Final = 0.008
"""How fast fleets grow in a day, as a fraction of the level; a slope that is less certain is shrunk, to 0 at two
standard errors. Half of it is extrapolated, as trends fade (Gardner and McKenzie 1985)."""
REACH: Final = 1.2816
"""Standard deviations from the total to `low` and `high`: 8 of 10 of a normal distribution lie between them."""

_MAD_TO_DEVIATION: Final = 1.4826
_NEXT_TO_NOTHING: Final = 1e-9
_STUDENT: Final = 0.8
"""This fraction, divided by their number, an interval from few misses is wider, as Student's t needs it."""
_FEWEST_WEEKS: Final = 2
_FEWEST_FOR_GROWTH: Final = 5
_FEWEST_BEFORE: Final = 14
"""Days before the first of the earlier estimates that are looked at."""


class Projection(Struct, frozen=True, forbid_unknown_fields=True):
    """An estimate of the month's total; a straight line cannot say how sure it is."""

    total: Annotated[float, usd("What the month is estimated to come to")]
    method: Annotated[Literal["straight_line", "history"], says("From what: the month alone, or days seen before")]
    elapsed_fraction: Annotated[float, says("The part of the month that had passed at as_of, from 0 to 1")]
    low: Annotated[float, usd("The true total lies between this and high in 8 of 10 months")] | UnsetType = UNSET
    high: Annotated[float, usd("The true total lies between low and this in 8 of 10 months")] | UnsetType = UNSET


def projected(
    cost: float, start_s: float, end_s: float, as_of_s: float, points: Iterable[CostAt] = ()
) -> Projection | None:
    """The month's total from the days of this and earlier months; by a straight line where fewer than three are known.

    `cost` is in unrounded dollars from `start_s` to `as_of_s`, when the cloud gave it. `points` are what was seen
    before, in any order; one a day is enough. None before a twentieth of the month has passed, unless 28 days are
    known, and outside of the month; never below the cost.
    """
    line = straight_line(cost, start_s, end_s, as_of_s)
    if not start_s <= as_of_s < end_s:
        return None
    days, apart = days_back(cost, start_s, as_of_s, points)
    if apart < (HISTORY_DAYS if line is None else FEWEST_DAYS):
        return line
    rest, deviation = _rest(days, (end_s - as_of_s) / DAY_S)
    deviation *= max(1.0, (len(days) - days.count(None)) / apart)  # the days of a gap are all alike, and no proof
    reach = REACH * deviation
    total, low, high = (rounded(exact(cost) + Decimal(each)) for each in (rest, max(0.0, rest - reach), rest + reach))
    return Projection(total, HISTORY, round((as_of_s - start_s) / (end_s - start_s), 6), low, high)


def straight_line(cost: float, start_s: float, end_s: float, as_of_s: float) -> Projection | None:
    """The month's total if the rest of it costs as much per second as what has passed. Arguments as for `projected`."""
    if not start_s <= as_of_s < end_s or (elapsed := (as_of_s - start_s) / (end_s - start_s)) < EARLIEST_FRACTION:
        return None
    total = exact(cost) / exact(elapsed) if cost > 0 else exact(cost)  # a credit is not repeated
    return Projection(rounded(total), STRAIGHT_LINE, round(elapsed, 6))


def _rest(days: Sequence[float | None], left: float) -> tuple[float, float]:
    """Dollars for the days that are left, and their standard deviation."""
    factors = _weekday_factors(days)
    of_day = [factors[(len(days) - 1 - at) % 7] for at in range(len(days))]
    even = [day / factor for day, factor in zip(days, of_day, strict=True) if day is not None and factor > REST_FACTOR]
    if not even:
        return 0.0, 0.0
    usual = _without_one_offs(even)
    levels = _levels(usual)
    whole = int(left)
    weight = sum(factors[-ahead % 7] for ahead in range(1, whole + 1)) + (left - whole) * factors[-(whole + 1) % 7]
    rest = weight * (levels[-1] + _growth(usual[-LEVEL_DAYS:]) * left / 4)
    return rest, _deviation(even, levels, left, estimated=0 if factors == [1.0] * 7 else 6)


def _weekday_factors(days: Sequence[float | None]) -> list[float]:
    """How many times the week's mean a day costs that is 0 to 6 days before now, or before any multiple of 7."""
    weeks: list[list[float]] = []
    for end in range(len(days), 6, -7):
        week = days[end - 7 : end]
        known = [day for day in week if day is not None]
        if len(weeks) < FACTOR_WEEKS and len(known) == len(week) and sum(known) > _NEXT_TO_NOTHING:
            weeks.append([7 * day / sum(known) for day in reversed(known)])
    if len(weeks) < _FEWEST_WEEKS:
        return [1.0] * 7
    means = [sum(column) / len(weeks) for column in zip(*weeks, strict=True)]
    misses = sum((day - mean) ** 2 for week in weeks for day, mean in zip(week, means, strict=True))
    variance = misses / (7 * (len(weeks) - 1)) / len(weeks)
    between = sum((mean - 1) ** 2 for mean in means)
    kept = max(0.0, 1 - (7 - 3) * variance / between) if between > _NEXT_TO_NOTHING else 0.0
    return [1 + kept * (mean - 1) for mean in means]


def _without_one_offs(even: Sequence[float]) -> list[float]:
    """The days with less of what is far above the median of their four weeks."""
    usual = list(even)
    for end in range(len(even), 0, -LEVEL_DAYS):
        start = max(0, end - LEVEL_DAYS)
        block = even[start:end] if end - start >= LEVEL_DAYS / 2 else even[:LEVEL_DAYS]
        middle = _median(block)
        robust = _MAD_TO_DEVIATION * _median([abs(day - middle) for day in block])
        limit = CUT * (1 + FEW_DAYS / len(block)) * max(robust, OWN_NOISE * middle)
        above = [day - middle > limit for day in block]
        if sum(far for far, _ in groupby(above)) >= HABIT or (middle <= 0 and sum(above) > 1):
            continue
        usual[start:end] = [
            day if day - middle <= limit else middle + max(0.0, 2 * limit - (day - middle)) for day in even[start:end]
        ]
    lasting = next((days for days in range(len(even)) if usual[-1 - days] == even[-1 - days]), 0)
    return usual if lasting < LASTING_DAYS else [*usual[:-lasting], *even[-lasting:]]


def _median(values: Sequence[float]) -> float:
    ranked, half = sorted(values), len(values) // 2
    return (ranked[half] + ranked[~half]) / 2


def _levels(usual: Sequence[float]) -> list[float]:
    """The level after each day."""
    levels = []
    sums = list(accumulate(usual, initial=0.0))
    smooth, bias, size = usual[0], 0.0, 0.0
    for count, day in enumerate(usual, 1):
        averaged = min(count, LEVEL_DAYS)
        average = (sums[count] - sums[count - averaged]) / averaged
        error = day - smooth
        bias += SMOOTHING * (error - bias)
        size += SMOOTHING * (abs(error) - size)
        smooth += max(SMOOTHING, 1 / count) * error
        signal = abs(bias) / size if size > 0 else 0.0
        share = (1 + signal**2) / 2 * (averaged / LEVEL_DAYS) ** 2
        levels.append(max(0.0, average + share * (smooth - average)))
    return levels


def _growth(usual: Sequence[float]) -> float:
    """Dollars by which a day costs more than the one before it; 0 where they cost less, as a decline soon ends."""
    count, mean = len(usual), sum(usual) / len(usual)
    if count < _FEWEST_FOR_GROWTH or mean < _NEXT_TO_NOTHING:
        return 0.0
    width = count * (count**2 - 1) / 12
    ages = [at - (count - 1) / 2 for at in range(count)]
    slope = sum(age * day for age, day in zip(ages, usual, strict=True)) / width
    misses = sum((day - mean - age * slope) ** 2 for age, day in zip(ages, usual, strict=True))
    variance = _with_own_noise(misses, count - 2, mean) / width
    if slope <= 0 or slope**2 <= 4 * variance:
        return 0.0
    return slope * (1 - 4 * variance / slope**2) / (1 + variance / (USUAL_GROWTH * mean) ** 2)


def _with_own_noise(squares: float, count: int, level: float) -> float:
    """The variance of days, from a sum of squares and what is taken for certain before it is seen."""
    return (squares + OWN_NOISE_DAYS * (OWN_NOISE * level) ** 2) / (count + OWN_NOISE_DAYS)


def _deviation(even: Sequence[float], levels: Sequence[float], left: float, *, estimated: int) -> float:
    """The standard deviation, in dollars, of the cost of the days that are left.

    Two estimates are blended: what the levels have missed over as many days, so many times as these have been seen, and
    once what the model of exponential smoothing says (Hyndman et al. 2008, chapter 6).
    """
    level, span = levels[-1], max(1, round(left))
    misses = [day - before for day, before in zip(even[1:], levels, strict=False)][-7 * FACTOR_WEEKS :]
    free = max(0, len(misses) - estimated)
    variance = _with_own_noise(sum(miss**2 for miss in misses), free, level) * (1 + _STUDENT / max(1, free)) ** 2
    model = variance * sum((1 + SMOOTHING * day) ** 2 for day in range(span)) * left / span
    sums = list(accumulate(even, initial=0.0))
    missed = [
        ((sums[at + 1 + span] - sums[at + 1]) / span - levels[at]) / max(levels[at], level / 5)
        for at in range(_FEWEST_BEFORE - 1, len(even) - span)
        if level > 0
    ]
    if not missed:
        return math.sqrt(model)
    own = sum(miss**2 for miss in missed) / len(missed) * (level * left) ** 2
    times = (len(even) - _FEWEST_BEFORE) / span
    return math.sqrt((times * own + model) / (times + 1))
