from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339
from viam_billing.usage.history import Point, StepName
from viam_billing.usage.steps import Step, steps

OCTOBER_S = from_rfc3339("2026-10-01T00:00:00Z")
NOVEMBER_S = from_rfc3339("2026-11-01T00:00:00Z")


def point(time: str, cost: float, month_start_s: float = NOVEMBER_S) -> Point:
    """What was seen on a day of 2026, `11-03T12:00`."""
    return Point(from_rfc3339(f"2026-{time}:00Z"), month_start_s, cost)


def deltas(*points: Point, step: StepName = "day") -> list[float | None]:
    """What each step cost."""
    return [each.delta for each in steps(points, step)]


def test_nothing_seen_is_no_step() -> None:
    """Not even an empty one."""
    assert list(steps([], "day")) == []


def test_a_step_is_the_last_of_its_points() -> None:
    """With its own time, in whole cents, half up."""
    points = [point("11-03T08:00", 1.0), point("11-03T12:00", 2.0), point("11-03T23:59", 3.005)]
    assert list(steps(points, "day")) == [Step(points[2].time_s, 3.01, None)]


def test_a_steps_cost_is_the_rise_since_the_step_before() -> None:
    """Of the whole-cent figures: 1.00 and 3.01."""
    points = [point("11-03T23:00", 1.004), point("11-04T01:00", 1.5), point("11-04T22:00", 3.006)]
    assert deltas(*points) == [None, 2.01]


def test_after_a_gap_a_steps_cost_is_not_known() -> None:
    """A gap is a gap and not a zero; from the next step on it is known again."""
    points = [point("11-03T12:00", 1.0), point("11-05T12:00", 5.0), point("11-06T12:00", 6.0)]
    assert deltas(*points) == [None, None, 1.0]


def test_a_day_without_costs_cost_nothing() -> None:
    """Which is another thing than not to be known."""
    assert deltas(point("11-03T12:00", 1.0), point("11-04T12:00", 1.0)) == [None, 0.0]


def test_a_credit_is_a_step_below_zero() -> None:
    """The month's cost can fall."""
    assert deltas(point("11-03T12:00", 5.0), point("11-04T12:00", 3.5)) == [None, -1.5]


def test_almost_nothing_is_no_negative_zero() -> None:
    """A credit of less than half a cent."""
    assert str(deltas(point("11-03T12:00", 5.004), point("11-04T12:00", 5.0))[1]) == "0.0"


def test_the_first_day_of_a_month_costs_what_the_month_has_cost() -> None:
    """Whatever the old month came to, and whether or not the day before was seen."""
    last = point("10-31T23:00", 95.0, OCTOBER_S)
    first = point("11-01T22:00", 3.0)
    assert deltas(last, first) == [None, 3.0]
    assert deltas(first) == [3.0]
    assert deltas(last, first, point("11-02T22:00", 7.0)) == [None, 3.0, 4.0]


def test_a_month_that_began_in_a_gap_has_no_first_cost() -> None:
    """What it had cost by then belongs to several days."""
    assert deltas(point("10-31T23:00", 95.0, OCTOBER_S), point("11-02T22:00", 6.0)) == [None, None]


def test_a_month_that_the_cloud_begins_late_leaves_no_step_below_zero() -> None:
    """The old month is still told on the new one's first day."""
    points = [
        point("10-31T12:00", 94.0, OCTOBER_S),
        point("11-01T00:30", 95.0, OCTOBER_S),
        point("11-01T03:30", 0.5),
        point("11-01T04:30", 0.75),
    ]
    assert deltas(*points) == [None, 0.75]
    assert deltas(*points, step="hour") == [None, None, None, 0.25]


def test_a_month_may_begin_in_the_middle_of_a_day() -> None:
    """Where the API's month is another zone's: that day's step is the new month's."""
    start_s = NOVEMBER_S + 5 * HOUR_S
    points = [
        point("10-31T23:00", 95.0, OCTOBER_S),
        point("11-01T04:00", 96.0, OCTOBER_S),
        point("11-01T23:00", 3.0, start_s),
    ]
    assert deltas(*points) == [None, 3.0]


def test_hours_are_steps_too() -> None:
    """Aligned to the hour; the first one of the month costs what the month has cost."""
    points = [
        point("11-01T00:20", 1.0),
        point("11-01T01:10", 2.0),
        point("11-01T01:50", 2.5),
        point("11-01T03:00", 4.0),
    ]
    found = list(steps(points, "hour"))
    assert [step.delta for step in found] == [1.0, 1.5, None]
    assert [step.time_s for step in found] == [points[0].time_s, points[2].time_s, points[3].time_s]


@pytest.mark.parametrize(("first", "second"), [("10-31T23:59", "11-01T00:00"), ("11-02T23:59", "11-03T00:00")])
def test_midnight_belongs_to_the_new_day(first: str, second: str) -> None:
    """In UTC."""
    assert len(deltas(point(first, 1.0), point(second, 2.0))) == 2


@pytest.mark.parametrize("year", [2026, 2028])
def test_the_shortest_month_ends_too(year: int) -> None:
    """February with 28 and 29 days."""
    february_s, march_s = (from_rfc3339(f"{year}-{month}-01T00:00:00Z") for month in ("02", "03"))
    points = [Point(march_s - DAY_S / 2, february_s, 50.0), Point(march_s + DAY_S / 2, march_s, 2.0)]
    assert deltas(*points) == [None, 2.0]


def by_type(time: str, month_start_s: float = NOVEMBER_S, **costs: float) -> Point:
    """What was seen by type."""
    return msgspec.structs.replace(point(time, sum(costs.values()), month_start_s), by_type=costs)


def rises(*points: Point) -> list[Mapping[str, float] | None]:
    """What each day cost by type."""
    return [each.delta_by_type for each in steps(points, "day")]


def test_a_steps_cost_by_type_is_each_types_rise() -> None:
    """A type that is told for the first time, or no longer, has cost nothing without being told."""
    points = [by_type("11-03T12:00", a=1.004, b=2.0), by_type("11-04T12:00", a=3.006, c=1.0)]
    assert rises(*points) == [None, {"a": 2.01, "b": -2.0, "c": 1.0}]


def test_a_month_begins_with_what_each_type_has_cost() -> None:
    points = [by_type("10-31T12:00", OCTOBER_S, a=90.0), by_type("11-01T12:00", a=2.0)]
    assert rises(*points) == [None, {"a": 2.0}]


def test_types_that_are_not_known_have_no_rise() -> None:
    """Of a point from before they were kept, and of the one after it; the cost has."""
    points = [point("11-03T12:00", 1.0), by_type("11-04T12:00", a=2.0), by_type("11-05T12:00", a=4.0)]
    assert deltas(*points) == [None, 1.0, 2.0]
    assert rises(*points) == [None, None, {"a": 2.0}]
    assert rises(points[0], point("11-04T12:00", 2.0)) == [None, None]


def test_a_gap_has_no_rise_by_type() -> None:
    assert rises(by_type("11-03T12:00", a=1.0), by_type("11-05T12:00", a=2.0)) == [None, None]


def months(*points: Point, until: str = "11-21T12:00") -> list[tuple[float, float | None]]:
    """What each month came to, and what it cost, as of a time."""
    found = steps(points, "month", from_rfc3339(f"2026-{until}:00Z"))
    return [(each.month_to_date, each.delta) for each in found]


def test_a_month_costs_what_it_came_to() -> None:
    """As seen in its last 24 hours; the one that goes on has cost what was seen last."""
    points = [point("10-05T00:00", 9.0, OCTOBER_S), point("10-31T00:00", 95.0, OCTOBER_S), point("11-03T00:00", 7.0)]
    assert months(*points) == [(95.0, 95.0), (7.0, 7.0)]


def test_a_month_whose_end_nobody_saw_has_no_cost() -> None:
    """What it came to by then is told."""
    points = [point("10-30T23:59", 90.0, OCTOBER_S), point("11-03T00:00", 7.0)]
    assert months(*points) == [(90.0, None), (7.0, 7.0)]
    assert months(*points[:1], until="10-31T12:00") == [(90.0, 90.0)]
    assert months(points[1], until="12-01T00:00") == [(7.0, None)]


@pytest.mark.parametrize("zone_h", [-14, -5, 9.5, 14])
def test_a_month_of_another_time_zone_is_one_step(zone_h: float) -> None:
    """Although it lies in two months of UTC."""
    starts = (OCTOBER_S + zone_h * HOUR_S, NOVEMBER_S + zone_h * HOUR_S)
    points = [
        Point(starts[0] + 60, starts[0], 1.0),
        Point(starts[1] - 60, starts[0], 95.0),
        Point(starts[1] + 60, starts[1], 0.5),
    ]
    assert months(*points) == [(95.0, 95.0), (0.5, 0.5)]
