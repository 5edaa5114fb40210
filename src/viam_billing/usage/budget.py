"""Where a cost stands in a monthly budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from viam_billing.core.money import Cents, exact

Status = Literal["ok", "warning", "exceeded"]


def status(cost: Cents, monthly_budget: Cents, warn_at: Iterable[float]) -> Status:
    """`exceeded` once the whole budget is used, `warning` from the lowest threshold on."""
    if cost >= monthly_budget:
        return "exceeded"
    return "warning" if crossed(cost, monthly_budget, warn_at) else "ok"


def crossed(cost: Cents, monthly_budget: Cents, warn_at: Iterable[float]) -> list[float]:
    """The thresholds that a cost has reached, lowest first; 1.0, the whole budget, is always one of them."""
    return [share for share in sorted({*warn_at, 1.0}) if cost >= exact(share) * monthly_budget]


def used_fraction(cost: Cents, monthly_budget: Cents) -> float:
    """The fraction of the budget that is used; above 1 where it is exceeded."""
    return round(cost / monthly_budget, 6)
