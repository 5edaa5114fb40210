"""What an organization's invoices, or a person, tell of a charge whose outcome is unknown, and when they are read.

They are read at the start, when the cloud is back, every hour, and by command; in the background never sooner than a
minute after a charge, whose invoice may still be on its way into the list. The functions are steps of transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, field, structs
from viam import logging

from viam_billing.charging import refusals
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.charge import UNSETTLED, Entry, State, Watched, fitting
from viam_billing.charging.journal import Journal
from viam_billing.charging.journal_rows import Rows
from viam_billing.charging.recovery import Recovery
from viam_billing.cloud.decoding import SeenInvoice
from viam_billing.core.errors import BillingError, CloudAwayError, InvalidRequestError, StateUnavailableError, quoted
from viam_billing.core.tasks import within
from viam_billing.core.times import DAY_S

LOGGER: Final = logging.getLogger(__name__)

LATE_S: Final = 2 * DAY_S
"""How long an attempt that a person resolved as failed is watched for its invoice."""
NOT_BEFORE_S: Final = 60.0
EVERY_S: Final = 3600.0
RETRY_S: Final = 60.0
"""After a round that failed: the cloud was away, the disk full, or another process charged."""


class Found(Struct):
    """What reading the invoices told. `late`: attempts resolved as failed, each with an invoice that fits it."""

    settled: list[Entry] = field(default_factory=list)
    still_unknown: list[Entry] = field(default_factory=list)
    late: list[tuple[Entry, str]] = field(default_factory=list)


def settle(rows: Rows, org_id: str, invoices: Sequence[SeenInvoice]) -> Found:
    """Settle what an organization's invoices tell. It never concludes that a charge failed."""
    found = Found()
    unsettled = rows.in_states(UNSETTLED, org_id)
    for entry in unsettled:
        if entry.state == "unknown":
            fits = _unowned(rows, entry, invoices)
            if len(fits) == 1:
                checked = structs.replace(entry.succeeded(fits[0]), checked_at=rows.now_s, candidates=())
                found.settled.append(checked)
            else:
                checked = structs.replace(entry, checked_at=rows.now_s, candidates=tuple(fits))
                found.still_unknown.append(checked)
            rows.put(checked)
    if all(entry.state == "unknown" for entry in unsettled):  # else an invoice may be that of the charge under way
        _find_late(rows, org_id, invoices, found)
    return found


def _find_late(rows: Rows, org_id: str, invoices: Sequence[SeenInvoice], found: Found) -> None:
    for watched in rows.watched(org_id):
        entry = rows.find(watched.key)
        if entry is None or entry.state == "unknown":
            continue  # which of two attempts an invoice belongs to, only a person can tell
        known = {entry.invoice_id, *watched.found}
        fits = [invoice_id for invoice_id in _unowned(rows, watched, invoices) if invoice_id not in known]
        if fits:
            late = structs.replace(entry, late_invoice=entry.late_invoice or fits[0])
            rows.put(late)
            rows.watch(structs.replace(watched, found=(*watched.found, *fits)))
            found.late += [(late, invoice_id) for invoice_id in fits]


def _unowned(rows: Rows, charge: Entry | Watched, invoices: Sequence[SeenInvoice]) -> list[str]:
    """The invoices that fit a charge and belong to no other."""
    fits = fitting(charge, invoices)
    return [invoice_id for invoice_id in fits if rows.owner_of(invoice_id, but_not=charge.key) is None]


def resolve(
    rows: Rows, seen: Entry, outcome: State, note: str, invoice_id: str | None, invoices: Sequence[SeenInvoice]
) -> Entry:
    """Write what a person says became of the attempt `seen`, unless one of `invoices`, just read, is against it."""
    entry = rows.find(seen.key)
    if entry is None:
        raise refusals.no_such_key(seen.key)
    if entry.state != "unknown":
        raise InvalidRequestError(
            f"idempotency_key: found a charge that is {entry.state}, expected one whose state is unknown. "
            "Only such a charge can be resolved."
        )
    if entry.attempts != seen.attempts:
        raise InvalidRequestError(
            "idempotency_key: found a charge that was sent again meanwhile, expected the one that was looked at. "
            "Look at it again."
        )
    if outcome == "failed":
        fits = _unowned(rows, entry, invoices)
        if fits:
            raise InvalidRequestError(
                f"outcome: found failed, expected succeeded: the invoice {quoted(fits[0])} fits this charge. "
                "If it is its own, resolve it as succeeded with this invoice_id."
            )
        known = entry.known_invoices
        if known is not None and entry.sent_at is not None:
            until_s = max((rows.now_s, *rows.clock())) + LATE_S  # a clock that is behind must not cut it short
            rows.watch(Watched(entry.key, entry.attempts, entry.org_id, entry.total, entry.sent_at, until_s, known))
        ended = entry.becoming("failed", known_invoices=None)
    else:
        owner = invoice_id and rows.owner_of(invoice_id, but_not=entry.key)
        if owner:
            raise InvalidRequestError(
                f"invoice_id: found the invoice of the charge {quoted(owner)}, expected one of no other charge."
            )
        ended = entry.succeeded(invoice_id)
    ended = structs.replace(ended, note=note, candidates=())
    rows.put(ended)
    return ended


class Reconciler:
    """Reconciles one journal through the services that charge with it. `now` is the wall clock in Unix seconds."""

    def __init__(self, journal: Journal, recovery: Recovery, now: Callable[[], float]) -> None:
        self._journal = journal
        self._recovery = recovery
        self._now = now
        self.services: list[ServiceAccess] = []
        self._background: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._reported = ""

    def join(self, service: ServiceAccess) -> None:
        """Reconcile for a service too. Needs a running event loop."""
        self.services.append(service)
        if self._background is None:
            self._background = asyncio.create_task(self._run(), name="viam-billing reconciler")
        self.wake()

    def leave(self, service: ServiceAccess) -> None:
        """No longer reconcile for a service."""
        self.services.remove(service)
        if not self.services and self._background is not None:
            self._background.cancel()
            self._background = None

    def wake(self) -> None:
        """Begin a round now: a charge became unknown, or the cloud is back."""
        self._woken.set()

    async def reconcile(self, service: ServiceAccess) -> Found:
        """Reconcile all that a service sees, now. Raises: BillingError: if no organization's invoices can be read."""
        await self._recovery.prepare()
        unknown, orgs = await self._journal.to_reconcile()
        results = await self._reconcile(service, filter(service.policy.sees_org, orgs))
        all_found = [each for each in results.values() if isinstance(each, Found)]
        if results and not all_found:
            raise next(each for each in results.values() if isinstance(each, BillingError))
        settled = [entry for found in all_found for entry in found.settled]
        left = [entry for found in all_found for entry in found.still_unknown]
        unread = [entry for entry in unknown if isinstance(results.get(entry.org_id), BillingError)]
        return Found(settled, left + unread)

    async def settle(self, org_id: str, invoices: list[SeenInvoice]) -> Found:
        """Settle what an organization's invoices tell, and log it."""
        found = await self._journal.run("reconcile", partial(settle, org_id=org_id, invoices=invoices))
        for entry in found.settled:
            LOGGER.info("the charge %s succeeded: invoice %s", quoted(entry.key), quoted(entry.invoice_id))
        for entry, invoice_id in found.late:
            LOGGER.error(
                "the charge %s was resolved as failed, but the invoice %s of the organization %s fits it. "
                "Look at it in the Viam app",
                *map(quoted, (entry.key, invoice_id, entry.org_id)),
            )
        return found

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait_s, why = await self.round(), ""
            except Exception as error:  # noqa: BLE001 - a defect must not end the reconciling
                wait_s = RETRY_S
                why = error.text if isinstance(error, StateUnavailableError) else f"defect: {type(error).__name__}"
            if why not in ("", self._reported):
                LOGGER.warning("unknown charges are not looked for: %s", why)
            self._reported = why
            with contextlib.suppress(asyncio.TimeoutError):
                await within(wait_s, self._woken.wait())

    async def round(self) -> float | None:
        """Reconcile what is due. Returns the seconds until the next round, None if there is nothing to reconcile."""
        await self._recovery.prepare()
        unknown, orgs = await self._journal.to_reconcile()
        waits_s = {entry.org_id: self._wait_s(entry) for entry in unknown}
        away = False
        for service in list(self.services):
            due = [org for org in orgs if service.policy.sees_org(org) and waits_s.get(org, 0.0) <= 0]
            results = await self._reconcile(service, due)
            orgs -= {org for org, each in results.items() if isinstance(each, Found)}  # the others, another may read
            away = away or any(isinstance(each, CloudAwayError) for each in results.values())
        left, orgs = await self._journal.to_reconcile()
        if not orgs:
            return None
        young = [wait_s for wait_s in map(self._wait_s, left) if wait_s > 0]
        return min([RETRY_S if away else EVERY_S, *young])

    def _wait_s(self, entry: Entry) -> float:
        """Seconds until a charge may be reconciled in the background; the journal dates none to the future."""
        return (entry.sent_at or 0.0) + NOT_BEFORE_S - self._now()

    async def _reconcile(self, service: ServiceAccess, org_ids: Iterable[str]) -> dict[str, Found | BillingError]:
        """What the invoices of each organization tell, or why they could not be read."""

        async def reconcile_org(org_id: str) -> Found | BillingError:
            try:
                return await self.settle(org_id, await service.invoices(org_id))
            except StateUnavailableError:  # the journal's, which no other organization's invoices help
                raise
            except BillingError as error:
                return error

        names = sorted(org_ids)
        return dict(zip(names, await asyncio.gather(*map(reconcile_org, names)), strict=True))
