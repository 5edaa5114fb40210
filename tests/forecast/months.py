"""Simulated months: what usage costs hour by hour, and what a module that is not always on sees of it.

Amounts grow by the hour, by the hour of the day and the day of the week, with the noise of days and of hours. Nothing
here knows how the projection is made.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from viam_billing.core.times import DAY_S, from_rfc3339

HOUR_S = 3_600.0
START_S = from_rfc3339("2026-11-01T00:00:00Z")

Chance = random.Random
Point = tuple[float, float, float]
"""The time and the month's start in Unix seconds, and the dollars in between."""
Shape = Callable[[int], float]
"""Of a day of the month, counted from 0: how many times a typical day's usage it has."""


@dataclass(frozen=True)
class Month:
    """One month of one organization."""

    hourly: tuple[float, ...]
    """Dollars of each hour."""
    seen: tuple[Point, ...]
    """The points that the module has at the month's end."""

    @property
    def total(self) -> float:
        """What the estimates are measured against."""
        return math.fsum(self.hourly)

    @property
    def end_s(self) -> float:
        """From 28 to 31 days after its start."""
        return START_S + len(self.hourly) * HOUR_S

    def at(self, day: float) -> tuple[float, float, list[Point]]:
        """As of so many days after the start: the time, the cost, and the points, of which that reading is the last."""
        as_of_s = START_S + day * DAY_S
        cost = cost_at(list(accumulate(self.hourly)), as_of_s)
        return as_of_s, cost, [*(point for point in self.seen if point[0] < as_of_s), (as_of_s, START_S, cost)]


def cost_at(running: list[float], time_s: float) -> float:
    """From the running sums of the hours; inside an hour it grows evenly."""
    hours = min((time_s - START_S) / HOUR_S, len(running))
    whole = int(hours)
    before = running[whole - 1] if whole else 0.0
    return before + (hours - whole) * (running[whole] - before if whole < len(running) else 0.0)


def month(chance: Chance, shape: Shape, length: int, *, gaps: bool = False) -> Month:
    """A month whose days follow a shape, with noise and the week around it, seen by one module."""
    per_day = math.exp(chance.uniform(math.log(0.3), math.log(300)))
    noise, weekend, first_weekday = chance.uniform(0.03, 0.2), chance.uniform(0.75, 1.0), chance.randrange(7)
    daytime, peak = chance.uniform(0.0, 0.9), chance.uniform(8, 20)
    hourly: list[float] = []
    for day in range(length):
        week = weekend if (first_weekday + day) % 7 >= 5 else 1.0
        dollars = per_day * shape(day) * week * chance.lognormvariate(-noise * noise / 2, noise)
        for hour in range(24):
            share = (1 + daytime * math.cos((hour - peak) * math.pi / 12)) / 24
            hourly.append(dollars * share * chance.lognormvariate(-0.02, 0.2))
    return Month(tuple(hourly), seen(chance, hourly, gaps=gaps))


def with_fee(usage: Month, chance: Chance, hour: int, share: float, *, gaps: bool = False) -> Month:
    """The same with a flat fee in one hour, which is a share of the whole month's usage."""
    hourly = list(usage.hourly)
    hourly[hour] += usage.total * share
    return Month(tuple(hourly), seen(chance, hourly, gaps=gaps))


def seen(chance: Chance, hourly: list[float], *, gaps: bool) -> tuple[Point, ...]:
    """About one point an hour while the machine is on: always, or some hours of the day; some are lost in between."""
    running = list(accumulate(hourly))
    days = len(hourly) // 24
    on = set(range(24)) if chance.random() < 0.6 else {hour % 24 for hour in range(7, 7 + chance.randint(6, 14))}
    lost = chance.uniform(0.0, 0.15)
    off: set[int] = set()
    if gaps:
        for _ in range(chance.randint(1, 4)):
            first = chance.randrange(days)
            off |= set(range(first, first + chance.randint(1, 6)))
    found = []
    for hour in range(len(hourly)):
        minute_s = chance.uniform(0, HOUR_S)
        if hour % 24 in on and hour // 24 not in off and chance.random() >= lost:
            time_s = START_S + hour * HOUR_S + minute_s
            found.append((time_s, START_S, cost_at(running, time_s)))
    return tuple(found)


def _length(chance: Chance) -> int:
    return chance.choice((28, 30, 30, 31, 31))


def steady(chance: Chance, *, gaps: bool = False) -> Month:
    """Every day alike."""
    return month(chance, lambda _: 1.0, _length(chance), gaps=gaps)


def growing(chance: Chance, *, gaps: bool = False) -> Month:
    """A fleet to which machines are added through the month, one by one, at times of chance."""
    length = _length(chance)
    machines = chance.randint(5, 60)
    joined = sorted(chance.uniform(0, length) for _ in range(round(machines * chance.uniform(0.4, 2.5))))
    return month(chance, lambda day: (machines + bisect_right(joined, day)) / machines, length, gaps=gaps)


def fee_on_day_1(chance: Chance, *, gaps: bool = False) -> Month:
    """Steady usage, and on the first day a subscription of a tenth to twice of what the month's usage comes to."""
    usage = month(chance, lambda _: 1.0, _length(chance))
    return with_fee(usage, chance, chance.randrange(24), chance.uniform(0.1, 2.0), gaps=gaps)


def burst(chance: Chance, *, gaps: bool = False) -> Month:
    """Steady usage but for 2 to 5 days, anywhere in the month, that cost 3 to 8 times as much."""
    length = _length(chance)
    lasts, factor = chance.randint(2, 5), chance.uniform(3, 8)
    first = chance.randrange(length - lasts)
    return month(chance, lambda day: factor if first <= day < first + lasts else 1.0, length, gaps=gaps)


def missing_days(chance: Chance) -> Month:
    """Any of the others, seen by a machine that was off 1 to 4 times for 1 to 6 days."""
    return chance.choice((steady, growing, fee_on_day_1, burst))(chance, gaps=True)


KINDS: dict[str, Callable[[Chance], Month]] = {
    "steady": steady,
    "growing": growing,
    "flat fee on day 1": fee_on_day_1,
    "burst": burst,
    "missing days": missing_days,
}
