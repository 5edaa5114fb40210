"""What an organization's invoices, or a person, tell of a charge whose outcome is unknown: steps of transactions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field, structs

from viam_billing.charging import refusals
from viam_billing.charging.charge import UNSETTLED, Entry, Watched
from viam_billing.core.errors import InvalidRequestError, quoted
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S

if TYPE_CHECKING:
    from viam_billing.charging.journal_rows import Rows
    from viam_billing.cloud.decoding import SeenInvoice

OLDEST_S: Final = DAY_S
"""An invoice dated earlier than this before the sending is another charge's. The clocks differ by less."""

LATE_S: Final = 2 * DAY_S
"""How long an attempt that a person resolved as failed is watched for its invoice."""


class Found(Struct):
    """What reading the invoices told. `late`: attempts resolved as failed, each with an invoice that fits it."""

    settled: list[Entry] = field(default_factory=list)
    still_unknown: list[Entry] = field(default_factory=list)
    late: list[tuple[Entry, str]] = field(default_factory=list)


class Decision(Struct, frozen=True):
    """What a person says became of an unknown attempt. `invoices` are those read right before, None if unreadable."""

    key: str
    attempt: int
    outcome: Literal["succeeded", "failed"]
    note: str
    invoice_id: str | None
    invoices: Sequence[SeenInvoice] | None


def fitting(
    total: Cents, sent_at: float | None, known: Collection[str] | None, invoices: Sequence[SeenInvoice]
) -> list[str]:
    """The ids of the invoices that may be a charge's own, whichever other charge they may belong to.

    They are not among those `known` before the sending, have the same amount in cents, and are dated no earlier than a
    day before it. Without a list of known ones, new cannot be told from old: none fits.
    """
    if known is None or sent_at is None:
        return []
    before = set(known)
    fits = [
        invoice.id
        for invoice in invoices
        if invoice.id not in before
        and invoice.amount == total
        and invoice.date_s is not None
        and invoice.date_s >= sent_at - OLDEST_S
    ]
    return list(dict.fromkeys(fits))  # one that is listed twice is one


def write_outcome(rows: Rows, entry: Entry) -> bool:
    """Write the outcome of an attempt, unless a later one with its key is there; see `Journal.settle`."""
    other = rows.find(entry.key)
    if other is None or (other.attempts == entry.attempts and other.state != "succeeded"):
        rows.put(entry)
        return True
    if entry.invoice_id in (None, other.invoice_id):
        return True
    rows.put(structs.replace(other, late_invoice=other.late_invoice or entry.invoice_id))
    return False


def settle(rows: Rows, org_id: str, invoices: Sequence[SeenInvoice]) -> Found:
    """Settle what an organization's invoices tell. It never concludes that a charge failed."""
    found = Found()
    mine = rows.in_states(UNSETTLED, org_id)
    for entry in mine:
        if entry.state == "unknown":
            _settle_unknown(rows, entry, invoices, found)
    if all(entry.state == "unknown" for entry in mine):  # else an invoice may be that of the charge under way
        _find_late(rows, org_id, invoices, found)
    return found


def _settle_unknown(rows: Rows, entry: Entry, invoices: Sequence[SeenInvoice], found: Found) -> None:
    fits = _unowned(rows, entry, invoices)
    if len(fits) == 1:
        checked = structs.replace(entry.succeeded(fits[0]), checked_at=rows.now_s, candidates=())
        found.settled.append(checked)
    else:
        checked = structs.replace(entry, checked_at=rows.now_s, candidates=tuple(fits))
        found.still_unknown.append(checked)
    rows.put(checked)


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


def resolve(rows: Rows, decision: Decision) -> Entry:
    """Write a person's decision.

    Raises:
        NotFoundError: if the journal has no such key.
        InvalidRequestError: if the charge is not unknown, or an invoice speaks against the decision.
    """
    entry = rows.find(decision.key)
    if entry is None:
        raise refusals.no_such_key(decision.key)
    if entry.state != "unknown":
        raise InvalidRequestError(
            f"idempotency_key: found a charge that is {entry.state}, expected one whose state is unknown. "
            "Only such a charge can be resolved."
        )
    if entry.attempts != decision.attempt:
        raise InvalidRequestError(
            "idempotency_key: found a charge that was sent again meanwhile, expected the one that was looked at. "
            "Look at it again."
        )
    resolved = _resolved_as_succeeded if decision.outcome == "succeeded" else _resolved_as_failed
    ended = structs.replace(resolved(rows, entry, decision), note=decision.note, candidates=())
    rows.put(ended)
    return ended


def _resolved_as_succeeded(rows: Rows, entry: Entry, decision: Decision) -> Entry:
    owner = decision.invoice_id and rows.owner_of(decision.invoice_id, but_not=entry.key)
    if owner:
        raise InvalidRequestError(
            f"invoice_id: found the invoice of the charge {quoted(owner)}, expected one of no other charge."
        )
    return entry.succeeded(decision.invoice_id)


def _resolved_as_failed(rows: Rows, entry: Entry, decision: Decision) -> Entry:
    fits = _unowned(rows, entry, decision.invoices or ())
    if fits:
        raise InvalidRequestError(
            f"outcome: found failed, expected succeeded: the invoice {quoted(fits[0])} fits this charge. "
            "If it is its own, resolve it as succeeded with this invoice_id."
        )
    if entry.known_invoices is not None and entry.sent_at is not None:
        until_s = rows.newest_time() + LATE_S  # a clock that is behind must not cut it short
        rows.watch(
            Watched(entry.key, entry.attempts, entry.org_id, entry.total, entry.sent_at, until_s, entry.known_invoices)
        )
    return entry.becoming("failed", known_invoices=None)


def _unowned(rows: Rows, charge: Entry | Watched, invoices: Sequence[SeenInvoice]) -> list[str]:
    """The invoices that fit a charge and belong to no other."""
    fits = fitting(charge.total, charge.sent_at, charge.known_invoices, invoices)
    return [invoice_id for invoice_id in fits if rows.owner_of(invoice_id, but_not=charge.key) is None]
