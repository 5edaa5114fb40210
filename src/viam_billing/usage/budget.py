"""Where a cost stands in a monthly budget, and which of its thresholds were crossed before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Literal

from viam import logging

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.money import Cents, exact
from viam_billing.usage.history import UsageHistory

LOGGER: Final = logging.getLogger(__name__)

_WRITE_S: Final = 1.0

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


class CrossedThresholds:
    """What the budget checks of one service have found crossed: in memory, and on the disk where there is one."""

    def __init__(self, history: UsageHistory | None) -> None:
        self._history = history
        self._known: dict[tuple[str, float, Cents, float], bool] = {}
        """Organization, month, budget and threshold; whether it is on the disk."""
        self._warned = False

    async def newly(
        self, org_id: str, month_start_s: float, monthly: Cents, thresholds: Iterable[float]
    ) -> list[float]:
        """Of the thresholds that are crossed now, those that were not before, in this month and of this budget."""
        names = {threshold: (org_id, month_start_s, monthly, threshold) for threshold in thresholds}
        new = [threshold for threshold, name in names.items() if name not in self._known]
        unwritten = [threshold for threshold, name in names.items() if not self._known.setdefault(name, False)]
        if not unwritten or self._history is None:
            return new
        try:
            writing = self._history.cross(org_id, month_start_s, monthly, unwritten)
            new_on_disk = await asyncio.wait_for(writing, _WRITE_S)
        except (StateUnavailableError, asyncio.TimeoutError) as error:
            if not self._warned:
                why = error.text if isinstance(error, StateUnavailableError) else "the disk does not answer."
                LOGGER.warning("crossed thresholds are remembered until the module ends only: %s", why)
            self._warned = True
            return new
        self._warned = False
        self._known.update(dict.fromkeys(names.values(), True))
        return [threshold for threshold in new if threshold in new_on_disk]
