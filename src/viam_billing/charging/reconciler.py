"""Looks for the invoices of charges whose answer was lost: at the start, when the cloud is back, every hour.

It settles what the invoices tell, never sooner than a minute after a charge: an invoice may be on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.charging.reconciliation import Found
from viam_billing.core.errors import BillingError, CloudAwayError, StateUnavailableError
from viam_billing.core.times import steady_s

if TYPE_CHECKING:
    from viam_billing.charging.charge import Entry, Watched
    from viam_billing.charging.desk import Desk
    from viam_billing.charging.service import Charger

LOGGER: Final = logging.getLogger(__name__)

NOT_BEFORE_S: Final = 60.0
EVERY_S: Final = 3600.0
TRY_AGAIN_S: Final = 60.0
"""After a look in vain: the cloud was away, the disk full, or another process charged."""


class Watch:
    """The looking for one journal, on behalf of the services that charge with it."""

    def __init__(self, charger: Charger, now: Callable[[], float], clock_s: Callable[[], float] = steady_s) -> None:
        self._charger = charger
        self._now = now
        self._clock_s = clock_s
        self._desks: list[Desk] = []
        self._loop: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self.looked = asyncio.Event()
        """Set when the journal has been looked at, or was in vain: what is not known by then is not about to be."""
        self._ended_s: dict[str, float] = {}
        self._complaint = ""

    def join(self, desk: Desk) -> None:
        """Look on behalf of a service too. Needs a running event loop."""
        self._desks.append(desk)
        if self._loop is None:
            self._loop = asyncio.create_task(self._look_for_ever(), name="viam-billing charge watch")
        self.wake()

    def look_at_figures(self) -> None:
        """For a service that only reads: learn once what `get_status` tells. Needs a running event loop."""
        if self._charger.journal.figures is None and self._reading is None:
            self._reading = asyncio.create_task(self._read_figures(), name="viam-billing charge figures")

    async def _read_figures(self) -> None:
        try:
            with contextlib.suppress(StateUnavailableError):  # whoever asks for a charge is told
                await self._charger.journal.refresh()
        finally:
            self.looked.set()

    def leave(self, desk: Desk) -> None:
        """No longer on behalf of a service. May be called twice."""
        if desk in self._desks:
            self._desks.remove(desk)
        if not self._desks and self._loop is not None:
            self._loop.cancel()
            self._loop = None

    def wake(self) -> None:
        """Something has changed: a charge became unknown, or the cloud is back."""
        self._woken.set()

    async def recovered(self) -> None:
        """Before entries are shown: where this process charges, what a dead one left is settled first, if it can be."""
        if self._desks:
            with contextlib.suppress(StateUnavailableError):
                await self._charger.prepare()

    async def look_for(self, desk: Desk) -> Found:
        """All that a service sees, now, by command.

        Raises:
            BillingError: if there was something to look for and nothing could be read.
        """
        unknown, watched = await self._charger.outcomes.to_look_for()
        orgs = {org_id for org_id in _orgs(unknown, watched) if desk.sees(org_id)}
        found, errors = await self._look(desk, orgs)
        if errors and len(errors) == len(orgs):
            raise next(iter(errors.values()))
        seen = {entry.key for entry in (*found.settled, *found.still_unknown)}
        found.still_unknown += [entry for entry in unknown if desk.sees(entry.org_id) and entry.key not in seen]
        return found

    async def _look_for_ever(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait_s = await self._look_round()
                self._complaint = ""
            except StateUnavailableError as error:
                self._complain(error.text)
                wait_s = TRY_AGAIN_S
            except Exception as error:  # noqa: BLE001 - a defect must not end the looking
                self._complain(f"defect: {type(error).__name__}")
                wait_s = TRY_AGAIN_S
            self.looked.set()
            try:
                await asyncio.wait_for(self._woken.wait(), wait_s)
            except asyncio.TimeoutError:
                continue

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            LOGGER.warning("unknown charges are not looked for: %s", why)
            self._complaint = why

    async def _look_round(self) -> float | None:
        """Look for what is due. Returns the seconds until the next look, None if there is nothing to look for."""
        await self._charger.prepare()
        self.looked.set()
        unknown, watched = await self._charger.outcomes.to_look_for()
        waits_s = {entry.org_id: self._wait_s(entry) for entry in unknown}
        orgs = _orgs(unknown, watched)
        away = False
        for desk in list(self._desks):
            due = {org_id for org_id in orgs if desk.sees(org_id) and waits_s.get(org_id, 0.0) <= 0}
            _, errors = await self._look(desk, due)
            orgs -= due - errors.keys()  # what one service may not read, another one may
            away = away or any(isinstance(error, CloudAwayError) for error in errors.values())
        left, watched = await self._charger.outcomes.to_look_for()
        self._ended_s = {entry.key: self._ended_s[entry.key] for entry in left if entry.key in self._ended_s}
        if not left and not watched:
            return None
        young = [wait_s for wait_s in map(self._wait_s, left) if wait_s > 0]
        return min([TRY_AGAIN_S if away else EVERY_S, *young])

    def _wait_s(self, entry: Entry) -> float:
        """Seconds until a charge may be looked for; by the clock that nobody sets from when it was first seen."""
        if entry.key not in self._ended_s:
            age_s = self._now() - (entry.sent_at or 0.0)
            self._ended_s[entry.key] = self._clock_s() - min(NOT_BEFORE_S, max(0.0, age_s))
        return self._ended_s[entry.key] + NOT_BEFORE_S - self._clock_s()

    async def _look(self, desk: Desk, org_ids: Iterable[str]) -> tuple[Found, dict[str, BillingError]]:
        total, errors, names = Found(), {}, sorted(org_ids)
        for org_id, found in zip(
            names, await asyncio.gather(*(self._look_at(desk, name) for name in names)), strict=True
        ):
            if isinstance(found, BillingError):
                errors[org_id] = found
            else:
                total.settled += found.settled
                total.still_unknown += found.still_unknown
        return total, errors

    async def _look_at(self, desk: Desk, org_id: str) -> Found | BillingError:
        try:
            invoices = await desk.invoices(org_id)
        except BillingError as error:
            return error
        return await self._charger.outcomes.look(org_id, invoices)


def _orgs(unknown: Iterable[Entry], watched: Iterable[Watched]) -> set[str]:
    return {entry.org_id for entry in unknown} | {attempt.org_id for attempt in watched}
