"""What settles a charge whose answer was lost, an invoice that fits or a person: steps of transactions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field, structs

from viam_billing.charging import journal_rows
from viam_billing.charging.charge import UNSETTLED, Entry, Watched
from viam_billing.core.errors import InvalidRequestError, NotFoundError, quoted
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S

if TYPE_CHECKING:
    import sqlite3

    from viam_billing.cloud.decoding import SeenInvoice

OLDEST_S: Final = DAY_S
"""An invoice that is dated earlier than this before the sending is not its own; clocks differ, by less."""

LATE_S: Final = 2 * DAY_S
"""For so long an attempt that a person called failed is watched."""


class Found(Struct):
    """What a look at an organization's invoices came to."""

    settled: list[Entry] = field(default_factory=list)
    still_unknown: list[Entry] = field(default_factory=list)
    late: list[tuple[Entry, str]] = field(default_factory=list)
    """Attempts that a person called failed, each with an invoice that fits it all the same."""


class Decision(Struct, frozen=True):
    """What a person says became of an attempt that is unknown; `invoices` are those read right before, if any were."""

    key: str
    attempt: int
    outcome: Literal["succeeded", "failed"]
    note: str
    invoice_id: str | None
    invoices: Sequence[SeenInvoice] | None


def fitting(
    total: Cents, sent_at: float | None, known: Collection[str] | None, invoices: Sequence[SeenInvoice]
) -> list[str]:
    """The ids of the invoices that may be a charge's own, whoever else's they may be.

    Not in the list read before the sending, of the same amount in cents, dated no earlier than a day before. Without
    such a list there is nothing to tell new from old by.
    """
    if known is None or sent_at is None:
        return []
    before = set(known)
    return [
        invoice.id
        for invoice in invoices
        if invoice.id not in before
        and invoice.amount == total
        and invoice.date_s is not None
        and invoice.date_s >= sent_at - OLDEST_S
    ]


def write(db: sqlite3.Connection, app_address: str, entry: Entry) -> bool:
    """Write the outcome of an attempt, unless another one with its key stands there; see `Journal.settle`."""
    before = journal_rows.attempt_and_state(db, app_address, entry.key)
    if before is None or (before[0] == entry.attempts and before[1] != "succeeded"):
        journal_rows.put(db, app_address, entry)
        return True
    other = journal_rows.find(db, app_address, entry.key)
    if other is None or entry.invoice_id in (None, other.invoice_id):
        return True
    journal_rows.put(db, app_address, structs.replace(other, late_invoice=other.late_invoice or entry.invoice_id))
    return False


def look(db: sqlite3.Connection, app_address: str, now_s: float, org_id: str, invoices: Sequence[SeenInvoice]) -> Found:
    """Settle what an organization's invoices tell, and note what they do not. It never concludes that one failed."""
    found = Found()
    mine = [entry for entry in journal_rows.in_states(db, app_address, UNSETTLED) if entry.org_id == org_id]
    for entry in mine:
        if entry.state == "unknown":
            _look_for(db, app_address, now_s, entry, invoices, found)
    if all(entry.state == "unknown" for entry in mine):  # else an invoice may be that of the charge under way
        _look_for_late(db, app_address, now_s, org_id, invoices, found)
    return found


def _look_for(
    db: sqlite3.Connection, app: str, now_s: float, entry: Entry, invoices: Sequence[SeenInvoice], found: Found
) -> None:
    fits = _nobody_elses(db, app, entry, invoices)
    if len(fits) == 1:
        checked = structs.replace(entry.succeeded(fits[0]), checked_at=now_s, candidates=())
        found.settled.append(checked)
    else:
        checked = structs.replace(entry, checked_at=now_s, candidates=tuple(fits))
        found.still_unknown.append(checked)
    journal_rows.put(db, app, checked)


def _look_for_late(
    db: sqlite3.Connection, app: str, now_s: float, org_id: str, invoices: Sequence[SeenInvoice], found: Found
) -> None:
    for watched in journal_rows.watched(db, app, now_s, org_id):
        entry = journal_rows.find(db, app, watched.key)
        if entry is None or entry.state == "unknown":
            continue  # which attempt an invoice belongs to, a person has to say
        known = {entry.invoice_id, *watched.found}
        fits = [invoice_id for invoice_id in _nobody_elses(db, app, watched, invoices) if invoice_id not in known]
        if fits:
            late = structs.replace(entry, late_invoice=entry.late_invoice or fits[0])
            journal_rows.put(db, app, late)
            journal_rows.put_watched(db, app, structs.replace(watched, found=(*watched.found, *fits)))
            found.late += [(late, invoice_id) for invoice_id in fits]


def resolve(db: sqlite3.Connection, app_address: str, now_s: float, decision: Decision) -> Entry:
    """Write a person's decision.

    Raises:
        NotFoundError: if the journal has no such key.
        InvalidRequestError: if the charge is not unknown, or an invoice speaks against the decision.
    """
    entry = journal_rows.find(db, app_address, decision.key)
    if entry is None:
        raise no_such_key(decision.key)
    if entry.state != "unknown":
        raise InvalidRequestError(
            f"idempotency_key: found a charge that is {entry.state}, expected one whose state is unknown. "
            "Only such a charge can be resolved."
        )
    if entry.attempts != decision.attempt:
        raise InvalidRequestError(
            "idempotency_key: found a charge that was sent again meanwhile, expected the one that was looked at. "
            "Look at it anew."
        )
    if decision.outcome == "succeeded":
        resolved = _succeeded(db, app_address, entry, decision)
    else:
        resolved = _failed(db, app_address, now_s, entry, decision)
    journal_rows.put(db, app_address, resolved)
    return resolved


def no_such_key(key: str) -> NotFoundError:
    """What a key gets that the journal does not have, or not for this service."""
    return NotFoundError(f"the journal has no charge with the key {quoted(key)}. list_charges shows those it has.")


def _succeeded(db: sqlite3.Connection, app: str, entry: Entry, decision: Decision) -> Entry:
    owner = decision.invoice_id and journal_rows.owner_of(db, app, decision.invoice_id, but_not=entry.key)
    if owner:
        raise InvalidRequestError(
            f"invoice_id: found the invoice of the charge {quoted(owner)}, expected one of no other charge."
        )
    return structs.replace(entry.succeeded(decision.invoice_id), note=decision.note, candidates=())


def _failed(db: sqlite3.Connection, app: str, now_s: float, entry: Entry, decision: Decision) -> Entry:
    fits = _nobody_elses(db, app, entry, decision.invoices or ())
    if fits:
        raise InvalidRequestError(
            f"outcome: found failed, expected succeeded: the invoice {quoted(fits[0])} fits this charge. "
            "If it is its own, resolve it as succeeded with this invoice_id."
        )
    if entry.known_invoices is not None and entry.sent_at is not None:
        watched = Watched(
            key=entry.key,
            attempt=entry.attempts,
            org_id=entry.org_id,
            total=entry.total,
            sent_at=entry.sent_at,
            until_s=journal_rows.newest_time(db, app, now_s) + LATE_S,  # a clock that is behind must not make it short
            known_invoices=entry.known_invoices,
        )
        journal_rows.put_watched(db, app, watched)
    return structs.replace(entry.becoming("failed", known_invoices=None), note=decision.note, candidates=())


def _nobody_elses(
    db: sqlite3.Connection, app: str, charge: Entry | Watched, invoices: Sequence[SeenInvoice]
) -> list[str]:
    """The invoices that fit a charge and belong to no other one."""
    fits = fitting(charge.total, charge.sent_at, charge.known_invoices, invoices)
    return [each for each in fits if journal_rows.owner_of(db, app, each, but_not=charge.key) is None]
