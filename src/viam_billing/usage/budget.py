"""Where a cost and its projection stand in a monthly budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from viam_billing.core.money import Cents, exact

Status = Literal["ok", "warning", "exceeded"]


class Standing(Struct, frozen=True):
    """The thresholds, lowest first, that the cost has reached, that its projection reaches, and that its `low` does."""

    crossed: list[float]
    projected: list[float]
    certain: list[float]

    @property
    def ahead(self) -> list[float]:
        """The thresholds that the projection reaches and the cost has not."""
        return [threshold for threshold in self.projected if threshold not in self.crossed]


def status(cost: Cents, monthly_budget: Cents, warn_at: Iterable[float]) -> Status:
    """`exceeded` once the whole budget is used, `warning` from the lowest threshold on."""
    if cost >= monthly_budget:
        return "exceeded"
    return "warning" if crossed(cost, monthly_budget, warn_at) else "ok"


def crossed(cost: Cents | None, monthly_budget: Cents, warn_at: Iterable[float]) -> list[float]:
    """The thresholds that a cost has reached, lowest first; 1.0, the whole budget, is always one of them."""
    if cost is None:
        return []
    return [share for share in sorted({*warn_at, 1.0}) if cost >= exact(share) * monthly_budget]


def used_fraction(cost: Cents, monthly_budget: Cents) -> float:
    """The fraction of the budget that is used; above 1 where it is exceeded."""
    return round(cost / monthly_budget, 6)
