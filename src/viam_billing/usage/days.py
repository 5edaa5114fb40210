"""What each day has cost, from the points that were seen: the bridge between the history and the forecast."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from viam_billing.core.money import TOO_LARGE
from viam_billing.core.times import DAY_S

CostAt = tuple[float, float, float]
"""A time and the start of its billing month, in Unix seconds, and the dollars from that start to that time."""

SEEN_DAYS: Final = 182
"""How far back days count, 26 weeks: the forecast's interval needs that many; its level and weekday factors less."""

_LONGEST_MONTH_DAYS: Final = 32
_MOST_OF_A_DAY: Final = 0.5
_HALF_A_CENT: Final = 0.005


def days_back(cost: float, start_s: float, as_of_s: float, points: Iterable[CostAt]) -> tuple[list[float | None], int]:
    """Dollars of each 24 hours back from now, oldest first, and how many of them were seen apart from the others.

    A day is None where less than half of it was seen, or a credit was given.
    `cost` is that of the month that began at `start_s`, as of now. Of each month's points those nearest to the bounds
    of these days count, in any order. What came between two that are further apart is spread over the time between
    them; what came after a month's last point is not known.
    """
    seen = [0.0] * (SEEN_DAYS + _LONGEST_MONTH_DAYS + 1)
    spent = list(seen)
    apart = 0
    for edges in _edges(cost, start_s, as_of_s, points):
        for (from_s, before), (to_s, after) in pairwise(edges):
            length = (to_s - from_s) / DAY_S
            apart += length >= _MOST_OF_A_DAY
            parts = max(1, round(length))
            for part in range(parts):
                back = int((as_of_s - from_s) / DAY_S - (part + 0.5) / parts * length)
                seen[back] += length / parts
                spent[back] += (after - before) / parts
    days = [
        None if part < _MOST_OF_A_DAY or dollars / part < -_HALF_A_CENT else max(0.0, dollars / part)
        for part, dollars in zip(seen, spent, strict=True)
    ]
    while days and days[-1] is None:
        days.pop()
    return days[::-1], apart


def _edges(
    cost: float, start_s: float, as_of_s: float, points: Iterable[CostAt]
) -> Iterable[list[tuple[float, float]]]:
    """For each month the times, and the dollars by then, between which its days lie: its start and its last point too.

    Points of a wrong clock, before their month or after now, and what is no amount are ignored.
    """
    last = -1  # in place of the number of a day
    months: dict[float, dict[int, tuple[float, float, float]]] = {}
    for time_s, month_s, dollars in points:
        back = (as_of_s - time_s) / DAY_S
        inside = 0 < back < SEEN_DAYS and 0 < time_s - month_s < _LONGEST_MONTH_DAYS * DAY_S
        if not (inside and abs(dollars) < TOO_LARGE):
            continue
        nearest = months.setdefault(month_s, {})
        for bound, distance in ((round(back), abs(back - round(back))), (last, 0.0)):
            found = (distance, -time_s, dollars)
            nearest[bound] = min(found, nearest.get(bound, found))
    if as_of_s - start_s < _LONGEST_MONTH_DAYS * DAY_S:
        months.setdefault(start_s, {}).update(dict.fromkeys((0, last), (0.0, -as_of_s, cost)))
    for month_s, nearest in months.items():
        yield sorted({(month_s, 0.0), *((-minus_s, dollars) for _, minus_s, dollars in nearest.values())})
