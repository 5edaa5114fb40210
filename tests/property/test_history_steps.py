from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core import money
from viam_billing.core.times import HOUR_S, from_rfc3339
from viam_billing.usage.history import STEP_S, Point, StepName
from viam_billing.usage.steps import steps

START_S = from_rfc3339("2026-11-01T00:00:00Z")
COSTS = st.integers(-(10**7), 10**7).map(lambda cents: cents / 100)
STEPS: st.SearchStrategy[StepName] = st.sampled_from(["hour", "day"])


@st.composite
def months(draw: st.DrawFn) -> list[Point]:
    """Points of one month, of any hours of it, one an hour at most."""
    hours = sorted(draw(st.sets(st.integers(0, 719), max_size=60)))
    within = st.floats(0, HOUR_S - 1)
    return [Point(START_S + hour * HOUR_S + draw(within), START_S, draw(COSTS)) for hour in hours]


@st.composite
def gapless(draw: st.DrawFn) -> tuple[list[Point], StepName]:
    """Points of one month, at least one in each step from the first to the last."""
    step = draw(STEPS)
    first, count = draw(st.integers(1, 10)), draw(st.integers(1, 12))
    points = []
    for number in range(first, first + count):
        parts = sorted(draw(st.sets(st.floats(0, 0.999), min_size=1, max_size=3)))
        points += [Point(START_S + (number + part) * STEP_S[step], START_S, draw(COSTS)) for part in parts]
    return points, step


def number_of(time_s: float, step: StepName) -> int:
    """Which step a time is in."""
    return int(time_s // STEP_S[step])


@given(months(), STEPS)
def test_there_is_a_step_for_each_that_has_a_point_and_no_other(points: Sequence[Point], step: StepName) -> None:
    """In order, each with its last point's cost."""
    found = list(steps(points, step))
    last = {number_of(point.time_s, step): point for point in points}
    assert [(step.time_s, step.month_to_date) for step in found] == [
        (point.time_s, money.rounded(point.cost)) for point in last.values()
    ]


@given(gapless())
def test_without_gaps_the_steps_costs_add_up(month: tuple[list[Point], StepName]) -> None:
    """To the difference between the last and the first: no cent appears or is lost where the costs are whole cents."""
    points, step = month
    found = list(steps(points, step))
    rises = [step.delta for step in found[1:]]
    assert found[0].delta is None
    total = money.total(rise for rise in rises if rise is not None)
    assert None not in rises
    assert total == money.exact(found[-1].month_to_date) - money.exact(found[0].month_to_date)


@given(months(), STEPS)
def test_a_delta_is_known_only_right_after_another_step_or_where_the_month_begins(
    points: Sequence[Point], step: StepName
) -> None:
    """A gap stays one."""
    numbers = {number_of(point.time_s, step) for point in points}
    for found in steps(points, step):
        number = number_of(found.time_s, step)
        begins = number == number_of(START_S, step)
        assert (found.delta is not None) == (begins or number - 1 in numbers)
