"""Which thresholds of a budget were crossed before: on the disk, and in memory where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.core.errors import StateUnavailableError

if TYPE_CHECKING:
    from viam_billing.core.money import Cents
    from viam_billing.usage.history import UsageHistory

LOGGER: Final = logging.getLogger(__name__)

_WRITE_S: Final = 1.0


class CrossedThresholds:
    """What the budget checks of one service have found crossed."""

    def __init__(self, history: UsageHistory | None) -> None:
        self._history = history
        self._known: set[tuple[str, float, int, float]] = set()
        self._written: set[tuple[str, float, int, float]] = set()
        self._warned = False

    async def newly(
        self, org_id: str, month_start_s: float, monthly: Cents, thresholds: Iterable[float]
    ) -> list[float]:
        """Of the thresholds that are crossed now, those that were not before, in this month and of this budget."""
        names = {threshold: (org_id, month_start_s, int(monthly), threshold) for threshold in thresholds}
        new = [threshold for threshold, name in names.items() if name not in self._known]
        unwritten = [threshold for threshold, name in names.items() if name not in self._written]
        self._known.update(names.values())
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
        self._written.update(names.values())
        return [threshold for threshold in new if threshold in new_on_disk]
