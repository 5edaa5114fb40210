"""What each hour, day or month has cost, from the points that were seen; pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from math import inf

from msgspec import Struct

from viam_billing.core.money import rounded, to_cents, to_dollars
from viam_billing.core.times import DAY_S
from viam_billing.usage.history import STEP_S, Point, StepName
from viam_billing.usage.month import billing_month


class Step(Struct, frozen=True):
    """A time in which the cloud was asked: when last, the month's cost by then, its own cost where known, and by type.

    In dollars, whole cents.
    """

    time_s: float
    month_to_date: float
    delta: float | None
    delta_by_type: Mapping[str, float] | None = None


def steps(points: Iterable[Point], step: StepName, until_s: float = inf) -> Iterator[Step]:
    """Steps from points, oldest first; the last point of a step counts, and a step without one is left out.

    An hour's and a day's cost is the rise of the whole-cent figure since the last point of the one right before it, so
    that the steps of a month add up to the month. After a gap it is not known:
    what came in between belongs to no single step. In the step in which a month begins, it is what the new month has
    cost; the old month's cost after its last point is lost. A month's cost is what it came to as seen in its last 24
    hours, or so far where it goes on at `until_s`.
    """
    before: Point | None = None
    for number, seen in groupby(points, lambda point: _number(point, step)):
        *_, point = seen
        nothing = Point(point.month_start_s, point.month_start_s, 0.0, {})
        since: Point | None = None
        if step == "month":
            end_s = billing_month(point.month_start_s, None, point.time_s).end_s
            since = nothing if until_s < end_s or point.time_s >= end_s - DAY_S else None
        elif point.month_start_s >= number * STEP_S[step]:
            since = nothing
        elif before and (_number(before, step), before.month_start_s) == (number - 1, point.month_start_s):
            since = before
        delta = None if since is None else rise(point.cost, since.cost)
        by_type = None if since is None else rises(point.by_type, since.by_type)
        yield Step(point.time_s, rounded(point.cost), delta, by_type)
        before = point


def rise(now: float, before: float) -> float:
    """By how many dollars the whole-cent figure rose: rises that follow each other add up to the last figure."""
    return to_dollars(to_cents(now) - to_cents(before))


def rises(now: Mapping[str, float] | None, before: Mapping[str, float] | None) -> dict[str, float] | None:
    """By how many dollars each type rose, as `rise`; None where either is not known."""
    if now is None or before is None:
        return None
    types = sorted({*now, *before})
    return {each: rise(now.get(each, 0.0), before.get(each, 0.0)) for each in types}


def _number(point: Point, step: StepName) -> float:
    """Two points have the same one if they are in the same step; that of hours and days counts up."""
    return point.month_start_s if step == "month" else point.time_s // STEP_S[step]
