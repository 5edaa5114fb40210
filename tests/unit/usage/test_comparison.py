from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import to_builtins

from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339
from viam_billing.usage.comparison import compared, month_before
from viam_billing.usage.history import Point

SEPTEMBER_S, OCTOBER_S, NOVEMBER_S = (from_rfc3339(f"2026-{month}-01T00:00:00Z") for month in ("09", "10", "11"))
FEBRUARY_S, MARCH_S = (from_rfc3339(f"2026-{month}-01T00:00:00Z") for month in ("02", "03"))


def ten_a_day(day: float) -> dict[str, float]:
    """Of which a tenth is for logs."""
    return {"logs_upload": day, "per_machine": 9 * day}


def seen(
    *days: float, start_s: float = OCTOBER_S, costs: Callable[[float], dict[str, float]] = ten_a_day
) -> list[Point]:
    """Points of a month after so many days."""
    return [Point(start_s + day * DAY_S, start_s, sum(costs(day).values()), costs(day)) for day in days]


def stood(points: list[Point], day: float, start_s: float = NOVEMBER_S) -> float | None:
    """What the month before had cost after so many days."""
    before, _ = month_before(points, start_s, day * DAY_S)
    return None if before is None else round(before.cost, 6)


def test_nothing_seen_is_nothing_known() -> None:
    assert month_before([], NOVEMBER_S, 20 * DAY_S) == (None, None)


@pytest.mark.parametrize("day", [0.0, 0.5, 1.0, 10.3, 20.52])
def test_the_same_elapsed_time_lies_between_two_points(day: float) -> None:
    """The month's start is one, at which nothing had been spent."""
    assert stood(seen(*range(1, 31)), day) == pytest.approx(10 * day)


def test_a_point_of_just_that_time_is_what_is_told() -> None:
    points = seen(5, 20, 29)
    assert month_before(points, NOVEMBER_S, 20 * DAY_S)[0] == points[1]


@pytest.mark.parametrize(("days", "known"), [((19.0, 20.5), True), ((19.0, 20.6), False), ((19.9,), False)])
def test_between_points_far_apart_nothing_is_known(days: tuple[float, ...], known: bool) -> None:  # noqa: FBT001 - a column
    """Nor after a month's last one."""
    assert (stood(seen(*days), 20.0) is not None) == known


def test_of_other_months_nothing_is_taken() -> None:
    """Neither of this one, nor of the one before the last, were it the last that was seen."""
    others = [*seen(*range(1, 30), start_s=SEPTEMBER_S), *seen(*range(1, 20), start_s=NOVEMBER_S)]
    assert month_before(others, NOVEMBER_S, 10 * DAY_S) == (None, None)
    assert stood([*others, *seen(9.5, 10.5)], 10.0) == 100.0


def test_the_total_is_what_was_seen_in_the_last_24_hours() -> None:
    assert month_before(seen(29.99), NOVEMBER_S, 0)[1] is None
    assert month_before(seen(30), NOVEMBER_S, 0)[1] == 300.0
    late = Point(NOVEMBER_S + HOUR_S, OCTOBER_S, 312.0)  # the cloud had not begun November yet
    assert month_before([*seen(30), late], NOVEMBER_S, 0)[1] == 312.0


@pytest.mark.parametrize("day", [28.0, 29.5, 30.99])
def test_a_shorter_month_had_come_to_its_total(day: float) -> None:
    """After 28 days, at the end of March."""
    assert stood(seen(*range(1, 28), 27.9, start_s=FEBRUARY_S), day, MARCH_S) == 279.0
    assert stood(seen(*range(1, 26), start_s=FEBRUARY_S), day, MARCH_S) is None


@pytest.mark.parametrize("zones_h", [(0, 0), (-5, -5), (4, 5), (14, 14)])
def test_months_of_another_time_zone_are_compared(zones_h: tuple[int, int]) -> None:
    """Clocks may be set in between."""
    start_s, next_s = (each + hours * HOUR_S for each, hours in zip((OCTOBER_S, NOVEMBER_S), zones_h, strict=True))
    assert stood(seen(*range(1, 31), start_s=start_s), 12.5, next_s) == 125.0


def test_types_that_a_point_does_not_know_are_not_known_between() -> None:
    points = [Point(point.time_s, point.month_start_s, point.cost) for point in seen(9)] + seen(10, 11)
    between, known = (month_before(points, NOVEMBER_S, day * DAY_S)[0] for day in (9.5, 10.5))
    assert between is not None
    assert known is not None
    assert (between.cost, between.by_type) == (95.0, None)
    assert known.by_type == pytest.approx({"logs_upload": 10.5, "per_machine": 94.5})


def test_a_comparison_has_the_largest_change_first() -> None:
    """A fall is as large as a rise; what is not told has cost nothing."""
    before = Point(0.0, 0.0, 70.0, {"a": 40.0, "b": 10.0, "c": 10.004, "d": 10.0})
    now = {"a": 10.0, "b": 30.0, "c": 20.009, "e": 10.0}
    assert to_builtins(compared(70.009, now, before, 150.001)) == {
        "month_to_date": 70.01,
        "previous_month_to_date": 70.0,
        "change": 0.01,
        "change_fraction": 0.000129,
        "previous_total": 150.0,
        "by_type": [
            {"type": "a", "now": 10.0, "before": 40.0, "change": -30.0},
            {"type": "b", "now": 30.0, "before": 10.0, "change": 20.0},
            {"type": "c", "now": 20.01, "before": 10.0, "change": 10.01},
            {"type": "e", "now": 10.0, "before": 0.0, "change": 10.0},
            {"type": "d", "now": 0.0, "before": 10.0, "change": -10.0},
        ],
    }


def test_what_is_not_known_is_left_out() -> None:
    """Without the month before there is no change, and without its types none of them."""
    now = {"a": 1.0, "b": 2.0}
    alone = [{"type": "b", "now": 2.0}, {"type": "a", "now": 1.0}]
    assert to_builtins(compared(3.0, now, None, None)) == {"month_to_date": 3.0, "by_type": alone}
    assert to_builtins(compared(3.0, now, Point(0.0, 0.0, 2.0), None)) == {
        "month_to_date": 3.0,
        "previous_month_to_date": 2.0,
        "change": 1.0,
        "change_fraction": 0.5,
        "by_type": alone,
    }
    assert compared(3.0, None, Point(0.0, 0.0, 2.0, {"a": 2.0}), None).by_type == []


@pytest.mark.parametrize("cost", [0.0, 0.004, -5.0])
def test_there_is_no_fraction_of_nothing_or_of_a_credit(cost: float) -> None:
    found = to_builtins(compared(3.0, {}, Point(0.0, 0.0, cost, {}), cost))
    assert found.keys() == {"month_to_date", "previous_month_to_date", "change", "previous_total", "by_type"}


def test_a_credit_is_a_change_below_zero() -> None:
    found = compared(-20.0, {"per_machine": -20.0}, Point(0.0, 0.0, 10.0, {"per_machine": 10.0}), None)
    assert (found.month_to_date, found.change, found.change_fraction) == (-20.0, -30.0, -3.0)
    assert to_builtins(found.by_type) == [{"type": "per_machine", "now": -20.0, "before": 10.0, "change": -30.0}]
