from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest

from viam_billing.core.times import DAY_S, from_rfc3339
from viam_billing.usage.days import CostAt
from viam_billing.usage.forecast import HISTORY, projected

START_S = from_rfc3339("2026-11-01T00:00:00Z")
END_S = from_rfc3339("2026-12-01T00:00:00Z")
HOURS = tuple(hour / 24 for hour in range(30 * 24))

Spent = Callable[[float], float]
"""Dollars from the start to a day of the month, counted from 0.0."""


def steady(day: float) -> float:
    """10 a day: 300 in the month."""
    return 10.0 * day


def fee(on_day: float, dollars: float) -> Spent:
    """The same, and once a flat fee."""
    return lambda day: steady(day) + (dollars if day >= on_day else 0.0)


def burst(first: float, days: float) -> Spent:
    """The same, and 50 a day more for some days."""
    return lambda day: steady(day) + 50.0 * min(max(day - first, 0.0), days)


def growing(day: float) -> float:
    """10 a day at the start, and half a dollar more with each day that passes: 525 in the month."""
    return 10.0 * day + 0.25 * day**2


def estimated(spent: Spent, day: float, seen: Iterable[float] = HOURS) -> float:
    """The total that is foreseen after so many days, from what was seen at those times."""
    points = [(START_S + each * DAY_S, START_S, spent(each)) for each in seen if each <= day]
    projection = projected(spent(day), START_S, END_S, START_S + day * DAY_S, points)
    assert projection is not None
    assert projection.method == HISTORY
    assert projection.elapsed_fraction == round(day / 30, 6)
    return projection.total


def method(points: Iterable[CostAt], day: float = 10.0) -> str:
    """How the estimate is made from those points of a steady month."""
    projection = projected(steady(day), START_S, END_S, START_S + day * DAY_S, points)
    assert projection is not None
    return projection.method


@pytest.mark.parametrize("day", [2.5, 5.0, 10.3, 20.0, 29.99])
def test_a_steady_month_goes_on(day: float) -> None:
    assert estimated(steady, day) == 300.0


@pytest.mark.parametrize("day", [5.0, 10.0, 20.0])
@pytest.mark.parametrize("on_day", [0.0, 0.3, 2.5, 4.9])
@pytest.mark.parametrize("dollars", [40.0, 5_000.0])
def test_a_flat_fee_is_not_multiplied(day: float, on_day: float, dollars: float) -> None:
    """Whenever it came, and were it an hour ago."""
    assert estimated(fee(on_day, dollars), day) == 300.0 + dollars


def test_a_fee_without_usage_stays_what_it_is() -> None:
    assert estimated(lambda day: 99.0 if day >= 0.5 else 0.0, 10.0) == 99.0


@pytest.mark.parametrize("day", [8.0, 10.0, 20.0])
def test_a_burst_that_is_over_is_not_extended(day: float) -> None:
    assert estimated(burst(4.0, 3.0), day) == pytest.approx(450.0, rel=0.03)


@pytest.mark.parametrize(("days", "extended"), [(3.0, False), (4.0, False), (5.0, True), (6.0, True)])
def test_a_burst_that_goes_on_for_five_days_is_how_it_will_be(days: float, extended: bool) -> None:  # noqa: FBT001 - a column
    """Before that it is taken to end today."""
    spent = burst(20.0 - days, 30.0)
    assert (estimated(spent, 20.0) > spent(20.0) + 150.0) == extended


def test_what_comes_again_and_again_is_usual() -> None:
    """Three runs of a costly day: as the straight line has it."""
    often = [2.0, 5.0, 8.0]
    total = estimated(lambda day: steady(day) + 50.0 * sum(min(max(day - each, 0.0), 1.0) for each in often), 10.0)
    assert total == pytest.approx(750.0, rel=0.01)


@pytest.mark.parametrize(("day", "straight"), [(10.0, 375.0), (15.0, 412.5), (20.0, 450.0)])
def test_growth_is_followed(day: float, straight: float) -> None:
    """Nearer to the truth than the straight line by a seventh and more, and not beyond it."""
    assert straight < estimated(growing, day) <= 525.0
    assert 525.0 - estimated(growing, day) < 0.85 * (525.0 - straight)


def test_a_decline_is_followed() -> None:
    """20 a day that fall by half a dollar each day: 375 in the month, and 450 by the straight line."""
    assert 375.0 < estimated(lambda day: 20.0 * day - 0.25 * day**2, 20.0) < 445.0


def test_days_that_are_missing_are_no_days_without_cost() -> None:
    """A gap is one span, with the cost that came in it."""
    seen = [hour for hour in HOURS if not 3.0 < hour < 8.0]
    assert estimated(steady, 10.0, seen) == 300.0
    assert estimated(fee(0.2, 500.0), 10.0, seen) == 800.0


def test_a_fee_in_a_gap_is_not_multiplied() -> None:
    """As far as the days around the gap show that it was one."""
    assert estimated(fee(1.0, 500.0), 10.0, [hour for hour in HOURS if not 0.5 < hour < 4.5]) == 800.0


def test_one_point_a_day_says_as_much_as_one_an_hour() -> None:
    for spent in (steady, fee(0.3, 500.0), burst(4.0, 3.0), growing):
        assert estimated(spent, 15.0, range(15)) == pytest.approx(estimated(spent, 15.0), rel=0.01)


def test_three_points_are_enough_to_see_a_fee() -> None:
    assert estimated(fee(0.1, 500.0), 20.0, [2.0, 10.0]) == 800.0


@pytest.mark.parametrize("seen", [[], [5.0], [9.99], [9.9, 9.99], [9.3, 9.6, 9.9]])
def test_too_few_points_make_a_straight_line(seen: list[float]) -> None:
    """Fewer than three spans of a day, however many points there are of the last of them."""
    points = [(START_S + day * DAY_S, START_S, steady(day)) for day in seen]
    assert method(points) == "straight_line"


def test_before_a_twentieth_of_the_month_there_is_no_estimate() -> None:
    points = [(START_S + hour * 600.0, START_S, float(hour)) for hour in range(200)]
    assert projected(200.0, START_S, END_S, START_S + 1.49 * DAY_S, points) is None


def test_what_was_not_seen_between_start_and_now_counts_for_nothing() -> None:
    """A clock that was set wrong left points of the last month, of tomorrow, and of no time at all."""
    good = [(START_S + day * DAY_S, START_S, steady(day)) for day in range(1, 10)]
    times = (START_S - DAY_S, START_S, START_S + 10.5 * DAY_S, math.nan)
    bad = [(time_s, START_S, 900.0) for time_s in times]
    total = projected(100.0, START_S, END_S, START_S + 10 * DAY_S, [*bad, *good])
    assert total == projected(100.0, START_S, END_S, START_S + 10 * DAY_S, good)
    assert total is not None
    assert total.total == 300.0


@pytest.mark.parametrize("dollars", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_amount_counts_for_nothing(dollars: float) -> None:
    """A defect of the past is none of today."""
    points = [(START_S + hour * DAY_S, START_S, steady(hour)) for hour in HOURS[:240]] + [
        (START_S + 4.01 * DAY_S, START_S, dollars)
    ]
    projection = projected(100.0, START_S, END_S, START_S + 10 * DAY_S, points)
    assert projection is not None
    assert projection.total == 300.0


def test_a_point_out_of_line_does_no_harm() -> None:
    """The cost of the eighth day, written down with the time of the third."""
    points = [(START_S + hour * DAY_S, START_S, steady(hour)) for hour in HOURS[:240]] + [
        (START_S + 3.001 * DAY_S, START_S, 80.0)
    ]
    projection = projected(100.0, START_S, END_S, START_S + 10 * DAY_S, points)
    assert projection is not None
    assert projection.total == pytest.approx(300.0, abs=1.0)


def test_the_order_of_the_points_is_of_no_matter() -> None:
    points = [(START_S + hour * DAY_S, START_S, growing(hour)) for hour in HOURS[:360]]
    args = (growing(15.0), START_S, END_S, START_S + 15 * DAY_S)
    assert projected(*args, points) == projected(*args, points[::-1]) == projected(*args, points[::2] + points[1::2])


def test_a_credit_is_not_repeated() -> None:
    """The cost fell by 45 on one day; the other days say what a day costs."""
    assert estimated(fee(4.4, -55.0), 10.0) == pytest.approx(245.0, abs=0.01)


def test_an_estimate_is_never_below_the_cost() -> None:
    """Where it fell on most days, or on all of them, nothing of that is taken to go on."""
    assert estimated(lambda day: 500.0 - 10 * day if day else 0.0, 10.0, range(1, 10)) >= 400.0
    assert estimated(lambda day: -5.0 * day, 10.0) == -50.0


@pytest.mark.parametrize("first", range(7))
def test_a_fleet_that_rests_at_weekends_has_no_unusual_days(first: int) -> None:
    """Whatever day the month starts on: nearly as the straight line has it."""
    works = [(first + day) % 7 < 5 for day in range(31)]

    def spent(day: float) -> float:
        return 10.0 * (sum(works[: int(day)]) + works[int(day)] * (day % 1))

    assert estimated(spent, 5.0) == pytest.approx(spent(5.0) * 6, rel=0.03)
    assert estimated(spent, 10.0) == pytest.approx(spent(10.0) * 3, rel=0.05)


def test_no_usage_costs_nothing() -> None:
    assert estimated(lambda _: 0.0, 10.0) == 0.0


@pytest.mark.parametrize("rate", [1e-161, 5e-324, 1e-12])
def test_next_to_nothing_is_nothing(rate: float) -> None:
    """No figure is too small to compute with."""
    assert estimated(lambda day: rate * day**2, 10.0) == 0.0


def test_a_point_at_the_start_is_no_span() -> None:
    """A fee in the first instant would have any rate."""
    points = [(at_s + 5e-324, 0.0, 500.0) for at_s in (0.0, 1e-300)] + [
        (day * DAY_S, 0.0, 500.0 + steady(day)) for day in range(1, 10)
    ]
    projection = projected(600.0, 0.0, 30 * DAY_S, 10 * DAY_S, points)
    assert projection is not None
    assert projection.total == 800.0


def test_an_estimate_is_in_whole_cents() -> None:
    assert estimated(lambda day: day / 3, 10.0) == 10.0
    assert estimated(lambda day: day / 7, 10.0) == 4.29
