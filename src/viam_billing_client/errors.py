"""The errors of a call: one class for each code of the module, and those that are not the module's.

    BillingError     the module's: `code`, `text`, `status`; one class for each code
    MachineError     not the module's: NoServiceError, NoConnectionError, NoAnswerError, UnreadableAnswerError, or this
                     class itself

WebRTC loses the gRPC status, so the code is read from the message, `CODE: what happened. What to do.`
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from grpclib.const import Status


class BillingError(Exception):
    """An error that the module answered with. Each code has a class; this is their base."""

    code: ClassVar[str]
    """The name of the error in the module's documentation, such as `charge_blocked`."""
    status: ClassVar[Status]
    """The gRPC status that belongs to the code, even if the status was lost on the way."""
    text: str
    """What happened and what to do, for people."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{self.code}: {text}")
        self.text = text

    def __init_subclass__(cls, code: str, status: Status) -> None:
        cls.code, cls.status = code, status
        CLASSES[code] = cls

    def __reduce__(self) -> tuple[type[BillingError], tuple[str]]:
        """For `copy` and `pickle`, which would pass the whole message to the constructor."""
        return type(self), (self.text,)


CLASSES: Final[dict[str, type[BillingError]]] = {}
"""The class of each code."""


class InvalidRequestError(BillingError, code="invalid_request", status=Status.INVALID_ARGUMENT):
    """A parameter is wrong; the text names it and what was expected."""


class UnknownCommandError(BillingError, code="unknown_command", status=Status.INVALID_ARGUMENT):
    """The module has no such command: it is older than this client."""


class CommandNotAllowedError(BillingError, code="command_not_allowed", status=Status.PERMISSION_DENIED):
    """The service's attribute `allowed_commands` does not allow it."""


class OutOfScopeError(BillingError, code="out_of_scope", status=Status.PERMISSION_DENIED):
    """The service's configuration does not include this organization or location."""


class NotConfiguredError(BillingError, code="not_configured", status=Status.FAILED_PRECONDITION):
    """The command needs an attribute of the service that is missing; the text names it."""


class StateUnavailableError(BillingError, code="state_unavailable", status=Status.FAILED_PRECONDITION):
    """The service's `state_dir` cannot be used, or its charge journal is gone. Nothing was charged."""


class KeyRejectedError(BillingError, code="key_rejected", status=Status.FAILED_PRECONDITION):
    """Viam's cloud refused the service's API key."""


class KeyLacksPermissionError(BillingError, code="key_lacks_permission", status=Status.FAILED_PRECONDITION):
    """The service's API key is not allowed to do this: billing needs an organization owner's API key."""


class CooldownActiveError(BillingError, code="cooldown_active", status=Status.FAILED_PRECONDITION):
    """The same customer got an e-mail within the last 24 hours."""


class ChargeLimitExceededError(BillingError, code="charge_limit_exceeded", status=Status.FAILED_PRECONDITION):
    """The charge is above the service's `charge_limits`. Nobody was charged; repeat the idempotency key later."""


class ChargeBlockedError(BillingError, code="charge_blocked", status=Status.FAILED_PRECONDITION):
    """An earlier charge of the organization is unknown: settle it. Nobody was charged; repeat this idempotency key."""


class ResultTooLargeError(BillingError, code="result_too_large", status=Status.FAILED_PRECONDITION):
    """The answer does not fit into a message, or a file into its folder; the text says what to ask instead."""


class IdempotencyConflictError(BillingError, code="idempotency_conflict", status=Status.ALREADY_EXISTS):
    """The idempotency key stands for a charge with other parameters. This request charged nobody."""


class NotFoundError(BillingError, code="not_found", status=Status.NOT_FOUND):
    """The cloud, or the charge journal, has nothing under this ID."""


class CloudRejectedError(BillingError, code="cloud_rejected", status=Status.INVALID_ARGUMENT):
    """Viam's cloud rejected the request; the text quotes it."""


class CloudUnreachableError(BillingError, code="cloud_unreachable", status=Status.UNAVAILABLE):
    """Viam's cloud could not be reached, and no earlier answer is recent enough. Repeat a read later."""


class CloudTimeoutError(BillingError, code="cloud_timeout", status=Status.DEADLINE_EXCEEDED):
    """Viam's cloud did not answer in time. Repeat a read later."""


class CloudRateLimitedError(BillingError, code="cloud_rate_limited", status=Status.RESOURCE_EXHAUSTED):
    """Viam's cloud asks for fewer calls. Repeat a read later."""


class CloudUnimplementedError(BillingError, code="cloud_unimplemented", status=Status.UNIMPLEMENTED):
    """The service's `app_address` leads to something that does not have this call."""


class CloudError(BillingError, code="cloud_error", status=Status.INTERNAL):
    """Any other failure of Viam's cloud. Repeat a read later."""


class ChargeOutcomeUnknownError(BillingError, code="charge_outcome_unknown", status=Status.ABORTED):
    """The charge was sent and may have been made, once at most. Repeat it with its idempotency key only."""


class InternalError(BillingError, code="internal_error", status=Status.INTERNAL):
    """A defect in the module; the machine's log has the details."""


class MachineError(Exception):
    """The module's answer did not arrive: something on the way to it failed. A change or charge may have been made.

    Repeat a read; repeat a charge with its key; check whether a change was made before you repeat it. It has no
    `code`, which only the module gives.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NoServiceError(MachineError):
    """The machine has no such service."""


class UnreadableAnswerError(MachineError):
    """An answer arrived in a form that this client does not know. What was asked for has been done."""


class NoConnectionError(MachineError):
    """The machine could not be reached, or the connection to it was lost."""


class NoAnswerError(MachineError):
    """The call's `timeout` ended before the answer came."""


_OWN: Final = re.compile(rf"(?:.*?desc = )??({'|'.join(CLASSES)}): (.*)", re.DOTALL)
"""The module's message; viam-server in Go puts `rpc error: code = ... desc = ` before a remote's."""


def of_message(message: str) -> BillingError | None:
    """The module's error in a gRPC message, or None if the message is not the module's."""
    own = _OWN.match(message)
    return CLASSES[own[1]](own[2]) if own else None


def of_status(status: Status, message: str, service: str) -> BillingError | MachineError:
    """What a gRPC error of a call to `service` means."""
    if own := of_message(message):
        return own
    said = f"({status.name}: {message})"
    if status in (Status.NOT_FOUND, Status.UNIMPLEMENTED) or "not found" in message or "no node found" in message:
        return NoServiceError(f'the machine has no billing service "{service}" {said}. Look at its configuration.')
    if status is Status.DEADLINE_EXCEEDED or "deadline exceeded" in message:
        return NoAnswerError(f'the service "{service}" did not answer in time {said}.')
    if status is Status.UNAVAILABLE or message == "not connected":  # what viam-server says of a module that is away
        return NoConnectionError(f'the service "{service}" cannot be reached {said}. Try again later.')
    return MachineError(f'the machine refused the call of the service "{service}" {said}.')
