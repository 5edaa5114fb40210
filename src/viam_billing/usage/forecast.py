"""The straight-line estimate of a month's total, and where a cost stands in its budget; pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from viam_billing.core.money import Cents, exact, rounded
from viam_billing.core.times import next_month_s

EARLIEST_FRACTION: Final = 0.05
"""Before a twentieth of the month has passed, an estimate would be noise and is not given."""

STRAIGHT_LINE: Final = "straight_line"

BudgetStatus = Literal["ok", "warning", "exceeded"]


class Projection(Struct, frozen=True):
    """An estimate: `total` in dollars and whole cents, and how it was made."""

    total: float
    method: str
    elapsed_fraction: float


def straight_line(cost: float, start_s: float, end_s: float | None, as_of_s: float) -> Projection | None:
    """The month's total if the rest of the month costs as much per second as what has passed of it.

    Args:
        cost: dollars from the month's start to `as_of_s`, unrounded.
        start_s: the API's `start_date`, in Unix seconds.
        end_s: its `end_date`, None if it has none; see `month_end_s`.
        as_of_s: when the cloud gave the cost.
    """
    end = month_end_s(start_s, end_s, as_of_s)
    if start_s >= end or as_of_s >= end:
        return None
    elapsed = (as_of_s - start_s) / (end - start_s)
    if elapsed < EARLIEST_FRACTION:
        return None
    return Projection(rounded(exact(cost) / exact(elapsed)), STRAIGHT_LINE, round(elapsed, 6))


def month_end_s(start_s: float | None, end_s: float | None, as_of_s: float) -> float:
    """When the month of a usage answer ends: the API's `end_date`, or the next calendar month where that is not ahead.

    An `end_date` that is not ahead is the end of what was counted so far, and the next calendar month is the one after
    `start_date`. Where that is not ahead either the month has ended: the cloud has not begun the new one yet.
    """
    if end_s is not None and end_s > as_of_s:
        return end_s
    return next_month_s(as_of_s if start_s is None else start_s)


def budget_status(cost: Cents, monthly_budget: Cents, warn_at: Iterable[float]) -> BudgetStatus:
    """`exceeded` from all of the budget on, `warning` from the lowest of the thresholds on."""
    if cost >= monthly_budget:
        return "exceeded"
    return "warning" if any(cost >= exact(share) * monthly_budget for share in warn_at) else "ok"


def crossed(cost: Cents, monthly_budget: Cents, warn_at: Iterable[float]) -> list[float]:
    """The thresholds that a cost has reached, lowest first; the whole budget is one of them."""
    return [share for share in sorted({*warn_at, 1.0}) if cost >= exact(share) * monthly_budget]


def used_fraction(cost: Cents, monthly_budget: Cents) -> float:
    """The part of the budget that is used; above 1 where it is exceeded."""
    return round(cost / monthly_budget, 6)
