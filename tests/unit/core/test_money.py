from __future__ import annotations

import math
from decimal import Decimal

import pytest

from viam_billing.core import money


@pytest.mark.parametrize(
    ("dollars", "cents"),
    [
        (0.0, 0),
        (1.005, 101),
        (2.675, 268),
        (0.145, 15),
        (1.0049999, 100),
        (-1.005, -101),
        (-0.001, 0),
        (0.1 + 0.2, 30),
        (999_999_999_999.99, 99_999_999_999_999),
    ],
)
def test_a_half_cent_is_rounded_up_on_the_shortest_decimal_form(dollars: float, cents: int) -> None:
    """1.005 is a little less than that as a double, and its sender still meant a half cent."""
    assert money.to_cents(dollars) == cents


def test_a_sum_adds_before_it_rounds() -> None:
    """Three parts of 0.004 are a cent, although each alone is none."""
    assert money.rounded(money.total([0.004, 0.004, 0.004])) == 0.01


def test_a_sum_is_exact() -> None:
    """A tenth added ten times is one, which it is not in doubles."""
    assert money.total([0.1] * 10) == Decimal(1)


def test_the_sum_of_nothing_is_zero() -> None:
    assert money.total([]) == 0


@pytest.mark.parametrize("dollars", [math.nan, math.inf, -math.inf, 1e12, -1e12, 1e300])
def test_what_is_no_amount_is_refused(dollars: float) -> None:
    """NaN, infinity and a trillion dollars have no cents."""
    with pytest.raises(ValueError, match="is no amount of money"):
        money.exact(dollars)


@pytest.mark.parametrize("dollars", [0.0, 1, 19.99, 0.1, 1e11, 100.10])
def test_whole_cents_can_be_charged(dollars: float) -> None:
    """At most two decimals in the shortest form."""
    assert money.is_whole_cents(dollars)


@pytest.mark.parametrize("dollars", [0.001, 0.1 + 0.2, 1.005, 1e-9, math.nan, math.inf, 1e12])
def test_parts_of_a_cent_cannot_be_charged(dollars: float) -> None:
    """Nothing is rounded silently on its way to a charge."""
    assert not money.is_whole_cents(dollars)


def test_cents_are_written_as_dollars() -> None:
    assert money.to_dollars(1999) == 19.99
