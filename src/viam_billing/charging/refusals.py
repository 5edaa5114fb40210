"""The errors that a charge's callers get, from the key's entry and from what is known of the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viam_billing.charging.limits import dollars
from viam_billing.core.errors import (
    BillingError,
    ChargeOutcomeUnknownError,
    IdempotencyConflictError,
    NotFoundError,
    Outcome,
    error_class,
    quoted,
)

if TYPE_CHECKING:
    from viam_billing.charging.charge import Entry


def conflict(key: str) -> IdempotencyConflictError:
    """The same key with other parameters."""
    return IdempotencyConflictError(
        f"the idempotency_key {quoted(key)} stands for another charge. "
        "Repeat that one with exactly its parameters, or take a new key for a new charge; get_charge shows it."
    )


def no_such_key(key: str) -> NotFoundError:
    """A key that the journal does not have, or not in the scope of this service."""
    return NotFoundError(f"the journal has no charge with the key {quoted(key)}. list_charges shows those it has.")


def of_entry(entry: Entry) -> BillingError:
    """The error of an attempt that did not succeed, from its entry."""
    if entry.state != "failed":
        return unknown(entry)
    return error_class(entry.error_code or "")(f"{entry.error_text} The same idempotency_key may be sent again.")


def unknown(entry: Entry) -> ChargeOutcomeUnknownError:
    """A charge whose outcome is unknown, when it becomes so and whenever its key is used again."""
    why = "" if entry.error_code in (None, ChargeOutcomeUnknownError.code) else f" ({entry.error_code})"
    return ChargeOutcomeUnknownError(
        f"{dollars(entry.total)} were sent to be charged to the organization {quoted(entry.org_id)} with the key "
        f"{quoted(entry.key)}, and it is not known whether they were{why}. Do not charge with another key: "
        "reconcile_charges looks for the invoice, get_charge shows what is known."
    )


def late(entry: Entry) -> ChargeOutcomeUnknownError:
    """A key whose attempt was resolved as failed, and whose invoice turned up later."""
    return ChargeOutcomeUnknownError(
        f"the charge {quoted(entry.key)} was resolved as failed, but the invoice {quoted(entry.late_invoice)} fits it. "
        "It is not sent again: look at that invoice in the Viam app, and take a new key if there is still to charge."
    )


def stopped() -> ChargeOutcomeUnknownError:
    """The module ends before the outcome is known."""
    return ChargeOutcomeUnknownError(
        "the module was stopped while the charge was under way. It looks for the invoice at its next start: "
        "send the same idempotency_key again then."
    )


def certain(error: BillingError, outcome: Outcome) -> BillingError:
    """The error of a charge that certainly charged nobody, with the advice to repeat the key."""
    what = "Nothing was sent" if outcome is Outcome.NEVER_SENT else "Nothing was charged"
    return type(error)(f"{error.text} {what}: the same idempotency_key may be sent again.", outcome)
