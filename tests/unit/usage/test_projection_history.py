from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339, month_start_s, next_month_s
from viam_billing.usage.days import SEEN_DAYS, CostAt
from viam_billing.usage.forecast import HISTORY, Projection, projected, straight_line

START_S = from_rfc3339("2027-01-01T00:00:00Z")
"""The months before lie in another year. January 2027 begins on a Friday and has 21 working days."""
END_S = next_month_s(START_S)

Rate = Callable[[float], float]
"""Of the time at which an hour begins: the dollars that it costs."""


def steady(_: float) -> float:
    """24 a day."""
    return 1.0


def works(time_s: float) -> float:
    """24 on a working day, in working hours; the first of January 1970 was a Thursday."""
    return 3.0 if (time_s // DAY_S + 3) % 7 < 5 and 8 <= time_s % DAY_S / HOUR_S < 16 else 0.0


def noisy(deviation: float) -> Rate:
    """24 a day, more or less."""
    chance = random.Random(7)  # noqa: S311 - no secret
    days = [max(0.0, chance.gauss(1.0, deviation)) for _ in range(1000)]
    return lambda time_s: days[int(time_s // DAY_S) % 1000]


def seen(rate: Rate, days_before: float, day: float) -> list[CostAt]:
    """A point an hour, from so many days before January until that day of it, with the cost since its month's start."""
    since_s = START_S - days_before * DAY_S
    points, cost, time_s = [], 0.0, month_start_s(since_s)
    while time_s < START_S + day * DAY_S - 1:
        cost = rate(time_s) + (0.0 if time_s == month_start_s(time_s) else cost)
        if time_s >= since_s:
            points.append((time_s + HOUR_S, month_start_s(time_s), cost))
        time_s += HOUR_S
    return points


def estimate(points: list[CostAt], day: float, cost: float | None = None) -> Projection | None:
    """As of that day of January; the cost is that of the last point unless told otherwise."""
    last = points[-1][2] if points and points[-1][1] == START_S else 0.0
    return projected(last if cost is None else cost, START_S, END_S, START_S + day * DAY_S, points)


def made(points: list[CostAt], day: float, cost: float | None = None) -> Projection:
    """The same where there is one, with its interval."""
    projection = estimate(points, day, cost)
    assert projection is not None
    assert projection.method == HISTORY
    assert isinstance(projection.low, float)
    assert isinstance(projection.high, float)
    assert projection.low <= projection.total <= projection.high
    return projection


@pytest.mark.parametrize("day", [0.0, 0.4, 1.0, 1.7, 5.0, 13.3, 30.9])
def test_a_weekend_that_earlier_months_have_had_is_foreseen(day: float) -> None:
    """At any hour of any day."""
    assert made(seen(works, 92, day), day).total == pytest.approx(21 * 24.0, rel=0.02)


def test_without_earlier_months_a_weekend_is_not_known() -> None:
    """After its first weekend the month has seen one working day in three."""
    assert made(seen(works, 0, 3), 3).total < 300.0


@pytest.mark.parametrize(("days", "known"), [(26, False), (27, True), (60, True)])
def test_four_weeks_of_history_allow_an_estimate_from_the_first_moment(days: int, known: bool) -> None:  # noqa: FBT001 - a column
    """The first of these days is seen by its month's start, which lies before it."""
    points = seen(steady, days, 0)
    assert (estimate(points, 0.0) is not None) == known
    if known:
        assert made(points, 0.0).total == pytest.approx(31 * 24.0, rel=0.001)
        assert made(points, 0.0).elapsed_fraction == 0.0


def test_the_first_days_do_not_outweigh_the_months_before() -> None:
    """Three quiet days, as after a holiday: the straight line has a third of the true total, which is about 700."""
    points = [*seen(noisy(0.3), 61, 0), *seen(lambda _: 0.3, 0, 3)]
    assert made(points, 3).total > 400.0


def test_a_new_level_is_followed_within_the_month() -> None:
    """Twice as much since the tenth: 10 days of 24 and 21 of 48 are 1248."""
    points = seen(lambda time_s: 1.0 if time_s < START_S + 10 * DAY_S else 2.0, 61, 20)
    assert made(points, 20).total == pytest.approx(1248.0, rel=0.07)


def test_a_fee_of_each_month_is_not_extended() -> None:
    """Nor foreseen: it is in the cost once it came."""

    def fee(time_s: float) -> float:
        return 501.0 if time_s == month_start_s(time_s) + 12 * HOUR_S else 1.0

    assert made(seen(fee, 61, 0.3), 0.3).total == pytest.approx(31 * 24.0, rel=0.03)
    for day in (2, 5, 10, 20):
        assert made(seen(fee, 61, day), day).total == pytest.approx(31 * 24.0 + 500.0, rel=0.03)


def test_half_a_year_counts() -> None:
    """What is older says nothing of this month."""
    points = seen(steady, 2 * SEEN_DAYS, 5)
    assert made(points, 5) == made([point for point in points if point[0] > START_S + (5 - SEEN_DAYS) * DAY_S], 5)


def test_months_that_were_not_seen_are_no_months_without_cost() -> None:
    """The machine was off for all of November and half of December."""
    away = (START_S - 61 * DAY_S, START_S - 16 * DAY_S)
    points = [point for point in seen(steady, 92, 2) if not away[0] < point[0] < away[1]]
    assert made(points, 2).total == pytest.approx(31 * 24.0, rel=0.01)


def test_what_a_month_has_cost_after_its_last_point_is_not_taken_for_nothing() -> None:
    """Seen once a day at 9: the last fifteen hours of the month before are lost."""
    points = [point for point in seen(steady, 61, 2) if point[0] % DAY_S == 9 * HOUR_S]
    assert made(points, 2, 48.0).total == pytest.approx(31 * 24.0, rel=0.01)


def test_a_month_that_the_cloud_begins_elsewhere_counts_too() -> None:
    """In this month's first days the cloud told its start in another time zone."""
    points = [(time_s, month_s - 5 * HOUR_S, cost + 5.0) for time_s, month_s, cost in seen(steady, 40, 3)]
    assert made([*points, *seen(steady, 0, 6)[72:]], 6).total == pytest.approx(31 * 24.0, rel=0.02)


@pytest.mark.parametrize("credit", [30.0, 200.0, 5000.0])
def test_a_credit_is_not_repeated(credit: float) -> None:
    """Although the month is negative by it, and its true total too."""
    points = [(time_s, month_s, cost - credit) for time_s, month_s, cost in seen(steady, 61, 5)]
    points = [(time_s, month_s, cost if month_s == START_S else cost + credit) for time_s, month_s, cost in points]
    assert made(points, 5).total == pytest.approx(31 * 24.0 - credit, rel=0.01)


def test_a_month_of_credits_alone_stays_what_it_is() -> None:
    """Nothing is known of what a day costs; an estimate below the cost makes no sense."""
    assert made(seen(lambda _: -1.0, 0, 5), 5) == Projection(-120.0, HISTORY, round(5 / 31, 6), -120.0, -120.0)
    line = straight_line(-120.0, START_S, END_S, START_S + 5 * DAY_S)
    assert line is not None
    assert line.total == -120.0


def test_the_interval_is_narrower_the_less_is_left() -> None:
    """And ends with the month."""
    rate = noisy(0.3)
    widths = []
    for day in (2.0, 5.0, 10.0, 20.0, 30.99):
        projection = made(seen(rate, 122, day), day)
        widths.append(float(projection.high or 0) - float(projection.low or 0))
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.1 * widths[0]


def test_the_interval_is_wider_the_more_days_differ() -> None:
    calm, wild = (made(seen(noisy(deviation), 122, 5), 5) for deviation in (0.1, 0.8))
    assert float(wild.high or 0) - float(wild.low or 0) > 2 * (float(calm.high or 0) - float(calm.low or 0))


def test_the_interval_does_not_begin_below_the_cost() -> None:
    points = seen(noisy(3.0), 0, 6)
    assert float(made(points, 6).low or 0) >= round(points[-1][2], 2)


def test_days_of_a_gap_are_no_proof_of_each_other() -> None:
    """Ten days seen one by one say more than three stretches of a week."""
    points = seen(noisy(0.3), 0, 21)
    sparse = made([points[7 * 24], points[14 * 24], points[-1]], 21)
    dense = made(points, 21)
    assert float(sparse.high or 0) - float(sparse.low or 0) > float(dense.high or 0) - float(dense.low or 0)


def test_a_straight_line_says_nothing_of_its_error() -> None:
    projection = estimate([], 5, 100.0)
    assert projection == straight_line(100.0, START_S, END_S, START_S + 5 * DAY_S)


@pytest.mark.parametrize("start_s", [-62_135_596_800.0, START_S - 400 * DAY_S])
def test_a_month_that_lasts_for_years_has_no_days(start_s: float) -> None:
    """Of its own; those of other months say what the days that are left will cost."""
    as_of_s = START_S + 5 * DAY_S
    assert projected(100.0, start_s, END_S, as_of_s) == straight_line(100.0, start_s, END_S, as_of_s)
    projection = projected(100.0, start_s, END_S, as_of_s, seen(steady, 0, 5))
    assert projection is not None
    assert projection.total == pytest.approx(100.0 + 26 * 24.0)


def test_after_the_month_there_is_no_estimate() -> None:
    """However much is known."""
    assert projected(744.0, START_S, END_S, END_S + 60, seen(steady, 61, 31)) is None


def test_before_the_month_there_is_no_estimate() -> None:
    """The clock is behind."""
    assert projected(0.0, START_S, END_S, START_S - 60, seen(steady, 61, 0)) is None
