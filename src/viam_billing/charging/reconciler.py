"""When the invoices of unknown charges are read: at the start, when the cloud is back, every hour, and by command.

In the background never sooner than a minute after a charge, whose invoice may still be on its way into the list.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.charging import reconciliation
from viam_billing.charging.reconciliation import Found
from viam_billing.core.errors import BillingError, CloudAwayError, StateUnavailableError, quoted

if TYPE_CHECKING:
    from viam_billing.charging.access import ServiceAccess
    from viam_billing.charging.charge import Entry, Watched
    from viam_billing.charging.journal import Journal
    from viam_billing.charging.recovery import Recovery
    from viam_billing.cloud.decoding import SeenInvoice

LOGGER: Final = logging.getLogger(__name__)

NOT_BEFORE_S: Final = 60.0
EVERY_S: Final = 3600.0
RETRY_S: Final = 60.0
"""After a round that failed: the cloud was away, the disk full, or another process charged."""


class Reconciler:
    """Reconciles one journal through the services that charge with it. `now` is the wall clock in Unix seconds."""

    def __init__(self, journal: Journal, recovery: Recovery, now: Callable[[], float]) -> None:
        self._journal = journal
        self._recovery = recovery
        self._now = now
        self._services: list[ServiceAccess] = []
        self._background: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._reported = ""

    def join(self, service: ServiceAccess) -> None:
        """Reconcile for a service too. Needs a running event loop."""
        self._services.append(service)
        if self._background is None:
            self._background = asyncio.create_task(self._run(), name="viam-billing reconciler")
        self.wake()

    def leave(self, service: ServiceAccess) -> None:
        """No longer reconcile for a service. May be called twice."""
        if service in self._services:
            self._services.remove(service)
        if not self._services and self._background is not None:
            self._background.cancel()
            self._background = None

    def wake(self) -> None:
        """Begin a round now: a charge became unknown, or the cloud is back."""
        self._woken.set()

    @property
    def has_services(self) -> bool:
        """Whether this process charges with the journal."""
        return bool(self._services)

    async def reconcile(self, service: ServiceAccess) -> Found:
        """Reconcile all that a service sees, now.

        Raises:
            BillingError: if there was something to reconcile and no organization's invoices could be read.
        """
        await self._recovery.prepare()
        unknown, watched = await self._journal.to_reconcile()
        orgs = {org_id for org_id in _orgs(unknown, watched) if service.sees(org_id)}
        found, errors = await self._reconcile(service, orgs)
        if errors and len(errors) == len(orgs):
            raise next(iter(errors.values()))
        seen = {entry.key for entry in (*found.settled, *found.still_unknown)}
        found.still_unknown += [entry for entry in unknown if service.sees(entry.org_id) and entry.key not in seen]
        return found

    async def settle(self, org_id: str, invoices: list[SeenInvoice]) -> Found:
        """Settle what an organization's invoices tell, and log it."""
        found = await self._journal.reconcile(partial(reconciliation.settle, org_id=org_id, invoices=invoices))
        for entry in found.settled:
            LOGGER.info("the charge %s succeeded: invoice %s", quoted(entry.key), quoted(entry.invoice_id))
        for entry, invoice_id in found.late:
            LOGGER.error(
                "the charge %s was resolved as failed, but the invoice %s of the organization %s fits it. "
                "Look at it in the Viam app",
                quoted(entry.key),
                quoted(invoice_id),
                quoted(entry.org_id),
            )
        return found

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait_s = await self.round()
                self._reported = ""
            except StateUnavailableError as error:
                self._report(error.text)
                wait_s = RETRY_S
            except Exception as error:  # noqa: BLE001 - a defect must not end the reconciling
                self._report(f"defect: {type(error).__name__}")
                wait_s = RETRY_S
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait_s)

    def _report(self, why: str) -> None:
        if why != self._reported:
            LOGGER.warning("unknown charges are not looked for: %s", why)
            self._reported = why

    async def round(self) -> float | None:
        """Reconcile what is due. Returns the seconds until the next round, None if there is nothing to reconcile."""
        await self._recovery.prepare()
        unknown, watched = await self._journal.to_reconcile()
        waits_s = {entry.org_id: self._wait_s(entry) for entry in unknown}
        orgs = _orgs(unknown, watched)
        away = False
        for service in list(self._services):
            due = {org_id for org_id in orgs if service.sees(org_id) and waits_s.get(org_id, 0.0) <= 0}
            _, errors = await self._reconcile(service, due)
            orgs -= due - errors.keys()  # what one service may not read, another one may
            away = away or any(isinstance(error, CloudAwayError) for error in errors.values())
        left, watched = await self._journal.to_reconcile()
        if not left and not watched:
            return None
        young = [wait_s for wait_s in map(self._wait_s, left) if wait_s > 0]
        return min([RETRY_S if away else EVERY_S, *young])

    def _wait_s(self, entry: Entry) -> float:
        """Seconds until a charge may be reconciled in the background; the journal dates none to the future."""
        return (entry.sent_at or 0.0) + NOT_BEFORE_S - self._now()

    async def _reconcile(self, service: ServiceAccess, org_ids: Iterable[str]) -> tuple[Found, dict[str, BillingError]]:
        """What the invoices of organizations tell, and the error of each that could not be read."""
        names = sorted(org_ids)
        results = await asyncio.gather(*(self._reconcile_org(service, name) for name in names))
        found = [each for each in results if isinstance(each, Found)]
        errors = {name: each for name, each in zip(names, results, strict=True) if isinstance(each, BillingError)}
        settled = [entry for each in found for entry in each.settled]
        return Found(settled, [entry for each in found for entry in each.still_unknown]), errors

    async def _reconcile_org(self, service: ServiceAccess, org_id: str) -> Found | BillingError:
        try:
            return await self.settle(org_id, await service.invoices(org_id))
        except StateUnavailableError:  # the journal's, which no other organization's invoices help
            raise
        except BillingError as error:
            return error


def _orgs(unknown: Iterable[Entry], watched: Iterable[Watched]) -> set[str]:
    return {entry.org_id for entry in unknown} | {attempt.org_id for attempt in watched}
