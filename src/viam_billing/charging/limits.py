"""What keeps a charge from being made: `charge_limits`, and an unsettled charge of the same organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from viam_billing.core.errors import ChargeBlockedError, ChargeLimitExceededError, quoted
from viam_billing.core.money import Cents, to_dollars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viam_billing.charging.charge import Entry


class Limits(Struct, frozen=True):
    """`charge_limits` of one service, tax included."""

    per_charge: Cents
    per_day: Cents


def check_limits(total: Cents, charged: Cents, limits: Limits) -> None:
    """Check that a charge of `total` fits, with `charged` counting towards the day already.

    Raises:
        ChargeLimitExceededError: naming the figures.
    """
    if total > limits.per_charge:
        raise ChargeLimitExceededError(
            f"{dollars(total)} is above charge_limits.per_charge, {dollars(limits.per_charge)}. Nothing was sent. "
            "Charge less, or raise the attribute."
        )
    if charged + total > limits.per_day:
        raise ChargeLimitExceededError(
            f"{dollars(total)} on top of {dollars(charged)} in the last 24 hours is above charge_limits.per_day, "
            f"{dollars(limits.per_day)}. Nothing was sent. Charge later, or raise the attribute; "
            "list_charges shows what counts, with every charge that is not settled."
        )


def check_not_blocked(unsettled: Sequence[Entry]) -> None:
    """Raises: ChargeBlockedError: if there are unsettled charges of the same organization."""
    for entry in unsettled:
        raise ChargeBlockedError(
            f"the charge {quoted(entry.key)} of the organization {quoted(entry.org_id)} is not settled. "
            "Nothing was sent. Settle it with reconcile_charges, or have a person look and call resolve_charge."
        )


def dollars(cents: Cents) -> str:
    """An amount as messages show it."""
    return f"{to_dollars(cents):.2f} dollars"
