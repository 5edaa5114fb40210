"""Records of the charge journal and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from viam_billing_client.answers.base import Answer, RowError


class Charge(Answer, frozen=True, kw_only=True):
    """An entry of the charge journal."""

    idempotency_key: str
    command: str
    """The command that charged."""
    state: str
    """`reserved`, `sent`, `succeeded`, `failed` or `unknown`."""
    org_id: str
    """The organization charged."""
    total: Decimal
    """US dollars in whole cents, tax included."""
    invoice_id: str | None = None
    created_at: datetime
    """When the idempotency key was first used."""
    sent_at: datetime | None = None
    """When the last attempt was sent; None where none was."""
    attempts: int
    reconcilable: bool
    """Whether the invoices could be read before it was sent, so that its invoice can be found if the answer is lost."""
    error: RowError | None = None
    """Why the charge failed or is unknown."""
    note: str | None = None
    """What a person said in `resolve_charge`."""
    late_invoice: str | None = None
    """An invoice that turned up after a person called the charge failed: the customer may have been charged."""
    candidates: tuple[str, ...] | None = None
    """IDs of the invoices that match an unknown charge, if there are several."""
    checked_at: datetime | None = None
    """When its invoice was last looked for."""


class ChargeMade(Charge, frozen=True, kw_only=True):
    """A charge that has succeeded."""

    replayed: bool
    """Whether the idempotency key had charged before: then this is that charge, and nothing was sent now."""


class ChargeFound(Charge, frozen=True, kw_only=True):
    """A charge of the journal, with the status of its invoice where the cloud can say it."""

    payment_status: str | None = None
    """The status of its invoice, such as `paid`; None, like the fields below, if there is none or it is not known."""
    as_of: datetime | None = None
    stale: bool | None = None
    stale_reason: str | None = None


class Charges(Answer, frozen=True, kw_only=True):
    """Charges of the journal, newest first."""

    charges: tuple[Charge, ...]


class Reconciliation(Answer, frozen=True, kw_only=True):
    """What became of unknown charges."""

    settled: tuple[Charge, ...]
    still_unknown: tuple[Charge, ...]


class AuditEntry(Answer, frozen=True, kw_only=True):
    """One attempt to notify, change or charge."""

    time: datetime
    command: str
    parameters: Mapping[str, Any]
    """What was asked; long texts are cut."""
    allowed: bool
    """Whether the service's configuration allowed it."""
    code: str | None = None
    """The error that it ended with, `cancelled` or `unfinished`; None if it succeeded."""
    idempotency_key: str | None = None
    repeats: int | None = None
    """How many equal attempts followed and are counted here."""


class AuditLog(Answer, frozen=True, kw_only=True):
    """Attempts to notify, change or charge, newest first."""

    entries: tuple[AuditEntry, ...]
