"""Charges over one journal: one attempt for each key, one turn for each organization, every outcome on the disk.

charge --> lock, recovery, outcomes that could not be written --> key, limits, block --> an attempt:
its organization's turn --> read the invoices --> reserve --> mark as sent --> send --> note the outcome
`--- ends when its last caller leaves ---'  `--- ends with an outcome, whoever leaves ----------------'
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.charging import reconciliation, refusals
from viam_billing.charging.attempt import Attempt
from viam_billing.charging.outcomes import Outcomes
from viam_billing.charging.recovery import Recovery
from viam_billing.charging.turns import Turns
from viam_billing.core.errors import BillingError, InternalError, Outcome, StateUnavailableError, quoted, service_closed
from viam_billing.core.tasks import retrieve_exception

if TYPE_CHECKING:
    from viam_billing.charging.charge import ChargeRequest, Entry, Limits
    from viam_billing.charging.desk import Desk
    from viam_billing.charging.journal import Journal
    from viam_billing.charging.lock import FolderLock
    from viam_billing.cloud.decoding import SeenInvoice
    from viam_billing.core.times import Deadline

LOGGER: Final = logging.getLogger(__name__)


class Charger:
    """All charges of one folder and cloud in this process."""

    def __init__(self, journal: Journal, lock: FolderLock) -> None:
        self.journal = journal
        self.outcomes = Outcomes(journal)
        self._turns = Turns()
        self._attempts: dict[str, Attempt] = {}
        self.prepare = Recovery(journal, self.outcomes, lock, self._reserved_keys).prepare
        self.stopping = False

    # --- a charge ---

    async def charge(self, request: ChargeRequest, desk: Desk, caller: Deadline) -> tuple[Entry, bool]:
        """Charge, unless the key has been charged before.

        Returns:
            the entry of a charge that succeeded, and whether that was an earlier call's doing.

        Raises:
            BillingError: in every other case; with `charge_outcome_unknown` the customer may have been charged.
        """
        await self.prepare()
        attempt = self._attempts.get(request.key)
        if attempt is None:
            known = await self.journal.examine(request, desk.limits)
            if known is not None and known.state == "succeeded":
                return known, True
            attempt = self._attempts.get(request.key)
            if attempt is None and known is not None:
                # It ended while the journal was read, or it was left behind.
                return await self._ended(request)
        if attempt is not None:
            return await self._joined(attempt, request, caller)
        return await self._waited_for(self._begin(request, desk), caller), False

    async def check(self, request: ChargeRequest, limits: Limits) -> Entry | None:
        """What a dry run checks. Returns the entry that would be answered, None where the charge would be sent."""
        await self.prepare()
        attempt = self._attempts.get(request.key)
        if attempt is not None and attempt.request != request:
            raise refusals.conflict(request.key)
        known = await self.journal.examine(request, limits)
        if known is not None and known.state == "unknown":
            raise refusals.unknown(known)
        return known

    async def _ended(self, request: ChargeRequest) -> tuple[Entry, bool]:
        entry = await self.journal.find(request.key)
        if entry is None:
            raise reconciliation.no_such_key(request.key)
        return _good(entry), True

    async def _joined(self, attempt: Attempt, request: ChargeRequest, caller: Deadline) -> tuple[Entry, bool]:
        if attempt.request != request:
            raise refusals.conflict(request.key)
        return await self._waited_for(attempt, caller), True

    async def _waited_for(self, attempt: Attempt, caller: Deadline) -> Entry:
        try:
            return await attempt.outcome(caller)
        finally:
            if not attempt.waiting and not attempt.reserved:
                self._drop(attempt)

    def _begin(self, request: ChargeRequest, desk: Desk) -> Attempt:
        self._check_open(desk)
        attempt = Attempt(request, desk)
        attempt.task = asyncio.create_task(self._run(attempt), name=f"viam-billing charge {request.key}")
        attempt.task.add_done_callback(lambda _: self._forget(attempt))
        self._attempts[request.key] = attempt
        return attempt

    def _forget(self, attempt: Attempt) -> None:
        self._take_out(attempt)
        if attempt.task is not None:
            retrieve_exception(attempt.task)

    def _drop(self, attempt: Attempt) -> None:
        """Its key is free at once: who comes next must not wait for what is being cancelled."""
        if attempt.task is not None and not attempt.task.done():
            self._take_out(attempt)
            attempt.dropped = True
            attempt.task.cancel()

    def _take_out(self, attempt: Attempt) -> None:
        if self._attempts.get(attempt.request.key) is attempt:
            del self._attempts[attempt.request.key]

    async def _run(self, attempt: Attempt) -> Entry:
        request, desk = attempt.request, attempt.desk
        async with self._turns.of(request.org_id) as waited:
            if waited:
                await self.prepare()  # the charge before may have ended without its outcome on the disk
                await self.journal.check_not_blocked(request.org_id)
            invoices = await self._invoices_before(request, desk)
            self._check_open(desk)
            if attempt.dropped:  # a cancellation can get lost on the way: before Python 3.12, `wait_for` swallows some
                raise service_closed()
            attempt.reserved = True
            entry, own = await self._reserve(request, desk.limits, invoices)
            return await self._send(entry, request, desk) if own else _good(entry)

    def _check_open(self, desk: Desk) -> None:
        if self.stopping or desk.closed:
            raise service_closed()

    async def _invoices_before(self, request: ChargeRequest, desk: Desk) -> list[SeenInvoice] | None:
        try:
            invoices = await desk.invoices_if_permitted(request.org_id)
        except BillingError as error:
            await self.journal.note_failure(request, error)
            raise refusals.with_hint(error, Outcome.NEVER_SENT) from None
        figures = self.journal.figures
        if invoices is not None and figures is not None and figures.watched:
            await self.outcomes.look(request.org_id, invoices)
        return invoices

    async def _reserve(
        self, request: ChargeRequest, limits: Limits, invoices: list[SeenInvoice] | None
    ) -> tuple[Entry, bool]:
        known = None if invoices is None else [invoice.id for invoice in invoices]
        try:
            return await self.journal.reserve(request, limits, known)
        except StateUnavailableError as error:
            self.outcomes.release_later(request.key, error)
            raise

    async def _send(self, entry: Entry, request: ChargeRequest, desk: Desk) -> Entry:
        latest = entry

        async def mark_sent() -> None:
            nonlocal latest
            latest = await self.journal.mark_sent(entry)

        try:
            invoice_id = await desk.send(request, mark_sent)
        except BillingError as error:
            raise await self.outcomes.after_error(latest, error, desk) from None
        except Exception as error:  # noqa: BLE001 - a defect here must not leave a charge without an outcome
            what = type(error).__name__
            LOGGER.error("defect while charging with the key %s: %s", quoted(request.key), what)  # noqa: TRY400 - its trace is dropped on the way
            meaning = InternalError("the module has a defect in charging.", Outcome.UNKNOWN)
            raise await self.outcomes.after_error(latest, meaning, desk) from None
        succeeded = latest.succeeded(invoice_id)
        await self.outcomes.settle(succeeded)
        return succeeded

    # --- the end ---

    def _reserved_keys(self) -> list[str]:
        return [attempt.request.key for attempt in self.under_way()]

    def under_way(self, desk: Desk | None = None) -> list[Attempt]:
        """Attempts that go on whoever leaves, of one service or all."""
        return [each for each in self._attempts.values() if each.reserved and desk in (None, each.desk)]

    def drop_waiting(self, desk: Desk | None = None) -> None:
        """End the attempts, of one service or all, that are not reserved; their callers are told."""
        for attempt in list(self._attempts.values()):
            if not attempt.reserved and desk in (None, attempt.desk):
                self._drop(attempt)


def _good(entry: Entry) -> Entry:
    """The entry that another attempt with the key left, if it succeeded.

    Raises:
        BillingError: what the entry tells otherwise.
    """
    if entry.state != "succeeded":
        raise refusals.ended_badly(entry)
    return entry
