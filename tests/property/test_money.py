from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core import money

AMOUNTS = st.one_of(
    st.floats(-1e12, 1e12, exclude_min=True, exclude_max=True),
    st.integers(-(10**9), 10**9).map(lambda mills: mills / 1000),
    st.integers(-(10**6), 10**6).map(lambda halves: halves * 0.005),
)


def shortest(dollars: float) -> Fraction:
    """The shortest decimal form as a fraction."""
    return Fraction(repr(dollars))


def half_up(amount: Fraction) -> int:
    """Whole cents by the definition: the half added to the size, the rest dropped."""
    size = math.floor(abs(amount) * 100 + Fraction(1, 2))
    return size if amount >= 0 else -size


@given(AMOUNTS)
def test_rounding_is_half_up_on_the_shortest_form(dollars: float) -> None:
    """As fractions have it, which round nothing by themselves."""
    assert money.to_cents(dollars) == half_up(shortest(dollars))


@given(st.lists(st.integers(-(10**12), 10**12).map(lambda micros: micros / 10**6), max_size=30))
def test_a_sum_is_rounded_once(parts: list[float]) -> None:
    """As the exact sum of the shortest forms."""
    assert money.to_cents(money.total(parts)) == half_up(sum((shortest(part) for part in parts), Fraction(0)))


@given(st.integers(-(10**14) + 1, 10**14 - 1))
def test_cents_survive_the_way_over_dollars(cents: int) -> None:
    """Every cent below a trillion dollars has its own double."""
    assert money.to_cents(money.to_dollars(cents)) == cents
    assert money.is_whole_cents(money.to_dollars(cents))


@given(AMOUNTS)
def test_what_is_rounded_is_whole(dollars: float) -> None:
    assert money.is_whole_cents(money.rounded(dollars))
    assert money.rounded(money.rounded(dollars)) == money.rounded(dollars)


@given(st.floats())
def test_whole_cents_are_told_by_the_shortest_form(dollars: float) -> None:
    """For any double at all, and without an error."""
    whole = math.isfinite(dollars) and abs(dollars) < 10**12 and (shortest(dollars) * 100).denominator == 1
    assert money.is_whole_cents(dollars) is whole
