"""What an error of a call means: which code a caller gets, and whether the work may have been done.

Python's deadline error is a trap here: `TimeoutError` is an `OSError`, so "a connection failed" must never be read
from `except OSError` alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, TypeAlias

from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import H2Error

from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome, shortened
from viam_billing.core.redaction import redacted

Redact: TypeAlias = Callable[[str], str]
"""Takes out of the cloud's words what must not be told: they go into answers, logs and the journal."""

TIMEOUTS: Final = (TimeoutError, asyncio.TimeoutError)
"""Two names of one class from Python 3.11 on; in 3.10 they are two classes."""

CALL_ERRORS: Final = (GRPCError, ProtocolError, StreamTerminatedError, H2Error, OSError, asyncio.TimeoutError)
"""All that a call of grpclib raises when the cloud or the network is to blame."""

_KEY_HELP: Final = (
    "Billing needs an organization owner's key: make one in the Viam app under the organization's settings "
    "and set the attributes api_key and api_key_id"
)

_BY_STATUS: Final[dict[Status, tuple[type[BillingError], str, str]]] = {
    Status.UNAUTHENTICATED: (errors.KeyRejectedError, "the cloud rejected the API key", f"{_KEY_HELP}."),
    Status.PERMISSION_DENIED: (
        errors.KeyLacksPermissionError,
        "the API key may not do this",
        f"{_KEY_HELP}; check_access shows what the key may do.",
    ),
    Status.NOT_FOUND: (errors.NotFoundError, "the cloud does not know it", "Check the IDs in the call."),
    Status.INVALID_ARGUMENT: (errors.CloudRejectedError, "the cloud refused the request", "Correct the parameters."),
    Status.OUT_OF_RANGE: (errors.CloudRejectedError, "the cloud refused the request", "Correct the parameters."),
    Status.FAILED_PRECONDITION: (errors.CloudRejectedError, "the cloud refused the request", "See its words."),
    Status.ALREADY_EXISTS: (errors.CloudRejectedError, "the cloud refused the request", "See its words."),
    Status.UNAVAILABLE: (errors.CloudUnreachableError, "the cloud is not available", "Try again later."),
    Status.DEADLINE_EXCEEDED: (errors.CloudTimeoutError, "the cloud gave up in the time given", "Try again later."),
    Status.RESOURCE_EXHAUSTED: (errors.CloudRateLimitedError, "the cloud asks for fewer calls", "Ask less often."),
    Status.UNIMPLEMENTED: (
        errors.CloudUnimplementedError,
        "the cloud does not have this call",
        "Check app_address, or update the module.",
    ),
}
_ANY_OTHER: Final = (errors.CloudError, "the cloud answered with an error", "Try again later, or ask Viam's support.")

_REFUSALS: Final = frozenset(
    {
        Status.UNAUTHENTICATED,
        Status.PERMISSION_DENIED,
        Status.INVALID_ARGUMENT,
        Status.NOT_FOUND,
        Status.OUT_OF_RANGE,
        Status.FAILED_PRECONDITION,
        Status.ALREADY_EXISTS,
        Status.UNIMPLEMENTED,
    }
)
"""Answers that say that the work was not done. Narrow on purpose: a rate limit may strike after the work."""

_CHARGE_REFUSALS: Final = frozenset(
    {
        Status.UNAUTHENTICATED,
        Status.PERMISSION_DENIED,
        Status.INVALID_ARGUMENT,
        Status.NOT_FOUND,
        Status.OUT_OF_RANGE,
        Status.UNIMPLEMENTED,
    }
)
"""The same for charges; see `charge_outcome`."""

_RETRYABLE: Final = frozenset({Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED})
_LOST_CONNECTION: Final = (StreamTerminatedError, ProtocolError, H2Error)

_LOGIN_REFUSALS: Final = frozenset(
    {Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.NOT_FOUND}
)

_LONGEST_WORDS: Final = 300


def translate(error: BaseException, call: str, *, sent: bool, redact: Redact = redacted) -> BillingError:
    """The contract's error for what a call raised.

    Args:
        error: one of `CALL_ERRORS`.
        call: the RPC's name, for the message.
        sent: whether the request itself may have left; false only where that is certain.
        redact: of the link, which knows the key; without one, tokens alone are taken out.
    """
    kind, what, todo = _meaning(error)
    words = _words(error, redact)
    outcome = Outcome.UNKNOWN if sent else Outcome.NEVER_SENT
    if sent and isinstance(error, GRPCError) and error.status in _REFUSALS:
        outcome = Outcome.REFUSED
    happened = f"{what} ({call}{f': {words}' if words else ''})."
    meaning = kind(f"{happened} {todo}", outcome)
    meaning.happened = happened
    meaning.connection_lost = isinstance(error, _LOST_CONNECTION)
    meaning.cloud_status = error.status if isinstance(error, GRPCError) else None
    meaning.retryable = meaning.connection_lost or (isinstance(error, GRPCError) and error.status in _RETRYABLE)
    return meaning


def as_change(error: BillingError) -> BillingError:
    """The error of a change, which says what is known of the change."""
    hint = {
        Outcome.NEVER_SENT: " Nothing was sent.",
        Outcome.REFUSED: "",
        Outcome.UNKNOWN: " It may have been done: look before you repeat it.",
    }
    return type(error)(error.text + hint[error.outcome], error.outcome)


def change_outcome(error: BillingError, *, sent: bool) -> Outcome:
    """What is known of a change or an e-mail that ended in an error."""
    if not sent:
        return Outcome.NEVER_SENT
    return Outcome.REFUSED if error.outcome is Outcome.REFUSED else Outcome.UNKNOWN


def charge_outcome(error: BillingError, *, sent: bool) -> Outcome:
    """What is known of a charge that ended in an error.

    Decided here and nowhere else, and narrowly: what is taken for REFUSED or NEVER_SENT may be sent again, and a charge
    that is sent again after all charges twice. So nothing counts but

    - `sent` false: the request was never handed to the connection. A deadline or a lost connection does not say that:
      both can come after the work. (Python's deadline error is an OSError, as a refused connection is.)
    - an answer of the cloud itself that it gives before it works: who asks, what is asked, whether it has the call. Not
      among them: UNAVAILABLE, ABORTED, RESOURCE_EXHAUSTED and INTERNAL, which a proxy or a worker that died half-way
      gives too, and ALREADY_EXISTS, which may speak of this very charge.
    - FAILED_PRECONDITION may be a card that was declined, with or without an invoice left behind: LOOK.
    """
    if not sent:
        return Outcome.NEVER_SENT
    if error.cloud_status in _CHARGE_REFUSALS:
        return Outcome.REFUSED
    return Outcome.LOOK if error.cloud_status is Status.FAILED_PRECONDITION else Outcome.UNKNOWN


def is_failed_connection(error: BaseException) -> bool:
    """Whether no connection came about: refused, no route, no such host, no TLS. A deadline is not that."""
    return isinstance(error, OSError) and not isinstance(error, TIMEOUTS)


def translate_login(error: BaseException, redact: Redact = redacted) -> BillingError:
    """The same for a login; nothing but the login itself was sent."""
    if isinstance(error, GRPCError) and error.status in _LOGIN_REFUSALS:
        words = _words(error, redact)
        return errors.KeyRejectedError(f"the login was refused{f' ({words})' if words else ''}. {_KEY_HELP}.")
    return translate(error, "login", sent=False, redact=redact)


def _meaning(error: BaseException) -> tuple[type[BillingError], str, str]:
    if isinstance(error, GRPCError):
        return _BY_STATUS.get(error.status, _ANY_OTHER)
    if isinstance(error, TIMEOUTS):
        return errors.CloudTimeoutError, "the cloud did not answer in time", "Try again later."
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            errors.CloudUnreachableError,
            "the cloud's certificate is not valid",
            "Check app_address and the machine's clock.",
        )
    return errors.CloudUnreachableError, "the connection to the cloud failed", "Check the machine's network."


def _words(error: BaseException, redact: Redact) -> str:
    """The cloud's own words, on one line; those of other errors may hold paths and stay in the log."""
    if not isinstance(error, GRPCError):
        return ""
    text = redact(" ".join("".join(c if c.isprintable() else " " for c in error.message or "").split()))
    return shortened(f"{error.status.name}: {text}" if text else error.status.name, _LONGEST_WORDS)
