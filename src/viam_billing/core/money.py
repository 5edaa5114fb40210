"""Money: whole cents inside the module, US dollars as JSON numbers in requests and answers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NewType

Cents = NewType("Cents", int)

_CENT: Final = Decimal("0.01")
TOO_LARGE: Final = 10**12  # dollars; below this, every number of cents has a double of its own


def exact(dollars: float) -> Decimal:
    """The shortest decimal that a double stands for, which is the amount that its sender meant.

    Raises `ValueError` for NaN, infinity and amounts of a trillion dollars or more.
    """
    if not math.isfinite(dollars) or abs(dollars) >= TOO_LARGE:
        raise ValueError(f"{dollars!r} is no amount of money")
    return Decimal(repr(float(dollars)))


def total(dollars: Iterable[float]) -> Decimal:
    """The exact sum of unrounded amounts; rounding the parts first would add or lose cents."""
    return sum((exact(amount) for amount in dollars), Decimal(0))


def to_cents(dollars: float | Decimal) -> Cents:
    """Whole cents, a half cent rounded away from zero. Raises `ValueError` as `exact` does."""
    if isinstance(dollars, float) and abs(dollars) < TOO_LARGE and (cents := round(dollars * 100)) / 100 == dollars:
        return Cents(cents)  # nearly all amounts have two decimals, and need a tenth of the time
    amount = dollars if isinstance(dollars, Decimal) else exact(dollars)
    return Cents(int(amount.quantize(_CENT, ROUND_HALF_UP).scaleb(2)))


def to_dollars(cents: int) -> float:
    """Dollars as a JSON number."""
    return cents / 100


def rounded(dollars: float | Decimal) -> float:
    """Dollars rounded to whole cents, half up on the shortest decimal form."""
    return to_dollars(to_cents(dollars))


def is_whole_cents(dollars: float) -> bool:
    """Whether an amount can be charged as it is, without rounding."""
    try:
        amount = exact(dollars)
    except ValueError:
        return False
    return amount == amount.quantize(_CENT)
