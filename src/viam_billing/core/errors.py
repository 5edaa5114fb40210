"""The errors of the contract, each with its code, gRPC status and a text for people; and how values are quoted."""

from __future__ import annotations

import enum
import json
from typing import ClassVar, Final

from grpclib.const import Status

_LONGEST_QUOTE: Final = 80


class Outcome(enum.Enum):
    """What is known about a change, an e-mail or a charge that ended in an error."""

    NEVER_SENT = "not a byte of it left the module"
    REFUSED = "the cloud's answer says that it was not done"
    UNKNOWN = "it may have been done"
    LOOK = "only a look at the cloud's data can tell whether it was done"


class BillingError(Exception):
    """What a caller gets in place of an answer: `CODE: what happened. What to do.`."""

    code: ClassVar[str]
    status: ClassVar[Status]

    retryable = False  # whether a read may be sent again: the cloud was busy, or the connection broke on the way
    happened = ""  # the first sentence alone, for callers that give better advice; set on errors from the cloud only

    def __init__(self, text: str, outcome: Outcome = Outcome.NEVER_SENT) -> None:
        super().__init__(text)
        self.text = text
        self.outcome = outcome

    def __init_subclass__(cls, code: str = "", status: Status = Status.UNKNOWN) -> None:
        if code:
            cls.code, cls.status = code, status
            CLASSES[code] = cls

    @property
    def message(self) -> str:
        """The gRPC message, at most 1,000 characters: one over 64 KiB would end a Python client's connection."""
        return shortened(f"{self.code}: {self.text}", 1000)


CLASSES: Final[dict[str, type[BillingError]]] = {}


class InvalidRequestError(BillingError, code="invalid_request", status=Status.INVALID_ARGUMENT):
    """The request does not have the form that the contract asks for."""


class UnknownCommandError(BillingError, code="unknown_command", status=Status.INVALID_ARGUMENT):
    """No command has this name."""


class CommandNotAllowedError(BillingError, code="command_not_allowed", status=Status.PERMISSION_DENIED):
    """`allowed_commands` names neither the command nor its group."""


class OutOfScopeError(BillingError, code="out_of_scope", status=Status.PERMISSION_DENIED):
    """The configuration does not open this organization or location."""


class NotConfiguredError(BillingError, code="not_configured", status=Status.FAILED_PRECONDITION):
    """The command needs an attribute that is missing and has no default."""


class StateUnavailableError(BillingError, code="state_unavailable", status=Status.FAILED_PRECONDITION):
    """The command needs the disk, and `state_dir` cannot be used."""


class KeyRejectedError(BillingError, code="key_rejected", status=Status.FAILED_PRECONDITION):
    """The cloud refused the login, or a token straight after it."""


class KeyLacksPermissionError(BillingError, code="key_lacks_permission", status=Status.FAILED_PRECONDITION):
    """The cloud knows the key and does not let it make this call."""


class CooldownActiveError(BillingError, code="cooldown_active", status=Status.FAILED_PRECONDITION):
    """The same customer got an e-mail within the last 24 hours."""


class ChargeLimitExceededError(BillingError, code="charge_limit_exceeded", status=Status.FAILED_PRECONDITION):
    """The charge would exceed `charge_limits`."""


class ChargeBlockedError(BillingError, code="charge_blocked", status=Status.FAILED_PRECONDITION):
    """An earlier charge of the organization is not settled."""


class ResultTooLargeError(BillingError, code="result_too_large", status=Status.FAILED_PRECONDITION):
    """The answer does not fit into a message, or a file into its folder."""


class IdempotencyConflictError(BillingError, code="idempotency_conflict", status=Status.ALREADY_EXISTS):
    """The idempotency key belongs to another charge."""


class NotFoundError(BillingError, code="not_found", status=Status.NOT_FOUND):
    """The cloud, or the journal, has nothing under this ID."""


class CloudRejectedError(BillingError, code="cloud_rejected", status=Status.INVALID_ARGUMENT):
    """The cloud found the request wrong."""


class CloudUnimplementedError(BillingError, code="cloud_unimplemented", status=Status.UNIMPLEMENTED):
    """The cloud does not have the call."""


class CloudError(BillingError, code="cloud_error", status=Status.INTERNAL):
    """Any other answer of the cloud."""


class CloudAwayError(BillingError):
    """The cloud did not answer, so the last known answer may stand in."""


class CloudUnreachableError(CloudAwayError, code="cloud_unreachable", status=Status.UNAVAILABLE):
    """No connection, a lost one, or UNAVAILABLE."""


class CloudTimeoutError(CloudAwayError, code="cloud_timeout", status=Status.DEADLINE_EXCEEDED):
    """No answer in time."""


class CloudRateLimitedError(CloudAwayError, code="cloud_rate_limited", status=Status.RESOURCE_EXHAUSTED):
    """The cloud asks for fewer calls."""


class ChargeOutcomeUnknownError(BillingError, code="charge_outcome_unknown", status=Status.ABORTED):
    """A charge was sent and its outcome is not known."""


class InternalError(BillingError, code="internal_error", status=Status.INTERNAL):
    """A defect in the module; the log has the details."""


def is_billing_error(status: Status, message: str | None) -> bool:
    """Whether a gRPC error is one of this module's, recognized by its code and status."""
    code, colon, _ = (message or "").partition(": ")
    return bool(colon) and code in CLASSES and CLASSES[code].status is status


def service_closed() -> CloudUnreachableError:
    """What a call gets that is under way when its service is removed or recreated."""
    return CloudUnreachableError("the service was closed while the call was under way. Repeat it.")


def no_state_dir() -> StateUnavailableError:
    """What a command gets that needs the folder where none is configured."""
    return StateUnavailableError("there is no folder to keep this in. Set the attribute state_dir to an absolute path.")


def shortened(text: str, longest: int) -> str:
    """The text, cut to `longest` characters with an ellipsis at the end where it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _beginning(text: str, longest: int) -> str:
    """The first characters of a text, escaped, as many as fit: none is cut, nor its escape."""
    shown = ""
    for character in text:
        escaped = json.dumps(character)[1:-1]
        if len(shown) + len(escaped) > longest:
            break
        shown += escaped
    return shown


def quoted(value: object) -> str:
    """A caller's value for an error or a log: escaped, so that it cannot fake a log line, and cut to 80 characters."""
    if isinstance(value, str):
        shown = json.dumps(value[: _LONGEST_QUOTE + 1])
        return shown if len(shown) <= _LONGEST_QUOTE else f'"{_beginning(value, _LONGEST_QUOTE - 3)}…"'
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):  # all its digits: the last one may be what is wrong
        return repr(float(value)).removesuffix(".0")
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else type(value).__name__
