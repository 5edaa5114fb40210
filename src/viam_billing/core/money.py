"""Money: whole cents inside, US dollars as JSON numbers at the edges."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable

Cents = NewType("Cents", int)

_CENT: Final = Decimal("0.01")
_LARGEST_DOLLARS: Final = 10**12
"""Amounts from here on are no amounts; below it every cent has its own double."""


def exact(dollars: float) -> Decimal:
    """The shortest decimal form of a double, which is the amount that its sender meant.

    Raises:
        ValueError: for NaN, infinity and amounts of a trillion dollars or more.
    """
    if not math.isfinite(dollars) or abs(dollars) >= _LARGEST_DOLLARS:
        raise ValueError(f"{dollars!r} is no amount of money")
    return Decimal(repr(float(dollars)))


def total(dollars: Iterable[float]) -> Decimal:
    """The exact sum of unrounded amounts, so that no cent appears or is lost by rounding parts."""
    return sum((exact(amount) for amount in dollars), Decimal(0))


def to_cents(dollars: float | Decimal) -> Cents:
    """Whole cents, a half cent rounded away from zero."""
    amount = dollars if isinstance(dollars, Decimal) else exact(dollars)
    return Cents(int(amount.quantize(_CENT, ROUND_HALF_UP).scaleb(2)))


def to_dollars(cents: int) -> float:
    """The JSON number of whole cents."""
    return cents / 100


def rounded(dollars: float | Decimal) -> float:
    """Dollars rounded to whole cents, half up on the shortest decimal form."""
    return to_dollars(to_cents(dollars))


def is_whole_cents(dollars: float) -> bool:
    """Whether an amount can be charged as it stands, without rounding."""
    try:
        amount = exact(dollars)
    except ValueError:
        return False
    return amount == amount.quantize(_CENT)
