"""Which thresholds of a budget were found crossed before: on the disk, and in memory where there is none."""

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

_WITHIN_S: Final = 1.0


class Crossings:
    """What the checks of one service's budget have found."""

    def __init__(self, history: UsageHistory | None) -> None:
        self._history = history
        self._found: set[tuple[str, float, int, float]] = set()
        self._written: set[tuple[str, float, int, float]] = set()
        self._complained = False

    async def newly(
        self, org_id: str, month_start_s: float, monthly: Cents, thresholds: Iterable[float]
    ) -> list[float]:
        """Those of the crossed thresholds that no check has found crossed in this month, of a budget of this amount."""
        names = {threshold: (org_id, month_start_s, int(monthly), threshold) for threshold in thresholds}
        new = [threshold for threshold, name in names.items() if name not in self._found]
        unwritten = [threshold for threshold, name in names.items() if name not in self._written]
        self._found.update(names.values())
        if not unwritten or self._history is None:
            return new
        try:
            writing = self._history.cross(org_id, month_start_s, monthly, unwritten)
            unknown = await asyncio.wait_for(writing, _WITHIN_S)
        except (StateUnavailableError, asyncio.TimeoutError) as error:
            if not self._complained:
                why = error.text if isinstance(error, StateUnavailableError) else "the disk does not answer."
                LOGGER.warning("crossed thresholds are remembered until the module ends only: %s", why)
            self._complained = True
            return new
        self._complained = False
        self._written.update(names.values())
        return [threshold for threshold in new if threshold in unknown]
