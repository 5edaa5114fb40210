from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core.money import is_whole_cents, rounded
from viam_billing.core.times import DAY_S
from viam_billing.usage.forecast import projected, straight_line

END_S = 30 * DAY_S
AMOUNTS = st.floats(-1e6, 1e9)
ANYTHING = st.floats(allow_nan=True, allow_infinity=True)
MONTHS = st.sampled_from([0.0, -30 * DAY_S, -61 * DAY_S, -3600.0])
POINTS = st.lists(
    st.one_of(
        st.tuples(st.floats(-DAY_S, END_S + DAY_S), MONTHS, AMOUNTS),
        st.tuples(st.integers(-100, 29).map(lambda day: day * DAY_S), MONTHS, AMOUNTS),
        st.tuples(ANYTHING, ANYTHING, ANYTHING),
    ),
    max_size=80,
)
MOMENTS = st.floats(0.05 * END_S, END_S, exclude_max=True)


@given(AMOUNTS, MOMENTS, POINTS, st.randoms(use_true_random=False))
def test_whatever_was_seen_an_estimate_is_an_amount_and_not_below_the_cost(
    cost: float, as_of_s: float, points: list[tuple[float, float, float]], chance: random.Random
) -> None:
    """In whole cents, inside its interval, and the same for the same points in any order."""
    projection = projected(cost, 0.0, END_S, as_of_s, points)
    assert projection is not None
    assert is_whole_cents(projection.total) or abs(projection.total) >= 1e12
    assert projection.total >= rounded(cost)
    if projection.method == "straight_line":
        assert projection == straight_line(cost, 0.0, END_S, as_of_s)
    else:
        assert isinstance(projection.low, float)
        assert isinstance(projection.high, float)
        assert rounded(cost) <= projection.low <= projection.total <= projection.high
    shuffled = chance.sample(points, len(points))
    assert projected(cost, 0.0, END_S, as_of_s, shuffled) == projection


@given(st.integers(0, 10**8).map(lambda cents: cents / 100), st.floats(3, 29.9), st.integers(1, 24))
def test_a_month_that_goes_on_alike_is_foreseen(cost: float, day: float, each_hours: int) -> None:
    """By whatever points, to the cent, at any time of it: as by the straight line."""
    moments = range(0, int(day * 24), each_hours)
    points = [(hour * 3600.0, 0.0, cost * hour / (30 * 24)) for hour in moments]
    projection = projected(cost * day / 30, 0.0, END_S, day * DAY_S, points)
    assert projection is not None
    assert abs(projection.total - cost) < 0.011
