"""Charges with one journal: one attempt for each key, one charge at a time for each organization.

charge --> lock, recovery, unwritten outcomes --> key, limits, block --> an attempt:
the organization's turn --> read the invoices --> reserve --> mark as sent --> send --> write the outcome
`--- ends when its last caller leaves -----'  `--- goes on to its outcome, whoever leaves -------------'
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from viam import logging

from viam_billing.charging import refusals
from viam_billing.charging.attempt import Attempt
from viam_billing.charging.reconciler import Reconciler
from viam_billing.charging.recovery import Recovery
from viam_billing.core.errors import BillingError, InternalError, Outcome, StateUnavailableError, quoted, service_closed
from viam_billing.core.tasks import retrieve_exception

if TYPE_CHECKING:
    from collections.abc import Callable

    from viam_billing.charging.access import ServiceAccess
    from viam_billing.charging.charge import ChargeRequest, Entry
    from viam_billing.charging.journal import Journal
    from viam_billing.charging.journal_rows import Figures
    from viam_billing.charging.limits import Limits
    from viam_billing.charging.lock import FolderLock
    from viam_billing.cloud.decoding import SeenInvoice
    from viam_billing.core.times import Deadline

LOGGER: Final = logging.getLogger(__name__)


class ChargeService:
    """All charges of one folder and cloud in this process. `now` is the wall clock in Unix seconds."""

    def __init__(self, journal: Journal, lock: FolderLock, now: Callable[[], float]) -> None:
        self.journal = journal
        self.recovery = Recovery(journal, lock, self._reserved_keys)
        self.reconciler = Reconciler(journal, self.recovery, now)
        self.recovery.when_unknown = self.reconciler.wake
        self.attempts: dict[str, Attempt] = {}
        """Those that have not ended, by key."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.stopping = False

    async def charge(self, request: ChargeRequest, access: ServiceAccess, caller: Deadline) -> tuple[Entry, bool]:
        """Charge, unless the key has been charged before.

        Returns:
            the entry of a charge that succeeded, and whether an earlier call made it.

        Raises:
            BillingError: in every other case; with `charge_outcome_unknown` the customer may have been charged.
        """
        await self.recovery.prepare()
        attempt = self.attempts.get(request.key)
        if attempt is None:
            entry = await self.journal.examine(request, access.limits)
            sys.audit("viam_billing.charging.examined", request.key)
            if entry is not None and entry.state == "succeeded":
                return entry, True
            attempt = self.attempts.get(request.key)
            if attempt is None and entry is not None:
                return await self._ended(request.key), True
        if attempt is None:
            return await self._outcome(self._begin(request, access), caller), False
        if attempt.request != request:
            raise refusals.conflict(request.key)
        return await self._outcome(attempt, caller), True

    async def check(self, request: ChargeRequest, limits: Limits) -> Entry | None:
        """Check what a charge checks, and send nothing.

        Returns:
            the entry that the charge would be answered with or wait for; None where it would be sent.

        Raises:
            BillingError: as `charge` would.
        """
        await self.recovery.prepare()
        attempt = self.attempts.get(request.key)
        if attempt is not None and attempt.request != request:
            raise refusals.conflict(request.key)
        entry = await self.journal.examine(request, limits)
        if entry is not None and entry.state == "unknown":
            raise refusals.unknown(entry)
        return entry

    async def read_figures(self) -> Figures | None:
        """What `get_status` tells, as it is now; None where there is no journal.

        Where this process charges, what a dead one left is settled first, if that can be done.

        Raises:
            StateUnavailableError: if it cannot be read.
        """
        if self.reconciler.has_services:
            with contextlib.suppress(StateUnavailableError):
                await self.recovery.prepare()
        return await self.journal.read_figures()

    # --- attempts ---

    async def _ended(self, key: str) -> Entry:
        """The outcome of an attempt that ended while the journal was read, or was left by another process."""
        entry = await self.journal.find(key)
        if entry is None:
            raise refusals.no_such_key(key)
        return _succeeded(entry)

    async def _outcome(self, attempt: Attempt, caller: Deadline) -> Entry:
        try:
            return await attempt.outcome(caller)
        finally:
            if not attempt.waiting and not attempt.reserved:
                self._drop(attempt)

    def _begin(self, request: ChargeRequest, access: ServiceAccess) -> Attempt:
        self._check_open(access)
        attempt = self.attempts[request.key] = Attempt(request, access)
        attempt.start(self._run(attempt))
        attempt.task.add_done_callback(lambda _: self._remove(attempt))
        attempt.task.add_done_callback(retrieve_exception)
        return attempt

    def _remove(self, attempt: Attempt) -> None:
        if self.attempts.get(attempt.request.key) is attempt:
            del self.attempts[attempt.request.key]

    def _drop(self, attempt: Attempt) -> None:
        """End an attempt that is not reserved. Its key is free at once, for a caller that comes while it ends."""
        if not attempt.task.done():
            self._remove(attempt)
            attempt.dropped = True
            attempt.task.cancel()

    async def _run(self, attempt: Attempt) -> Entry:
        request, access = attempt.request, attempt.access
        turn = self._turns.setdefault(request.org_id, asyncio.Lock())
        async with turn:
            await self.recovery.prepare()  # the charge before may have ended without its outcome on the disk
            await self.journal.examine(request, access.limits)  # or unknown, which blocks this one
            invoices = await self._read_invoices(request, access)
            self._check_open(access)
            if attempt.dropped:  # before Python 3.12, `wait_for` swallows some cancellations
                raise service_closed()
            attempt.reserved = True
            entry, own = await self._reserve(request, access.limits, invoices)
            return await self._send(entry, request, access) if own else _succeeded(entry)

    def _check_open(self, access: ServiceAccess) -> None:
        if self.stopping or access.closed:
            raise service_closed()

    async def _read_invoices(self, request: ChargeRequest, access: ServiceAccess) -> list[SeenInvoice] | None:
        """The invoices before sending, by which the charge's own is told later; None where the key may not read."""
        sys.audit("viam_billing.charging.invoices_asked", request.key)
        try:
            invoices = await access.invoices_if_permitted(request.org_id)
        except BillingError as error:
            raise refusals.certain(error, Outcome.NEVER_SENT) from None
        sys.audit("viam_billing.charging.invoices_read", request.key)
        figures = self.journal.figures
        if invoices is not None and figures is not None and figures.watched:
            await self.reconciler.settle(request.org_id, invoices)
        return invoices

    async def _reserve(
        self, request: ChargeRequest, limits: Limits, invoices: list[SeenInvoice] | None
    ) -> tuple[Entry, bool]:
        known = None if invoices is None else [invoice.id for invoice in invoices]
        try:
            reserved = await self.journal.reserve(request, limits, known)
        except StateUnavailableError as error:
            self.recovery.release_later(request.key, error)
            raise
        sys.audit("viam_billing.charging.reserved", request.key)
        return reserved

    async def _send(self, entry: Entry, request: ChargeRequest, access: ServiceAccess) -> Entry:
        latest = entry

        async def mark_sent() -> None:
            nonlocal latest
            latest = await self.journal.mark_sent(entry)
            sys.audit("viam_billing.charging.sent", request.key)

        try:
            invoice_id = await access.send(request, mark_sent)
        except BillingError as error:
            raise await self._after_error(latest, error, access) from None
        except Exception as error:  # noqa: BLE001 - a defect must not leave a charge without an outcome
            what = type(error).__name__
            LOGGER.error("defect while charging with the key %s: %s", quoted(request.key), what)  # noqa: TRY400 - Viam's log drops tracebacks
            defect = InternalError("the module has a defect in charging.", Outcome.UNKNOWN)
            raise await self._after_error(latest, defect, access) from None
        succeeded = latest.succeeded(invoice_id)
        await self.recovery.settle(succeeded)
        return succeeded

    async def _after_error(self, entry: Entry, error: BillingError, access: ServiceAccess) -> BillingError:
        """Write what an error tells of a charge. Returns the error for the caller."""
        outcome = error.outcome
        if entry.state == "reserved":
            outcome = Outcome.NEVER_SENT  # the mark is not on the disk, so nothing has left
        if outcome is Outcome.LOOK and await access.shows_no_new_invoice(entry):
            outcome = Outcome.REFUSED
        if outcome in (Outcome.NEVER_SENT, Outcome.REFUSED):
            await self.recovery.settle(entry.failed(error))
            return refusals.certain(error, outcome)
        unknown = entry.unknown(error)
        await self.recovery.settle(unknown)
        return refusals.unknown(unknown)

    # --- the end of a service or of the process ---

    def _reserved_keys(self) -> list[str]:
        return [attempt.request.key for attempt in self.under_way()]

    def under_way(self, access: ServiceAccess | None = None) -> list[Attempt]:
        """The attempts, of one service or all, that go on to their outcome whoever leaves."""
        return [each for each in self.attempts.values() if each.reserved and access in (None, each.access)]

    def drop_waiting(self, access: ServiceAccess | None = None) -> None:
        """End the attempts, of one service or all, that are not reserved; their callers get an error."""
        for attempt in list(self.attempts.values()):
            if not attempt.reserved and access in (None, attempt.access):
                self._drop(attempt)


def _succeeded(entry: Entry) -> Entry:
    """The entry of another attempt with the key. Raises: BillingError: if it did not succeed."""
    if entry.state != "succeeded":
        raise refusals.of_entry(entry)
    return entry
