"""The charge journal of one folder and cloud: what is decided in one transaction, and on disk when it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from viam_billing.charging import journal_rows, reconciliation
from viam_billing.charging.charge import BLOCKING, UNSETTLED, ChargeRequest, Entry, Limits
from viam_billing.charging.refusals import (
    after_crash,
    another_journal,
    check_limits,
    check_not_blocked,
    check_same,
    late,
)
from viam_billing.core.errors import BillingError, StateUnavailableError

if TYPE_CHECKING:
    import sqlite3

    from viam_billing.charging.journal_rows import Figures
    from viam_billing.core.money import Cents
    from viam_billing.storage.database import Database

T = TypeVar("T")


class Journal:
    """The entries of one `app_address`. `now` is the wall clock in Unix seconds.

    Every method is one transaction and raises `StateUnavailableError` if the folder cannot be used.
    """

    def __init__(self, store: Database, app_address: str, now: Callable[[], float]) -> None:
        self._store = store
        self._app = app_address
        self._now = now
        self._id = ""
        self._entries = 0
        """Which journal it is and how many entries it has had, as this process has seen it."""
        self.figures: Figures | None = None
        """What `get_status` tells, as of the last change of an amount; None before the first look at the file."""

    async def find(self, key: str) -> Entry | None:
        """The entry of a key."""
        return await self._store.run(lambda db: journal_rows.find(db, self._app, key))

    async def entries(self, states: Sequence[str], sees: Callable[[str], bool], limit: int) -> list[Entry]:
        """The newest entries in one of the states, of organizations that `sees` takes."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            seen = (entry for entry in journal_rows.in_states(db, self._app, states) if sees(entry.org_id))
            return list(islice(seen, limit))

        return await self._store.run(work)

    async def examine(self, request: ChargeRequest, limits: Limits) -> Entry | None:
        """What stands in the way of a charge, in the contract's order: journal, limits, block.

        Returns:
            the key's entry if it succeeded or is under way; None if a new attempt may be made.

        Raises:
            BillingError: `idempotency_conflict`, `charge_outcome_unknown`, `charge_limit_exceeded` or `charge_blocked`.
        """

        def work(db: sqlite3.Connection) -> Entry | None:
            known = journal_rows.find(db, self._app, request.key)
            if known is not None:
                check_same(request, known)
                if known.state != "failed":
                    return known
                if known.late_invoice is not None:
                    raise late(known)
            self._check_limits(db, request.total, limits)
            check_not_blocked(journal_rows.of_org(db, self._app, request.org_id, BLOCKING))
            return None

        return await self._deciding(work, writes=False)

    async def check_not_blocked(self, org_id: str) -> None:
        """Raises: ChargeBlockedError: if it is not known what became of a charge of the organization."""
        await self._store.run(lambda db: check_not_blocked(journal_rows.of_org(db, self._app, org_id, BLOCKING)))

    async def reserve(
        self, request: ChargeRequest, limits: Limits, known_invoices: Iterable[str] | None
    ) -> tuple[Entry, bool]:
        """Check everything once more and reserve the amount, in one transaction.

        Returns:
            the entry, and whether it is this attempt's: false if the key has been used meanwhile.

        Raises:
            the same as `examine`.
        """

        def work(db: sqlite3.Connection) -> tuple[Entry, bool]:
            before = journal_rows.find(db, self._app, request.key)
            if before is not None:
                check_same(request, before)
                if before.late_invoice is not None:
                    raise late(before)
                if before.state != "failed":
                    return before, False
            self._check_limits(db, request.total, limits)
            check_not_blocked(journal_rows.of_org(db, self._app, request.org_id, UNSETTLED))
            entry = self._attempt(db, request, before, known_invoices)
            journal_rows.put(db, self._app, entry)
            return entry, True

        return await self._deciding(work, writes=True)

    async def note_failure(self, request: ChargeRequest, error: BillingError) -> None:
        """An attempt that ended before it was reserved, because the invoices could not be read."""

        def work(db: sqlite3.Connection) -> None:
            before = journal_rows.find(db, self._app, request.key)
            if before is None or (before.state == "failed" and before.late_invoice is None):
                journal_rows.put(db, self._app, self._attempt(db, request, before, None).failed(error))

        await self._with_figures(work)

    async def mark_sent(self, entry: Entry) -> Entry:
        """Put on disk that the charge may leave from now on.

        Raises:
            StateUnavailableError: also if the reservation is no longer there: another process took the folder up.
        """

        def work(db: sqlite3.Connection) -> Entry:
            now_s = self._now()
            times = journal_rows.sending_times(db, self._app, now_s)
            sent = entry.becoming("sent", sent_at=now_s, times=times, journal_time=times[0])
            if not journal_rows.mark_sent(db, self._app, sent):
                raise StateUnavailableError(
                    "the journal was changed by somebody else while the charge was being made. "
                    "Let one process charge from this folder."
                )
            return sent

        return await self._store.run(work)

    async def settle(self, entry: Entry) -> bool:
        """Write what became of a charge that this process has under way, also into a folder that was replaced.

        Returns:
            false where another attempt with the key stands there, as this one was taken for ended: that one stays, and
            an invoice of this one is its `late_invoice`.
        """
        return await self._with_figures(lambda db: reconciliation.write(db, self._app, entry))

    async def release(self, key: str, error: BillingError) -> None:
        """End a reservation of which it is not known whether it was written."""

        def work(db: sqlite3.Connection) -> None:
            entry = journal_rows.find(db, self._app, key)
            if entry is not None and entry.state == "reserved":
                journal_rows.put(db, self._app, entry.failed(error))

        await self._with_figures(work)

    async def recover(self, under_way: Iterable[str]) -> list[Entry]:
        """After a crash: what was reserved was never sent, what was sent is unknown. Returns the latter.

        `under_way` are keys that this process is working on itself.
        """
        own = set(under_way)

        def work(db: sqlite3.Connection) -> list[Entry]:
            self._check_journal(db)
            left = [
                entry for entry in journal_rows.in_states(db, self._app, ("reserved", "sent")) if entry.key not in own
            ]
            ended = [after_crash(entry) for entry in left]
            for entry in ended:
                journal_rows.put(db, self._app, entry)
            return [entry for entry in ended if entry.state == "unknown"]

        return await self._with_figures(work)

    async def refresh(self) -> None:
        """Read the figures that `get_status` tells, if there is a journal."""
        if await self._store.exists():
            await self._with_figures(lambda _: None)

    async def transact(self, step: Callable[[sqlite3.Connection, str, float], T]) -> T:
        """A transaction of `settling` or `rows`: called with the database, the `app_address` and the time."""

        def work(db: sqlite3.Connection) -> T:
            now_s = self._now()
            journal_rows.redate(db, self._app, now_s)
            return step(db, self._app, now_s)

        return await self._with_figures(work)

    def _check_limits(self, db: sqlite3.Connection, total: Cents, limits: Limits) -> None:
        check_limits(total, journal_rows.count(db, self._app, self._now()), limits)

    def _attempt(
        self, db: sqlite3.Connection, request: ChargeRequest, before: Entry | None, known: Iterable[str] | None
    ) -> Entry:
        now_s = self._now()
        return Entry.reserved(request, before, now_s, journal_rows.sending_times(db, self._app, now_s)[0], known)

    async def _deciding(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        """A transaction that may refuse. It writes nothing before it does, but what it dated to now stays dated."""

        def dated(db: sqlite3.Connection) -> T | BillingError:
            self._check_journal(db)
            journal_rows.redate(db, self._app, self._now())
            try:
                return work(db)
            except BillingError as refusal:
                return refusal

        result = await (self._with_figures(dated) if writes else self._store.run(dated))
        if isinstance(result, BillingError):
            raise result
        return result

    def _check_journal(self, db: sqlite3.Connection) -> None:
        """A journal that was put in the place of the one that is in use does not know what was charged since."""
        journal_id, entries = journal_rows.identity(db)
        if self._entries and (journal_id != self._id or entries < self._entries):
            raise another_journal(self._id, journal_id)
        self._id, self._entries = journal_id, entries

    async def _with_figures(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """A transaction after which `get_status` knows what it tells."""

        def both(db: sqlite3.Connection) -> tuple[T, Figures]:
            result = work(db)
            return result, journal_rows.figures(db, self._app, self._now())

        result, figures = await self._store.run(both)
        self.figures = figures
        if not self._entries or figures.journal_id == self._id:
            self._id, self._entries = figures.journal_id, max(self._entries, figures.entries)
        return result
