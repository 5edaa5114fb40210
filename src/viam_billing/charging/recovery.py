"""Before anything is charged: the lock, what a dead process left behind, what could not be written before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.core.tasks import retrieve_exception

if TYPE_CHECKING:
    from viam_billing.charging.journal import Journal
    from viam_billing.charging.lock import FolderLock
    from viam_billing.charging.outcomes import Outcomes

LOGGER: Final = logging.getLogger(__name__)


class Recovery:
    """Makes one journal ready. `under_way` are the keys that this process is charging with."""

    def __init__(
        self, journal: Journal, outcomes: Outcomes, lock: FolderLock, under_way: Callable[[], Iterable[str]]
    ) -> None:
        self._journal = journal
        self._outcomes = outcomes
        self._lock = lock
        self._under_way = under_way
        self._one_at_a_time = asyncio.Lock()
        self._recovered_in = 0

    async def prepare(self) -> None:
        """Hold the lock, settle what a dead process left, and write what could not be written before.

        Raises:
            StateUnavailableError: if one of them cannot be done. Nothing is charged then.
        """
        preparing = asyncio.ensure_future(self._prepare())
        preparing.add_done_callback(retrieve_exception)
        await asyncio.shield(preparing)  # a caller that leaves now must not take the news of what was found with it

    async def _prepare(self) -> None:
        async with self._one_at_a_time:
            generation = await self._lock.take()
            if generation != self._recovered_in:
                await self._recover()
                self._recovered_in = generation
            await self._outcomes.write_left_over()

    async def _recover(self) -> None:
        unknown = await self._journal.recover(self._under_way())
        figures = self._journal.figures
        if figures is not None and not figures.entries:
            LOGGER.warning(
                "the charge journal %s is empty: no charge is known. If this machine has charged before, its journal "
                "is lost: put the folder back before anything is charged",
                figures.journal_id,
            )
        self._outcomes.announce(unknown)
