"""Which of the contract's errors a failed call becomes, and its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from grpclib.const import Status

from viam_billing.cloud.failures import CallError, CallFailedError, Cause, UnreadableAnswerError, cause_of
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome, shortened

Redact: TypeAlias = Callable[[str], str]
"""Takes secrets out of the cloud's words, which go into answers, logs and the journal."""

Meaning: TypeAlias = tuple[type[BillingError], str, str]
"""The error, what happened, what to do."""

_KEY_HELP: Final = (
    "Billing needs an organization owner's API key: make one in the Viam app under the organization's settings "
    "and set the attributes api_key (or api_key_file) and api_key_id"
)
_SHOWN: Final = "check_access shows what the API key may do."
_AGAIN: Final = "Try again later."
_ASK: Final = "Try again later, or ask Viam's support."
_CHECK_IDS: Final = "Check the IDs in the call, or the attributes org_id and location_id where it names none."
_NETWORK: Final = "Check the machine's network."
_LONGEST_WORDS: Final = 300

_BY_STATUS: Final[dict[Status, Meaning]] = {
    Status.UNAUTHENTICATED: (errors.KeyRejectedError, "the cloud rejected the API key", f"{_KEY_HELP}."),
    Status.PERMISSION_DENIED: (errors.KeyLacksPermissionError, "the API key may not do this", f"{_KEY_HELP}; {_SHOWN}"),
    Status.NOT_FOUND: (errors.NotFoundError, "the cloud does not know it", _CHECK_IDS),
    Status.INVALID_ARGUMENT: (errors.CloudRejectedError, "the cloud refused the request", "Correct the parameters."),
    Status.OUT_OF_RANGE: (errors.CloudRejectedError, "the cloud refused the request", "Correct the parameters."),
    Status.FAILED_PRECONDITION: (errors.CloudRejectedError, "the cloud refused the request", "See its words."),
    Status.ALREADY_EXISTS: (errors.CloudRejectedError, "the cloud refused the request", "See its words."),
    Status.UNAVAILABLE: (errors.CloudUnreachableError, "the cloud is not available", _AGAIN),
    Status.DEADLINE_EXCEEDED: (errors.CloudTimeoutError, "the cloud gave up in the time given", _AGAIN),
    Status.RESOURCE_EXHAUSTED: (errors.CloudRateLimitedError, "the cloud asks for fewer calls", "Ask less often."),
    Status.UNIMPLEMENTED: (
        errors.CloudUnimplementedError,
        "the cloud does not have this call",
        "Check app_address, or update the module.",
    ),
}
_OTHER_STATUS: Final[Meaning] = (errors.CloudError, "the cloud answered with an error", _ASK)

_BY_CAUSE: Final[dict[Cause, Meaning]] = {
    Cause.UNREADABLE: (errors.CloudError, "the cloud's answer cannot be read", _ASK),
    Cause.NO_TRAILERS: (errors.CloudError, "the cloud's answer cannot be read", _ASK),
    Cause.NOT_GRPC: (
        errors.CloudUnreachableError,
        "something between the module and the cloud answered in its place",
        "Check the machine's network: a proxy, a login page or a load balancer.",
    ),
    Cause.NOT_CONNECTED: (errors.CloudUnreachableError, "the connection to the cloud failed", _NETWORK),
    Cause.NOT_SENT: (errors.CloudUnreachableError, "the connection to the cloud was closed", _AGAIN),
    Cause.LOST: (errors.CloudUnreachableError, "the connection to the cloud was lost", _NETWORK),
    Cause.RESET: (errors.CloudUnreachableError, "the call was reset on its way", _AGAIN),
    Cause.REFUSED_STREAM: (errors.CloudUnreachableError, "the cloud did not take the call", _AGAIN),
    Cause.SILENCE: (errors.CloudTimeoutError, "the cloud did not answer in time", _AGAIN),
}

_CERTIFICATE_FAULTS: Final = (
    ("certificate has expired", "has expired", "Check the machine's clock and app_address."),
    ("certificate is not yet valid", "is not valid yet", "Check the machine's clock."),
    ("Hostname Verification Check failed", "is for another name", "Check app_address."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "is signed by an unknown issuer",
        "If the network has a certificate authority of its own, name its file in the attribute ca_file.",
    ),
)
"""How gRPC core words a certificate that it does not take, and what that means; the first match counts."""

_MAY_PASS: Final = frozenset(
    {Cause.NOT_SENT, Cause.LOST, Cause.RESET, Cause.REFUSED_STREAM, Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED}
)
_LOGIN_REFUSALS: Final = frozenset(
    {Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.NOT_FOUND}
)


def translate(error: CallError, call: str, outcome: Outcome, redact: Redact) -> BillingError:
    """The contract's error for a failed `call`, which is named in it; `outcome` is what is known of the call's work."""
    cause = cause_of(error)
    status = error.status if isinstance(error, CallFailedError) and cause is Cause.ANSWER else None
    kind, what, todo = _BY_CAUSE[cause] if status is None else _BY_STATUS.get(status, _OTHER_STATUS)
    if cause is Cause.NOT_CONNECTED:
        fault = next((row for row in _CERTIFICATE_FAULTS if row[0] in str(error)), None)
        what, todo = (f"the cloud's certificate {fault[1]}", fault[2]) if fault else (what, todo)
    words = _words(error, status, redact)
    happened = f"{what} ({call}{f': {words}' if words else ''})."
    meaning = kind(f"{happened} {todo}", outcome)
    meaning.happened = happened
    meaning.retryable = bool(_MAY_PASS & {cause, status})
    return meaning


def translate_login(error: CallError, redact: Redact) -> BillingError:
    """The same for a login."""
    if cause_of(error) is Cause.ANSWER and isinstance(error, CallFailedError) and error.status in _LOGIN_REFUSALS:
        return errors.KeyRejectedError(f"the login was refused ({_words(error, error.status, redact)}). {_KEY_HELP}.")
    return translate(error, "login", Outcome.NEVER_SENT, redact)


def as_change(error: BillingError) -> BillingError:
    """The error of a change, which says what is known of the change."""
    hint = {
        Outcome.NEVER_SENT: " Nothing was sent.",
        Outcome.UNKNOWN: " It may have been done: look before you repeat it.",
    }
    return type(error)(error.text + hint.get(error.outcome, ""), error.outcome)


def _words(error: CallError, status: Status | None, redact: Redact) -> str:
    """The cloud's own words on one line. Core's words hold addresses and stay out."""
    if isinstance(error, UnreadableAnswerError):
        return str(error)
    if status is None:
        return ""
    text = redact(" ".join("".join(c if c.isprintable() else " " for c in redact(error.words)).split()))
    return shortened(f"{status.name}: {text}" if text else status.name, _LONGEST_WORDS)
