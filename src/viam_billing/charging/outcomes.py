"""What became of a charge: what an error says of it, how it gets on the disk, what the invoices tell later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.charging import journal_rows, reconciliation, refusals
from viam_billing.core.errors import BillingError, Outcome, StateUnavailableError, quoted

if TYPE_CHECKING:
    import sqlite3

    from viam_billing.charging.charge import Entry, Watched
    from viam_billing.charging.desk import Desk
    from viam_billing.charging.journal import Journal
    from viam_billing.cloud.decoding import SeenInvoice

LOGGER: Final = logging.getLogger(__name__)


class Outcomes:
    """The outcomes of one journal's charges."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._unwritten: dict[str, Callable[[], Awaitable[None]]] = {}
        self.when_unknown: Callable[[], None] = lambda: None
        """Called when a charge became unknown, or its outcome could not be written."""

    async def after_error(self, entry: Entry, error: BillingError, desk: Desk) -> BillingError:
        """Note what an error says about a charge. Returns the caller's error."""
        outcome = error.outcome
        if entry.state == "reserved":
            outcome = Outcome.NEVER_SENT  # the mark is not on the disk, so nothing left
        if outcome is Outcome.LOOK and await self._left_nothing_behind(entry, desk):
            outcome = Outcome.REFUSED
        if outcome in (Outcome.NEVER_SENT, Outcome.REFUSED):
            await self.settle(entry.failed(error))
            return refusals.with_hint(error, outcome)
        unknown = entry.unknown(error)
        await self.settle(unknown)
        self.announce([unknown])
        return refusals.unknown(unknown)

    async def _left_nothing_behind(self, entry: Entry, desk: Desk) -> bool:
        if entry.known_invoices is None:
            return False
        try:
            invoices = await desk.invoices(entry.org_id)
        except Exception:  # noqa: BLE001 - whatever it is, there is no list that speaks for a failure
            return False
        return not {invoice.id for invoice in invoices} - set(entry.known_invoices)

    async def settle(self, entry: Entry) -> None:
        """Write an outcome. Where that fails, the caller still gets it, and nothing is charged until it is written."""
        try:
            await self._write(entry)
        except StateUnavailableError as error:
            LOGGER.error(  # noqa: TRY400 - a traceback says no more
                "the outcome %s of the charge %s cannot be written, so nothing is charged until it can: %s",
                entry.state,
                quoted(entry.key),
                error.text,
            )
            self._unwritten[entry.key] = partial(self._write, entry)
            self.when_unknown()

    async def _write(self, entry: Entry) -> None:
        if not await self._journal.settle(entry) and entry.state == "succeeded":
            LOGGER.error(
                "the charge %s was taken for ended and sent again, and both attempts have charged the organization %s: "
                "the other invoice is %s. Look at it in the Viam app",
                quoted(entry.key),
                quoted(entry.org_id),
                quoted(entry.invoice_id),
            )

    def announce(self, unknown: Iterable[Entry]) -> None:
        """Charges became unknown: each is an error in the log, with what to do next, and is looked for."""
        for entry in unknown:
            LOGGER.error("charge_outcome_unknown: %s", refusals.unknown(entry).text)
            self.when_unknown()

    def release_later(self, key: str, error: BillingError) -> None:
        """A reservation that could not be written may be on the disk all the same; nothing was sent, so it failed."""
        self._unwritten[key] = partial(self._journal.release, key, error)

    async def write_left_over(self) -> None:
        """Write what could not be written before.

        Raises:
            StateUnavailableError: if it still cannot.
        """
        for key, write in list(self._unwritten.items()):
            await write()
            if self._unwritten.get(key) is write:  # and not what could not be written meanwhile
                del self._unwritten[key]

    async def look(self, org_id: str, invoices: list[SeenInvoice]) -> reconciliation.Found:
        """Settle what an organization's invoices tell about its charges, and log it."""
        found = await self._journal.transact(partial(reconciliation.look, org_id=org_id, invoices=invoices))
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

    async def to_look_for(self) -> tuple[list[Entry], list[Watched]]:
        """Unknown charges, and attempts called failed whose invoice may still turn up."""

        def step(db: sqlite3.Connection, app_address: str, now_s: float) -> tuple[list[Entry], list[Watched]]:
            return list(journal_rows.in_states(db, app_address, ("unknown",))), journal_rows.watched(
                db, app_address, now_s
            )

        return await self._journal.transact(step)
