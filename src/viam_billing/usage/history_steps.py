"""From the points that were seen to steps of an hour or a day, each with what it cost; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from viam_billing.core.money import exact, rounded

if TYPE_CHECKING:
    from viam_billing.usage.history import Point


class Step(Struct, frozen=True):
    """An hour or a day in which the cloud was asked: when it was last, the month's cost by then, the step's own cost.

    Dollars in whole cents. `delta` is None where it is not known.
    """

    time_s: float
    month_to_date: float
    delta: float | None


def steps(points: Iterable[Point], step_s: float) -> Iterator[Step]:
    """Steps of `step_s` seconds, aligned to UTC, oldest first; those without a point are not there.

    A step's cost is the rise since the last point of the step right before it. After a gap it is not known: what came
    in between belongs to no single step. In the step in which a month begins it is what the new month has cost; what
    the old one cost after its last point is seen by nobody.

    Args:
        points: oldest first, the unrounded costs.
        step_s: the length of a step.
    """
    before: Point | None = None
    for point in _last_of_each(points, step_s):
        yield Step(point.time_s, rounded(point.cost), _delta(before, point, step_s))
        before = point


def _last_of_each(points: Iterable[Point], step_s: float) -> Iterator[Point]:
    last: Point | None = None
    for point in points:
        if last is not None and point.time_s // step_s != last.time_s // step_s:
            yield last
        last = point
    if last is not None:
        yield last


def _delta(before: Point | None, point: Point, step_s: float) -> float | None:
    if point.month_start_s >= point.time_s // step_s * step_s:
        return rounded(point.cost)
    adjacent = before is not None and point.time_s // step_s - before.time_s // step_s == 1
    if before is None or not adjacent or before.month_start_s != point.month_start_s:
        return None
    return rounded(exact(point.cost) - exact(before.cost))
