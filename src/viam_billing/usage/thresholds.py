"""What the budget checks of one service have found crossed, told once for each month: in memory and in `usage.db`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from viam import logging

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.money import Cents
from viam_billing.core.tasks import within
from viam_billing.usage.history import UsageHistory

LOGGER: Final = logging.getLogger(__name__)

_CROSS_S: Final = 1.0


class CrossedThresholds:
    """What the budget checks of one service have found crossed: in memory, and on the disk where there is one."""

    def __init__(self, history: UsageHistory | None) -> None:
        self._history = history
        self._known: dict[tuple[str, float, Cents, float, bool], bool] = {}
        """Organization, month, budget, threshold, and whether projected; whether it is on the disk."""
        self._warned = False

    async def days_seen(self, org_id: str) -> int:
        """On how many days usage was seen; 0 where the disk cannot say it."""
        try:
            return 0 if self._history is None else await within(_CROSS_S, self._history.days_seen(org_id))
        except (StateUnavailableError, asyncio.TimeoutError):
            return 0

    async def newly(
        self,
        org_id: str,
        month_start_s: float,
        monthly: Cents,
        thresholds: Iterable[float],
        *,
        projected: bool = False,
    ) -> list[float]:
        """Of the thresholds that are crossed now, those that were not before, in this month and of this budget."""
        names = {threshold: (org_id, month_start_s, monthly, threshold, projected) for threshold in thresholds}
        new = [threshold for threshold, name in names.items() if name not in self._known]
        unwritten = [threshold for threshold, name in names.items() if not self._known.setdefault(name, False)]
        if not unwritten or self._history is None:
            return new
        try:
            writing = self._history.cross(org_id, month_start_s, monthly, unwritten, projected=projected)
            new_on_disk = await within(_CROSS_S, writing)
        except (StateUnavailableError, asyncio.TimeoutError) as error:
            if not self._warned:
                why = error.text if isinstance(error, StateUnavailableError) else "the disk does not answer."
                LOGGER.warning("crossed thresholds are remembered until the module ends only: %s", why)
            self._warned = True
            return new
        self._warned = False
        self._known.update(dict.fromkeys(names.values(), True))
        return [threshold for threshold in new if threshold in new_on_disk]
