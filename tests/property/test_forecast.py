from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.usage.forecast import EARLIEST_FRACTION, straight_line

MOMENTS = st.floats(0, 4e9)
COSTS = st.integers(0, 10**8).map(lambda cents: cents / 100)


@given(COSTS, MOMENTS, MOMENTS, MOMENTS)
def test_an_estimate_is_given_from_a_twentieth_on(cost: float, start_s: float, end_s: float, as_of_s: float) -> None:
    """Whatever the dates, it is never below the cost and never more than twenty times it."""
    projection = straight_line(cost, start_s, end_s, as_of_s)
    passed = (as_of_s - start_s) / (end_s - start_s) if end_s > max(start_s, as_of_s) else -1.0
    assert (projection is None) == (passed < EARLIEST_FRACTION)
    if projection is not None:
        assert EARLIEST_FRACTION <= projection.elapsed_fraction <= 1
        assert cost - 0.005 <= projection.total <= cost / EARLIEST_FRACTION + 0.01


@given(COSTS, st.integers(10, 99))
def test_a_month_that_goes_on_alike_is_foreseen(cost: float, percent: int) -> None:
    """At any time of it, to the cent."""
    projection = straight_line(cost * percent / 100, 0.0, 100.0, float(percent))
    assert projection is not None
    assert abs(projection.total - cost) < 0.011


@given(COSTS, COSTS, st.floats(5, 99))
def test_more_cost_makes_no_smaller_estimate(one: float, other: float, as_of_s: float) -> None:
    low, high = (straight_line(cost, 0.0, 100.0, as_of_s) for cost in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low.total <= high.total
