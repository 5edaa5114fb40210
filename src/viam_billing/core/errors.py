"""The errors of the contract: each has a code for programs, a gRPC status, and a sentence for people.

BillingError
|- the request          InvalidRequestError, UnknownCommandError
|- the configuration    CommandNotAllowedError, OutOfScopeError, NotConfiguredError, StateUnavailableError
|- the key              KeyRejectedError, KeyLacksPermissionError
|- limits               CooldownActiveError, ChargeLimitExceededError, ChargeBlockedError, ResultTooLargeError,
|                       IdempotencyConflictError
|- the cloud            NotFoundError, CloudRejectedError, CloudUnimplementedError, CloudError
|  `- CloudAwayError    CloudUnreachableError, CloudTimeoutError, CloudRateLimitedError: the last answer may serve
|- charges              ChargeOutcomeUnknownError
`- a defect             InternalError
"""

from __future__ import annotations

import enum
import json
import math
from typing import ClassVar, Final

from grpclib.const import Status

_LONGEST_MESSAGE: Final = 1000
_LONGEST_QUOTE: Final = 80


class Outcome(enum.Enum):
    """What is known of a change, an e-mail or a charge that ended in an error."""

    NEVER_SENT = "not a byte of it left the module"
    REFUSED = "the cloud's answer says that it was not done"
    UNKNOWN = "it may have been done"
    LOOK = "whether it was done, only a look at what the cloud has can tell"


class BillingError(Exception):
    """What a caller gets in place of an answer: `CODE: what happened. What to do.`."""

    code: ClassVar[str]
    status: ClassVar[Status]

    retryable = False
    """Set where a read may ask again: the cloud was busy, or the connection was lost on the way."""

    connection_lost = False
    """Set where the connection broke before the answer."""

    happened = ""
    """The text without what to do about it, where somebody else knows that better; of a cloud's error only."""

    cloud_status: Status | None = None
    """Set where it is the cloud's own answer."""

    def __init__(self, text: str, outcome: Outcome = Outcome.NEVER_SENT) -> None:
        super().__init__(text)
        self.text = text
        self.outcome = outcome

    @property
    def message(self) -> str:
        """The gRPC message, at most 1,000 characters: over 64 KiB would end a Python client's whole connection."""
        return shortened(f"{self.code}: {self.text}", _LONGEST_MESSAGE)


class InvalidRequestError(BillingError):
    """The request is not of the contract's form."""

    code = "invalid_request"
    status = Status.INVALID_ARGUMENT


class UnknownCommandError(BillingError):
    """No command has this name."""

    code = "unknown_command"
    status = Status.INVALID_ARGUMENT


class CommandNotAllowedError(BillingError):
    """`allowed_commands` does not name the command or its group."""

    code = "command_not_allowed"
    status = Status.PERMISSION_DENIED


class OutOfScopeError(BillingError):
    """The organization or location is not one that the configuration opens."""

    code = "out_of_scope"
    status = Status.PERMISSION_DENIED


class NotConfiguredError(BillingError):
    """The command needs an attribute that is not there and has no default."""

    code = "not_configured"
    status = Status.FAILED_PRECONDITION


class StateUnavailableError(BillingError):
    """The command needs the disk, and `state_dir` cannot be used."""

    code = "state_unavailable"
    status = Status.FAILED_PRECONDITION


class KeyRejectedError(BillingError):
    """The login was refused, or a token was that no call had used yet."""

    code = "key_rejected"
    status = Status.FAILED_PRECONDITION


class KeyLacksPermissionError(BillingError):
    """The cloud knows the key and refuses it this call."""

    code = "key_lacks_permission"
    status = Status.FAILED_PRECONDITION


class CooldownActiveError(BillingError):
    """The same customer was written to within the last 24 hours."""

    code = "cooldown_active"
    status = Status.FAILED_PRECONDITION


class ChargeLimitExceededError(BillingError):
    """The charge would pass `charge_limits`."""

    code = "charge_limit_exceeded"
    status = Status.FAILED_PRECONDITION


class ChargeBlockedError(BillingError):
    """An earlier charge of the organization is not settled."""

    code = "charge_blocked"
    status = Status.FAILED_PRECONDITION


class ResultTooLargeError(BillingError):
    """The answer would not fit where it has to go."""

    code = "result_too_large"
    status = Status.FAILED_PRECONDITION


class IdempotencyConflictError(BillingError):
    """The key stands for another charge."""

    code = "idempotency_conflict"
    status = Status.ALREADY_EXISTS


class NotFoundError(BillingError):
    """The cloud does not know what was asked for."""

    code = "not_found"
    status = Status.NOT_FOUND


class CloudRejectedError(BillingError):
    """The cloud found the request wrong."""

    code = "cloud_rejected"
    status = Status.INVALID_ARGUMENT


class CloudUnimplementedError(BillingError):
    """The cloud does not have the call."""

    code = "cloud_unimplemented"
    status = Status.UNIMPLEMENTED


class CloudError(BillingError):
    """Any other answer of the cloud."""

    code = "cloud_error"
    status = Status.INTERNAL


class CloudAwayError(BillingError):
    """The cloud gave no answer of its own, so that the last known one may serve."""


class CloudUnreachableError(CloudAwayError):
    """No connection, a lost one, or UNAVAILABLE."""

    code = "cloud_unreachable"
    status = Status.UNAVAILABLE


class CloudTimeoutError(CloudAwayError):
    """No answer in time."""

    code = "cloud_timeout"
    status = Status.DEADLINE_EXCEEDED


class CloudRateLimitedError(CloudAwayError):
    """The cloud asks for fewer calls."""

    code = "cloud_rate_limited"
    status = Status.RESOURCE_EXHAUSTED


class ChargeOutcomeUnknownError(BillingError):
    """A charge was sent and its outcome is not known."""

    code = "charge_outcome_unknown"
    status = Status.ABORTED


class InternalError(BillingError):
    """A defect of the module; the log has it."""

    code = "internal_error"
    status = Status.INTERNAL


def service_closed() -> CloudUnreachableError:
    """What a call gets that is under way when its service is removed or recreated."""
    return CloudUnreachableError("the service was closed while the call was under way. Repeat it.")


def no_state_dir() -> StateUnavailableError:
    """What a command gets that needs the folder where none is configured."""
    return StateUnavailableError("there is no folder to keep this in. Set the attribute state_dir to an absolute path.")


def shortened(text: str, longest: int) -> str:
    """The text, with an ellipsis where it had to be cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def quoted(value: object) -> str:
    """A caller's value as an error may show it: escaped, so that it cannot fake a log line, cut to 80 characters."""
    if isinstance(value, str):
        return shortened(json.dumps(value[: _LONGEST_QUOTE + 1]), _LONGEST_QUOTE)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return shortened(f"{value:g}" if isinstance(value, int) or math.isfinite(value) else str(value), _LONGEST_QUOTE)
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else type(value).__name__
