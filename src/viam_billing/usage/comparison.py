"""A month against the one before at the same elapsed time, from the points that were seen; pure arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from msgspec import UNSET, Struct, UnsetType

from viam_billing.core.money import exact, rounded
from viam_billing.core.times import DAY_S
from viam_billing.settings.answers import says, usd
from viam_billing.usage.history import Point
from viam_billing.usage.month import LONGEST_MONTH_S
from viam_billing.usage.steps import rise, rises

_SHORTEST_MONTH_S: Final = 27.5 * DAY_S
_FARTHEST_APART_S: Final = 1.5 * DAY_S
"""Between points that are further apart the cost is not known; those of a daily job that is late are not."""

ByType = Mapping[str, float]


class TypeChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What a kind of usage has cost, and how much that has changed."""

    type: Annotated[str, says("The kind of usage, as in cost_by_type")]
    now: Annotated[float, usd("What it has cost this month")]
    before: Annotated[float, usd("What it had cost after the same time of the month before")] | UnsetType = UNSET
    change: Annotated[float, usd("How much more it has cost this month")] | UnsetType = UNSET


class Comparison(Struct, frozen=True):
    """Dollars in whole cents, by type with the largest change first; what is not known is left out."""

    month_to_date: float
    by_type: list[TypeChange]
    previous_month_to_date: float | UnsetType = UNSET
    change: float | UnsetType = UNSET
    change_fraction: float | UnsetType = UNSET
    previous_total: float | UnsetType = UNSET


def compared(cost: float, by_type: ByType | None, before: Point | None, total: float | None) -> Comparison:
    """A month's cost so far, by type, against that of the month before and its total, in unrounded dollars."""
    figures: dict[str, float] = {} if total is None else {"previous_total": rounded(total)}
    if before is not None:
        figures |= {"previous_month_to_date": rounded(before.cost), "change": rise(cost, before.cost)}
        if rounded(before.cost) > 0:
            figures["change_fraction"] = round(float((exact(cost) - exact(before.cost)) / exact(before.cost)), 6)
    return Comparison(rounded(cost), _changes(by_type or {}, before.by_type if before else None), **figures)


def _changes(now: ByType, before: ByType | None) -> list[TypeChange]:
    if not now or before is None:
        rows = [TypeChange(name, rounded(cost)) for name, cost in now.items()]
        return sorted(rows, key=lambda row: (-row.now, row.type))
    rows = [
        TypeChange(name, rounded(now.get(name, 0.0)), rounded(before.get(name, 0.0)), change)
        for name, change in (rises(now, before) or {}).items()
    ]
    return sorted(rows, key=lambda row: (-abs(row.change or 0.0), -row.now, row.type))


def month_before(points: Iterable[Point], start_s: float, elapsed_s: float) -> tuple[Point | None, float | None]:
    """The month before the one that began at `start_s`: where it stood after `elapsed_s`, and what it came to.

    `points`, oldest first, may be of other months too. Between two points the cost is taken to rise evenly. A shorter
    month that was over by then had come to its total; the total is what was seen in the last 24 hours. Both are None
    where they are not known.
    """
    known = [point for point in points if _SHORTEST_MONTH_S < start_s - point.month_start_s < LONGEST_MONTH_S]
    if not known:
        return None, None
    began_s = known[-1].month_start_s
    seen = [point for point in known if point.month_start_s == began_s]
    edges = [(began_s, Point(began_s, began_s, 0.0, {})), *((min(point.time_s, start_s), point) for point in seen)]
    total = seen[-1].cost if seen[-1].time_s >= start_s - DAY_S else None
    if total is not None:
        edges.append((start_s, seen[-1]))
    at_s = min(began_s + max(0.0, elapsed_s), start_s)
    after = bisect_right([time_s for time_s, _ in edges], at_s)
    (from_s, lower), (to_s, upper) = edges[after - 1], edges[min(after, len(edges) - 1)]
    if at_s == from_s:
        return lower, total
    if not at_s < to_s <= from_s + _FARTHEST_APART_S:
        return None, total
    return _between(lower, upper, (at_s - from_s) / (to_s - from_s)), total


def _between(lower: Point, upper: Point, share: float) -> Point:
    """The costs of a time between two points."""

    def at(before: float, after: float) -> float:
        return before + (after - before) * share

    by_type = None
    if lower.by_type is not None and upper.by_type is not None:
        names = {*lower.by_type, *upper.by_type}
        by_type = {name: at(lower.by_type.get(name, 0.0), upper.by_type.get(name, 0.0)) for name in names}
    time_s = at(lower.time_s, upper.time_s)
    return Point(time_s, lower.month_start_s, at(lower.cost, upper.cost), by_type)
