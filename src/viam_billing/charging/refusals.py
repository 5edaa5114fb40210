"""Why a charge is not made: pure decisions over entries and amounts, and the words for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viam_billing.core.errors import (
    BillingError,
    ChargeBlockedError,
    ChargeLimitExceededError,
    ChargeOutcomeUnknownError,
    CloudUnreachableError,
    IdempotencyConflictError,
    Outcome,
    StateUnavailableError,
    error_class,
    quoted,
)
from viam_billing.core.money import Cents, to_dollars

if TYPE_CHECKING:
    from viam_billing.charging.charge import ChargeRequest, Entry, Limits


def check_same(request: ChargeRequest, entry: Entry) -> None:
    """Raises: IdempotencyConflictError: if the key stands for another charge."""
    if not request.is_same(entry):
        raise conflict(request.key)


def conflict(key: str) -> IdempotencyConflictError:
    """What the same key with other parameters gets."""
    return IdempotencyConflictError(
        f"the idempotency_key {quoted(key)} stands for another charge. "
        "Repeat that one with exactly its parameters, or take a new key for a new charge; get_charge shows it."
    )


def ended_badly(entry: Entry) -> BillingError:
    """What a caller gets who came while an attempt ended, of which only the entry is left."""
    if entry.state != "failed":
        return unknown(entry)
    return error_class(entry.error_code or "")(f"{entry.error_text} The same idempotency_key may be sent again.")


def check_limits(total: Cents, charged: Cents, limits: Limits) -> None:
    """Whether a charge fits.

    Args:
        total: what it comes to.
        charged: what counts towards the day already.
        limits: the service's own.

    Raises:
        ChargeLimitExceededError: naming the figures.
    """
    if total > limits.per_charge:
        raise ChargeLimitExceededError(
            f"{_dollars(total)} is above charge_limits.per_charge, {_dollars(limits.per_charge)}. Nothing was sent. "
            "Charge less, or raise the attribute."
        )
    if charged + total > limits.per_day:
        raise ChargeLimitExceededError(
            f"{_dollars(total)} on top of {_dollars(charged)} in the last 24 hours is above charge_limits.per_day, "
            f"{_dollars(limits.per_day)}. Nothing was sent. Charge later, or raise the attribute; "
            "list_charges shows what counts, with every charge that is not settled."
        )


def check_not_blocked(unsettled: Entry | None) -> None:
    """Raises: ChargeBlockedError: if a charge of the same organization is not settled."""
    if unsettled is not None:
        raise ChargeBlockedError(
            f"the charge {quoted(unsettled.key)} of the organization {quoted(unsettled.org_id)} is not settled. "
            "Nothing was sent. Settle it with reconcile_charges, or have a person look and call resolve_charge."
        )


def unknown(entry: Entry) -> ChargeOutcomeUnknownError:
    """What an unknown charge gets, when it becomes so and whenever its key is used again."""
    why = "" if entry.error_code in (None, ChargeOutcomeUnknownError.code) else f" ({entry.error_code})"
    return ChargeOutcomeUnknownError(
        f"{_dollars(entry.total)} were sent to be charged to the organization {quoted(entry.org_id)} with the key "
        f"{quoted(entry.key)}, and it is not known whether they were{why}. Do not charge with another key: "
        "reconcile_charges looks for the invoice, get_charge shows what is known."
    )


def another_journal(before: str, now: str) -> StateUnavailableError:
    """What every charge gets after the journal was replaced under the running module."""
    other = "an older copy of it" if before == now else f"another one, {now}"
    return StateUnavailableError(
        f"the charge journal {before} is gone, and {other}, which does not know what was charged, is in its place. "
        "Nothing was sent. Put the folder back; or, if it is lost, look at the invoices and restart the module."
    )


def stopped() -> ChargeOutcomeUnknownError:
    """What the callers of a charge get whose module ends before its outcome is known."""
    return ChargeOutcomeUnknownError(
        "the module was stopped while the charge was under way. It looks for the invoice at its next start: "
        "send the same idempotency_key again then."
    )


def late(entry: Entry) -> ChargeOutcomeUnknownError:
    """What a key gets whose attempt a person called failed, and whose invoice turned up all the same."""
    return ChargeOutcomeUnknownError(
        f"the charge {quoted(entry.key)} was resolved as failed, but the invoice {quoted(entry.late_invoice)} fits it. "
        "It is not sent again: look at that invoice in the Viam app, and take a new key if there is still to charge."
    )


def after_crash(entry: Entry) -> Entry:
    """What an entry becomes whose module died: before the mark nothing was sent, after it nobody knows."""
    if entry.state == "reserved":
        return entry.failed(CloudUnreachableError("the module ended before the charge was sent. Nothing was sent."))
    return entry.unknown(ChargeOutcomeUnknownError("the module ended before the cloud's answer was noted."))


def with_hint(error: BillingError, outcome: Outcome) -> BillingError:
    """The error of a charge of which it is certain that it charged nobody."""
    what = "Nothing was sent" if outcome is Outcome.NEVER_SENT else "Nothing was charged"
    return type(error)(f"{error.text} {what}: the same idempotency_key may be sent again.", outcome)


def _dollars(cents: int) -> str:
    return f"{to_dollars(cents):.2f} dollars"
