from __future__ import annotations

import pytest

from viam_billing.core.times import DAY_S, from_rfc3339
from viam_billing.usage.forecast import Projection, straight_line

START_S = from_rfc3339("2026-11-01T00:00:00Z")
END_S = from_rfc3339("2026-12-01T00:00:00Z")


def test_the_rest_of_the_month_costs_as_much_per_second() -> None:
    """Half of the month for 50 makes 100."""
    assert straight_line(50.0, START_S, END_S, START_S + 15 * DAY_S) == Projection(100.0, "straight_line", 0.5)


def test_the_end_of_the_month_is_its_cost() -> None:
    projection = straight_line(77.77, START_S, END_S, END_S - 0.001)
    assert projection is not None
    assert projection.total == 77.77


def test_a_twentieth_of_the_month_is_enough() -> None:
    projection = straight_line(1.0, START_S, END_S, START_S + 1.5 * DAY_S)
    assert projection == Projection(20.0, "straight_line", 0.05)


def test_less_than_a_twentieth_is_not_enough() -> None:
    assert straight_line(1.0, START_S, END_S, START_S + 1.5 * DAY_S - 1) is None


def test_a_month_may_be_shorter() -> None:
    projection = straight_line(50.0, START_S, START_S + 20 * DAY_S, START_S + 10 * DAY_S)
    assert projection is not None
    assert projection.elapsed_fraction == 0.5


def test_a_start_in_the_future_gives_no_estimate() -> None:
    """A wrong clock on the robot must not make up figures."""
    assert straight_line(50.0, END_S, END_S + 31 * DAY_S, START_S) is None


def test_a_start_after_the_end_gives_no_estimate() -> None:
    assert straight_line(50.0, END_S, END_S, END_S - 1) is None


def test_no_cost_is_no_cost() -> None:
    projection = straight_line(0.0, START_S, END_S, START_S + 15 * DAY_S)
    assert projection is not None
    assert projection.total == 0.0


def test_an_estimate_is_in_whole_cents() -> None:
    """10 over a third of the month, half up."""
    projection = straight_line(10.001, START_S, END_S, START_S + 10 * DAY_S)
    assert projection is not None
    assert projection.total == 30.0


@pytest.mark.parametrize("late_s", [0, 5, 3 * DAY_S])
def test_a_month_that_has_ended_has_no_estimate(late_s: float) -> None:
    """The cloud may answer the old month for a while, or the robot's clock be ahead: it does not run on for a month."""
    assert straight_line(1000.0, START_S, END_S, END_S + late_s) is None
