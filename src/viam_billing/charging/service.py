"""Charges with one journal: one attempt for each key, one charge at a time for each organization.

charge --> lock, recovery, unwritten outcomes --> key, limits, block --> an attempt:
the organization's turn --> read the invoices --> reserve --> mark as sent --> send --> write the outcome
`--- ends when its last caller leaves -----'  `--- goes on to its outcome, whoever leaves -------------'
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

from viam import logging

from viam_billing.charging import refusals
from viam_billing.charging.access import Attempt, ServiceAccess
from viam_billing.charging.charge import ChargeRequest, Entry
from viam_billing.charging.journal import Journal
from viam_billing.charging.journal_rows import Figures
from viam_billing.charging.reconciliation import Reconciler
from viam_billing.charging.recovery import FolderLock, Recovery
from viam_billing.charging.refusals import Limits
from viam_billing.core.errors import BillingError, InternalError, Outcome, StateUnavailableError, quoted, service_closed
from viam_billing.core.tasks import nothing, retrieve_exception
from viam_billing.core.times import Deadline

LOGGER: Final = logging.getLogger(__name__)


class ChargeService:
    """All charges of one folder and cloud in this process. `now` is the wall clock in Unix seconds."""

    def __init__(self, journal: Journal, lock: FolderLock, now: Callable[[], float]) -> None:
        self.journal = journal
        self.recovery = Recovery(journal, lock, lambda: [attempt.request.key for attempt in self.under_way()])
        self.reconciler = Reconciler(journal, self.recovery, now)
        self.recovery.when_unknown.append(self.reconciler.wake)
        self.attempts: dict[str, Attempt] = {}  # those that have not ended, by key
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._turns_ended = 0
        self.stopping = False

    async def charge(
        self,
        request: ChargeRequest,
        access: ServiceAccess,
        caller: Deadline,
        go_on: Callable[[], None] = lambda: None,
        begin: Callable[[], Awaitable[None]] = nothing,
    ) -> tuple[Entry, bool]:
        """Charge, unless the key has been charged before.

        Returns the entry of a charge that succeeded, and whether an earlier call made it; calls `go_on` before it joins
        an attempt. The `begin` of one of the attempt's callers is awaited before the reservation. Raises: BillingError:
        in every other case; `charge_outcome_unknown`: it may have been charged.
        """
        turns_ended = self._turns_ended
        await self.recovery.prepare()
        attempt = self.attempts.get(request.key)
        if attempt is None:
            entry = await self.journal.examine(request, access.limits)
            sys.audit("viam_billing.charging.examined", request.key)
            if entry is not None and entry.state == "succeeded":
                return entry, True
            attempt = self.attempts.get(request.key)
            if attempt is None and entry is not None:  # it ended while the journal was read, or is another process's
                return refusals.succeeded(await self.journal.find(request.key) or entry), True
        go_on()
        joined = attempt is not None
        if attempt is None:
            attempt = self._begin(request, access, turns_ended)
        elif attempt.request != request:
            raise refusals.conflict(request.key)
        try:
            return await attempt.outcome(caller, begin), joined
        finally:
            if not attempt.callers and not attempt.reserved:
                self._drop(attempt)

    async def check(self, request: ChargeRequest, limits: Limits) -> Entry | None:
        """Check what a charge checks. Returns the entry that it would be answered from; None where it would be sent."""
        await self.recovery.prepare()
        attempt = self.attempts.get(request.key)
        if attempt is not None and attempt.request != request:
            raise refusals.conflict(request.key)
        entry = await self.journal.examine(request, limits)
        if entry is not None and entry.state == "unknown":
            raise refusals.unknown(entry)
        return entry

    async def read_figures(self) -> Figures | None:
        """What `get_status` tells, as it is now; None where there is no journal."""
        if self.reconciler.services:  # this process charges: what a dead one left is settled first, if that can be done
            with contextlib.suppress(StateUnavailableError):
                await self.recovery.prepare()
        return await self.journal.read_figures()

    def _begin(self, request: ChargeRequest, access: ServiceAccess, turns_ended: int) -> Attempt:
        attempt = Attempt(request, access)
        self._check_open(attempt)
        self.attempts[request.key] = attempt
        attempt.task = asyncio.create_task(self._run(attempt, turns_ended), name=f"viam-billing charge {request.key}")
        attempt.task.add_done_callback(lambda _: self._remove(attempt))
        attempt.task.add_done_callback(retrieve_exception)
        return attempt

    def _check_open(self, attempt: Attempt) -> None:
        # `dropped`: what an attempt waits for may swallow its cancellation
        if self.stopping or attempt.access.closed or attempt.dropped:
            raise service_closed()

    def _remove(self, attempt: Attempt) -> None:
        if self.attempts.get(attempt.request.key) is attempt:
            del self.attempts[attempt.request.key]

    def _drop(self, attempt: Attempt) -> None:
        """End an attempt that is not reserved. Its key is free at once, for a caller that comes while it ends."""
        if not attempt.task.done():
            self._remove(attempt)
            attempt.dropped = True
            attempt.task.cancel()

    async def _run(self, attempt: Attempt, turns_ended: int) -> Entry:
        """Wait for the organization's turn. So many turns had ended before key, limits and block were checked."""
        turn = self._turns.setdefault(attempt.request.org_id, asyncio.Lock())
        async with turn:
            try:
                return await self._in_turn(attempt, checked=turns_ended == self._turns_ended)
            finally:
                self._turns_ended += 1

    async def _in_turn(self, attempt: Attempt, *, checked: bool) -> Entry:
        request, access = attempt.request, attempt.access
        if not checked:
            await self.recovery.prepare()  # the charge before may have ended without its outcome on the disk
            await self.journal.examine(request, access.limits)  # or unknown, which blocks this one
        sys.audit("viam_billing.charging.invoices_asked", request.key)
        try:
            invoices = await access.invoices_if_permitted(request.org_id)
        except BillingError as error:
            raise refusals.certain(error, Outcome.NEVER_SENT) from None
        sys.audit("viam_billing.charging.invoices_read", request.key)
        if invoices is not None and self.journal.figures is not None and self.journal.figures.watched:
            await self.reconciler.settle(request.org_id, invoices)
        # by those before the sending, the charge's own invoice is told later
        known = None if invoices is None else [invoice.id for invoice in invoices]
        self._check_open(attempt)
        attempt.reserved = True
        await attempt.callers[0]()
        try:
            entry, own = await self.journal.reserve(request, access.limits, known)
        except StateUnavailableError as error:
            self.recovery.release_later(request.key, error)
            raise
        sys.audit("viam_billing.charging.reserved", request.key)
        return await self._send(entry, access) if own else refusals.succeeded(entry)

    async def _send(self, entry: Entry, access: ServiceAccess) -> Entry:
        latest = entry

        async def mark_sent() -> None:
            nonlocal latest
            latest = await self.journal.mark_sent(entry)
            sys.audit("viam_billing.charging.sent", entry.key)

        try:
            invoice_id = await access.send(entry, mark_sent)
        except BillingError as error:
            raise await self._after_error(latest, error, access) from None
        except Exception as error:  # noqa: BLE001 - a defect must not leave a charge without an outcome
            what = type(error).__name__
            LOGGER.error("defect while charging with the idempotency key %s: %s", quoted(entry.key), what)  # noqa: TRY400 - Viam's log drops tracebacks
            defect = InternalError("the module has a defect in charging.", Outcome.UNKNOWN)
            raise await self._after_error(latest, defect, access) from None
        succeeded = latest.succeeded(invoice_id)
        await self.recovery.settle(succeeded)
        return succeeded

    async def _after_error(self, entry: Entry, error: BillingError, access: ServiceAccess) -> BillingError:
        """Write what an error tells of a charge. Returns the error for the caller."""
        # reserved: the mark is not on the disk, so nothing has left
        outcome = Outcome.NEVER_SENT if entry.state == "reserved" else error.outcome
        if outcome is Outcome.LOOK and await access.shows_no_new_invoice(entry):
            outcome = Outcome.REFUSED
        if outcome in (Outcome.NEVER_SENT, Outcome.REFUSED):
            await self.recovery.settle(entry.failed(error))
            return refusals.certain(error, outcome)
        unknown = entry.unknown(error)
        await self.recovery.settle(unknown)
        return refusals.unknown(unknown)

    def under_way(self, access: ServiceAccess | None = None) -> list[Attempt]:
        """The attempts, of one service or all, that go on to their outcome whoever leaves."""
        return [each for each in self.attempts.values() if each.reserved and access in (None, each.access)]

    def drop_waiting(self, access: ServiceAccess | None = None) -> None:
        """End the attempts, of one service or all, that are not reserved; their callers get an error."""
        for attempt in list(self.attempts.values()):
            if not attempt.reserved and access in (None, attempt.access):
                self._drop(attempt)
