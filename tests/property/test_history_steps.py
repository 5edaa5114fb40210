from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core import money
from viam_billing.core.times import HOUR_S, from_rfc3339
from viam_billing.usage.history import STEP_S, Point, StepName
from viam_billing.usage.steps import steps

START_S = from_rfc3339("2026-11-01T00:00:00Z")
COSTS = st.floats(-(10.0**5), 10.0**5)  # with fractions of a cent, and below 0 after credits
STEPS: st.SearchStrategy[StepName] = st.sampled_from(["hour", "day"])


@st.composite
def months(draw: st.DrawFn) -> list[Point]:
    """Points of one month, of any hours of it, one an hour at most."""
    hours = sorted(draw(st.sets(st.integers(0, 719), max_size=60)))
    within = st.floats(0, HOUR_S - 1)
    return [Point(START_S + hour * HOUR_S + draw(within), START_S, draw(COSTS)) for hour in hours]


@st.composite
def gapless(draw: st.DrawFn) -> tuple[list[Point], StepName]:
    """Points of one month from its start on, at least one in each step up to the last."""
    step = draw(STEPS)
    points = []
    for number in range(draw(st.integers(1, 12))):
        parts = sorted(draw(st.sets(st.floats(0, 0.999), min_size=1, max_size=3)))
        for part in parts:
            by_type = draw(st.dictionaries(st.sampled_from(["a", "b"]), COSTS))
            points.append(Point(START_S + (number + part) * STEP_S[step], START_S, draw(COSTS), by_type))
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
def test_without_gaps_the_steps_costs_add_up_to_the_months(month: tuple[list[Point], StepName]) -> None:
    """To the cent, in all and by type, credits and fractions of a cent among them."""
    points, step = month
    found = list(steps(points, step))
    (whole,) = steps(points, "month", points[-1].time_s + 1)
    assert whole.delta == whole.month_to_date == found[-1].month_to_date
    assert money.total(each.delta for each in found if each.delta is not None) == money.exact(whole.delta)
    for kind in ("a", "b"):
        rises = money.total((each.delta_by_type or {}).get(kind, 0.0) for each in found)
        assert rises == money.exact((whole.delta_by_type or {}).get(kind, 0.0))


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
