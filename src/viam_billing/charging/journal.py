"""The charge journal of one folder and cloud: each method is one transaction, on the disk when it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec import structs

from viam_billing.charging import refusals
from viam_billing.charging.charge import UNSETTLED, ChargeRequest, Entry, State
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal_rows import Figures, Rows, identity_of
from viam_billing.charging.refusals import Limits
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, quoted
from viam_billing.storage.database import Connection, Database

T = TypeVar("T")


class Journal:
    """The journal of one `app_address`, in a file with the others. `now` is the wall clock in Unix seconds.

    Every method raises `StateUnavailableError` if the folder cannot be used, or the journal that was charged with is
    gone from it. Those that only read create no file. Fault points announce a transaction by its method's name.
    """

    def __init__(self, store: Database, app_address: str, now: Callable[[], float], identity: Identity) -> None:
        self._store = store
        self._app = app_address
        self._now = now
        self.identity = identity
        self._figures: Figures | None = None

    @property
    def figures(self) -> Figures | None:
        """As of the latest transaction; None before the first one, and while the journal is gone."""
        return None if self.identity.lost else self._figures

    async def is_there(self) -> bool:
        """Whether there is a file, or may be."""
        return await self._store.exists(self._guard)

    def begin(self, work: Callable[[Connection], T], *, sync: bool = True, name: str = "") -> asyncio.Future[T]:
        """Run `work` in a transaction of the file, see `Database.begin`; refused while the journal is gone."""
        return self._store.begin(work, sync=sync, name=name, guard=self._guard)

    def _guard(self, db: Connection | None) -> None:
        self.identity.check(*(() if db is None else identity_of(db)))

    async def find(self, key: str) -> Entry | None:
        """The entry of a key."""
        return await self._read("find", lambda rows: rows.find(key), None)

    async def entries(self, states: Sequence[str], sees: Callable[[str], bool], limit: int) -> list[Entry]:
        """The newest entries in one of the states, of organizations for which `sees` is true."""
        found: list[Entry] = await self._read("entries", lambda rows: rows.in_states(states), [])
        return [entry for entry in found if sees(entry.org_id)][:limit]

    async def to_reconcile(self) -> tuple[list[Entry], set[str]]:
        """Unknown charges, and their organizations with those where the invoice of an ended attempt may turn up."""

        def step(rows: Rows) -> tuple[list[Entry], set[str]]:
            unknown = rows.in_states(("unknown",))
            return unknown, {entry.org_id for entry in unknown} | {watched.org_id for watched in rows.watched()}

        return await self._read("to_reconcile", step, ([], set()))

    async def read_figures(self) -> Figures | None:
        """What `get_status` tells; None where there is no journal."""
        await self._read("read_figures", lambda _: None, None)
        return self.figures

    async def examine(self, request: ChargeRequest, limits: Limits) -> Entry | None:
        """Check a charge in the contract's order: journal, limits, block.

        Returns the key's entry unless it failed, None if a new attempt may be made. Raises: BillingError:
        `idempotency_conflict`, `charge_outcome_unknown`, `charge_limit_exceeded` or `charge_blocked`.
        """
        return await self.run("examine", lambda rows: _check(rows, request, limits, ("unknown",)))

    async def reserve(
        self, request: ChargeRequest, limits: Limits, known_invoices: Iterable[str] | None
    ) -> tuple[Entry, bool]:
        """Check all once more and reserve the amount. Returns the entry, and whether no other attempt has made it."""

        def step(rows: Rows) -> tuple[Entry, bool]:
            used = _check(rows, request, limits, UNSETTLED)
            if used is not None:
                return used, False
            before = rows.find(request.key)
            entry = Entry(
                **structs.asdict(request),
                state="reserved",
                created_at=rows.now_s if before is None else before.created_at,
                journal_time=rows.sending_times()[0],
                attempts=1 if before is None else before.attempts + 1,
                reconcilable=known_invoices is not None,
                note=None if before is None else before.note,
                known_invoices=None if known_invoices is None else tuple(known_invoices),
            )
            rows.put(entry)
            return entry, True

        return await self.run("reserve", step)

    async def mark_sent(self, entry: Entry) -> Entry:
        """Put on the disk that the charge may leave from now on; refused if its reservation is gone."""

        def step(rows: Rows) -> Entry:
            found = rows.find(entry.key)
            if found is None or found.state != "reserved" or found.attempts != entry.attempts:
                raise errors.StateUnavailableError(
                    "the journal was changed by somebody else while the charge was being made. "
                    "Let one process charge from this folder."
                )
            times = rows.sending_times()
            sent = found.becoming("sent", sent_at=rows.now_s, times=times, journal_time=times[0])
            rows.put(sent)
            return sent

        return await self.run("mark_sent", step)

    async def settle(self, entry: Entry) -> bool:
        """Write the outcome of a charge that this process made.

        Returns false where a later attempt with the key is there, because this one was taken for ended: that one stays,
        and the invoice of this one becomes its `late_invoice`.
        """

        def step(rows: Rows) -> bool:
            other = rows.find(entry.key)
            if other is None or (other.attempts == entry.attempts and other.state != "succeeded"):
                rows.put(entry)
                return True
            if entry.invoice_id in (None, other.invoice_id):
                return True
            rows.put(structs.replace(other, late_invoice=other.late_invoice or entry.invoice_id))
            return False

        return await self.run("settle", step)

    async def release(self, key: str, error: BillingError) -> None:
        """End a reservation that may or may not have been written."""

        def step(rows: Rows) -> None:
            entry = rows.find(key)
            if entry is not None and entry.state == "reserved":
                rows.put(entry.failed(error))

        await self.run("release", step)

    async def recover(self, under_way: Iterable[str]) -> list[Entry]:
        """Settle what a dead process left, but not the keys `under_way` in this one. Returns what became unknown."""
        own = set(under_way)

        def step(rows: Rows) -> list[Entry]:
            left = rows.in_states(("reserved", "sent"))
            ended = [entry.left_behind() for entry in left if entry.key not in own]
            for entry in ended:
                rows.put(entry)
            return [entry for entry in ended if entry.state == "unknown"]

        return await self.run("recover", step)

    async def _read(self, name: str, step: Callable[[Rows], T], nothing: T) -> T:
        """Run a step where there is a file; else return `nothing`."""
        return await self.run(name, step) if await self.is_there() else nothing

    async def run(self, name: str, step: Callable[[Rows], T]) -> T:
        """Run a step in a transaction of this journal. A step that raises a `BillingError` has written nothing.

        What lies in the future is dated to now first, and stays so although the step refuses.
        """

        def work(db: Connection) -> tuple[T | BillingError, Figures]:
            rows = Rows(db, self._app, self._now())
            rows.redate()
            try:
                result: T | BillingError = step(rows)
            except BillingError as refusal:
                result = refusal
            figures = rows.figures()
            if figures.entries:
                self.identity.write_mark(figures.journal_id)
            return result, figures

        result, figures = await asyncio.shield(self.begin(work, name=name))
        self._figures = figures
        self.identity.note(figures.journal_id, figures.entries)
        if isinstance(result, BillingError):
            raise result
        return result


def _check(rows: Rows, request: ChargeRequest, limits: Limits, blocking: Sequence[State]) -> Entry | None:
    """See `Journal.examine`. `blocking` are the states in which another charge of the organization blocks this one."""
    entry = rows.find(request.key)
    if entry is not None:
        if (request.command, request.parameters) != (entry.command, entry.parameters):
            raise refusals.conflict(request.key)
        if entry.state != "failed":
            return entry
        if entry.late_invoice is not None:
            raise errors.ChargeOutcomeUnknownError(
                f"the charge {quoted(entry.key)} was resolved as failed, but the invoice {quoted(entry.late_invoice)} "
                "fits it. It is not sent again: look at that invoice in the Viam app, and take a new "
                "idempotency key if there is still to charge."
            )
    limits.check_total(request.total, rows.charged())
    for unsettled in rows.in_states(blocking, request.org_id):
        raise errors.ChargeBlockedError(
            f"the charge {quoted(unsettled.key)} of the organization {quoted(unsettled.org_id)} is not settled. "
            "Nothing was sent. Settle it with reconcile_charges, or have a person look and call resolve_charge."
        )
    return None
