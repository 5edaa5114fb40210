"""Why a charge is not made: `charge_limits`, and the errors that its callers get."""

from __future__ import annotations

from msgspec import Struct

from viam_billing.charging.charge import Entry
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, ChargeOutcomeUnknownError, Outcome, quoted
from viam_billing.core.money import Cents, to_dollars


class Limits(Struct, frozen=True):
    """`charge_limits` of one service, tax included."""

    per_charge: Cents
    per_day: Cents

    def check_total(self, total: Cents, charged: Cents) -> None:
        """Raises: ChargeLimitExceededError: if `total` does not fit, with `charged` counted in the day so far."""
        if total > self.per_charge:
            raise errors.ChargeLimitExceededError(
                f"{_dollars(total)} is above charge_limits.per_charge, {_dollars(self.per_charge)}. Nothing was sent. "
                "Charge less, or raise the attribute."
            )
        if charged + total > self.per_day:
            raise errors.ChargeLimitExceededError(
                f"{_dollars(total)} on top of {_dollars(charged)} in the last 24 hours is above charge_limits.per_day, "
                f"{_dollars(self.per_day)}. Nothing was sent. Charge later, or raise the attribute; "
                "list_charges shows what counts, with every charge that is not settled."
            )


def conflict(key: str) -> errors.IdempotencyConflictError:
    """The same key with other parameters."""
    return errors.IdempotencyConflictError(
        f"the idempotency_key {quoted(key)} stands for another charge. "
        "Repeat that one with exactly its parameters, or take a new idempotency key for a new charge; "
        "get_charge shows it."
    )


def no_such_key(key: str) -> errors.NotFoundError:
    """A key that the journal does not have, or not in the scope of this service."""
    return errors.NotFoundError(
        f"the journal has no charge with the idempotency key {quoted(key)}; list_charges shows what it has."
    )


def succeeded(entry: Entry) -> Entry:
    """The entry of another attempt with the key. Raises: BillingError: if it did not succeed."""
    if entry.state == "failed":
        kind = errors.CLASSES.get(entry.error_code or "", errors.CloudError)  # another version may have written it
        raise kind(f"{entry.error_text} The same idempotency_key may be sent again.")
    if entry.state != "succeeded":
        raise unknown(entry)
    return entry


def unknown(entry: Entry) -> ChargeOutcomeUnknownError:
    """A charge whose outcome is unknown, when it becomes so and whenever its key is used again."""
    why = "" if entry.error_code in (None, ChargeOutcomeUnknownError.code) else f" ({entry.error_code})"
    return ChargeOutcomeUnknownError(
        f"{_dollars(entry.total)} were sent to be charged to the organization {quoted(entry.org_id)} with the "
        f"idempotency key {quoted(entry.key)}, and it is not known whether they were{why}. Do not charge with another "
        "idempotency key: reconcile_charges looks for the invoice, get_charge shows what is known.",
        Outcome.UNKNOWN,
    )


def certain(error: BillingError, outcome: Outcome) -> BillingError:
    """The error of a charge that certainly charged nobody, with the advice to repeat the key."""
    what = "Nothing was sent" if outcome is Outcome.NEVER_SENT else "Nothing was charged"
    return type(error)(f"{error.text} {what}: the same idempotency_key may be sent again.", outcome)


def _dollars(cents: Cents) -> str:
    return f"{to_dollars(cents):.2f} dollars"
