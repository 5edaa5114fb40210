"""A client of the Viam module `viam-billing`: what a machine's location, an organization or a fleet costs, and charges.

    from viam_billing_client import Billing, ChargeBlockedError, answers

    async with Billing.connect("ADDRESS", api_key="KEY", api_key_id="ID") as billing:
        usage: answers.LocationUsage = await billing.get_location_usage()

Amounts are `Decimal` in US dollars, times `datetime` in UTC; a value that is not known is `None`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from viam_billing_client import answers
from viam_billing_client.errors import (
    BillingError,
    ChargeBlockedError,
    ChargeLimitExceededError,
    ChargeOutcomeUnknownError,
    CloudError,
    CloudRateLimitedError,
    CloudRejectedError,
    CloudTimeoutError,
    CloudUnimplementedError,
    CloudUnreachableError,
    CommandNotAllowedError,
    CooldownActiveError,
    IdempotencyConflictError,
    InternalError,
    InvalidRequestError,
    KeyLacksPermissionError,
    KeyRejectedError,
    MachineError,
    NoAnswerError,
    NoConnectionError,
    NoServiceError,
    NotConfiguredError,
    NotFoundError,
    OutOfScopeError,
    ResultTooLargeError,
    StateUnavailableError,
    UnknownCommandError,
    UnreadableAnswerError,
)

if TYPE_CHECKING:
    from viam_billing_client.billing import Billing

__all__ = [
    "Billing",
    "BillingError",
    "ChargeBlockedError",
    "ChargeLimitExceededError",
    "ChargeOutcomeUnknownError",
    "CloudError",
    "CloudRateLimitedError",
    "CloudRejectedError",
    "CloudTimeoutError",
    "CloudUnimplementedError",
    "CloudUnreachableError",
    "CommandNotAllowedError",
    "CooldownActiveError",
    "IdempotencyConflictError",
    "InternalError",
    "InvalidRequestError",
    "KeyLacksPermissionError",
    "KeyRejectedError",
    "MachineError",
    "NoAnswerError",
    "NoConnectionError",
    "NoServiceError",
    "NotConfiguredError",
    "NotFoundError",
    "OutOfScopeError",
    "ResultTooLargeError",
    "StateUnavailableError",
    "UnknownCommandError",
    "UnreadableAnswerError",
    "answers",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of this module

    def __getattr__(name: str) -> object:
        """Load the client, and with it the SDK, which the command line's `--help` does not need."""
        if name != "Billing":
            raise AttributeError(f"module {__name__} has no attribute {name}")
        from viam_billing_client.billing import Billing  # noqa: PLC0415 - loaded on demand

        globals()[name] = Billing
        return Billing
