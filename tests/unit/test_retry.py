from __future__ import annotations

import asyncio
import ssl
from functools import partial

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import StreamClosedError

from viam_billing.cloud import error_mapping
from viam_billing.core.errors import Outcome
from viam_billing.core.redaction import redacted

MEANINGS = {
    Status.CANCELLED: ("cloud_error", Outcome.UNKNOWN),
    Status.UNKNOWN: ("cloud_error", Outcome.UNKNOWN),
    Status.INVALID_ARGUMENT: ("cloud_rejected", Outcome.REFUSED),
    Status.DEADLINE_EXCEEDED: ("cloud_timeout", Outcome.UNKNOWN),
    Status.NOT_FOUND: ("not_found", Outcome.REFUSED),
    Status.ALREADY_EXISTS: ("cloud_rejected", Outcome.REFUSED),
    Status.PERMISSION_DENIED: ("key_lacks_permission", Outcome.REFUSED),
    Status.RESOURCE_EXHAUSTED: ("cloud_rate_limited", Outcome.UNKNOWN),
    Status.FAILED_PRECONDITION: ("cloud_rejected", Outcome.REFUSED),
    Status.ABORTED: ("cloud_error", Outcome.UNKNOWN),
    Status.OUT_OF_RANGE: ("cloud_rejected", Outcome.REFUSED),
    Status.UNIMPLEMENTED: ("cloud_unimplemented", Outcome.REFUSED),
    Status.INTERNAL: ("cloud_error", Outcome.UNKNOWN),
    Status.UNAVAILABLE: ("cloud_unreachable", Outcome.UNKNOWN),
    Status.DATA_LOSS: ("cloud_error", Outcome.UNKNOWN),
    Status.UNAUTHENTICATED: ("key_rejected", Outcome.REFUSED),
}
"""What each status means for a caller, and for a change that was sent."""

LOST = [
    OSError(111, "refused"),
    ConnectionResetError(),
    FileNotFoundError(),
    StreamTerminatedError("gone"),
    ProtocolError("no"),
    StreamClosedError(1),
    ssl.SSLError(1, "handshake"),
]


def test_every_status_has_a_meaning() -> None:
    """A new one of gRPC would show here."""
    assert set(MEANINGS) == set(Status) - {Status.OK}


@pytest.mark.parametrize("status", MEANINGS)
def test_a_status_maps_to_its_code(status: Status) -> None:
    """Whether or not the request left."""
    codes = {error_mapping.translate(GRPCError(status), "X", sent=sent).code for sent in (True, False)}
    assert codes == {MEANINGS[status][0]}


@pytest.mark.parametrize("status", MEANINGS)
def test_only_certain_answers_count_as_refused(status: Status) -> None:
    """All others may have come after the work was done."""
    assert error_mapping.translate(GRPCError(status), "X", sent=True).outcome is MEANINGS[status][1]


@pytest.mark.parametrize("error", [*LOST, TimeoutError(), *(GRPCError(status) for status in MEANINGS)])
def test_what_never_left_was_never_sent(error: Exception) -> None:
    """Whatever the error."""
    assert error_mapping.translate(error, "X", sent=False).outcome is Outcome.NEVER_SENT


@pytest.mark.parametrize("error", LOST)
def test_a_lost_connection_is_unreachable(error: Exception) -> None:
    """And what was sent on it may have been done."""
    found = error_mapping.translate(error, "X", sent=True)
    assert (found.code, found.outcome) == ("cloud_unreachable", Outcome.UNKNOWN)


@pytest.mark.parametrize("error", [TimeoutError(), asyncio.TimeoutError(), TimeoutError(110, "timed out")])
def test_a_timeout_is_no_lost_connection(error: Exception) -> None:
    """Although `TimeoutError` is an `OSError`."""
    found = error_mapping.translate(error, "X", sent=True)
    assert (found.code, found.outcome) == ("cloud_timeout", Outcome.UNKNOWN)


def test_a_login_that_takes_too_long_is_a_timeout() -> None:
    """Not a rejected key, and not a lost connection."""
    assert error_mapping.translate_login(TimeoutError()).code == "cloud_timeout"


@pytest.mark.parametrize("error", [*LOST, TimeoutError(), asyncio.TimeoutError(), GRPCError(Status.ABORTED)])
def test_what_a_call_raises_is_caught(error: Exception) -> None:
    """The calls' `except` knows all of it, with the two timeouts of Python 3.10."""
    assert isinstance(error, error_mapping.CALL_ERRORS)


@pytest.mark.parametrize("error", [ValueError(), AssertionError(), asyncio.CancelledError(), KeyError()])
def test_a_defect_is_not_the_clouds_fault(error: BaseException) -> None:
    """It must not be covered by an old answer."""
    assert not isinstance(error, error_mapping.CALL_ERRORS)


def test_a_bad_certificate_is_told_apart() -> None:
    """A robot whose clock is wrong sees why."""
    found = error_mapping.translate(ssl.SSLCertVerificationError(1, "expired"), "X", sent=False)
    assert found.code == "cloud_unreachable"
    assert "clock" in found.text


@pytest.mark.parametrize(
    "status", [Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.NOT_FOUND]
)
def test_a_refused_login_rejects_the_key(status: Status) -> None:
    """The cloud has several words for it; nothing but the login was sent."""
    found = error_mapping.translate_login(GRPCError(status, "no"))
    assert (found.code, found.outcome) == ("key_rejected", Outcome.NEVER_SENT)


@pytest.mark.parametrize("status", [Status.UNAVAILABLE, Status.INTERNAL, Status.RESOURCE_EXHAUSTED, Status.UNKNOWN])
def test_a_login_that_failed_says_nothing_about_the_key(status: Status) -> None:
    """What the cloud has trouble with is not the key's fault."""
    found = error_mapping.translate_login(GRPCError(status))
    assert (found.code, found.outcome) == (MEANINGS[status][0], Outcome.NEVER_SENT)


@pytest.mark.parametrize("status", [Status.UNAUTHENTICATED, Status.PERMISSION_DENIED])
def test_a_key_that_may_not_is_told_whose_may(status: Status) -> None:
    """Billing needs an org owner's key."""
    assert "owner's key" in error_mapping.translate(GRPCError(status), "X", sent=True).text


def test_the_clouds_words_are_passed_on() -> None:
    """With the call's name."""
    text = error_mapping.translate(GRPCError(Status.INVALID_ARGUMENT, "tier is odd"), "UpdateTier", sent=True).text
    assert "(UpdateTier: INVALID_ARGUMENT: tier is odd)" in text


def test_the_clouds_words_cannot_fake_a_log_line() -> None:
    """They are put on one line."""
    text = error_mapping.translate(GRPCError(Status.INTERNAL, "a\n\r\tERROR\x1b[2J\u2028b"), "X", sent=True).text
    assert text.isprintable()
    assert "a ERROR [2J b" in text


def test_the_clouds_words_are_cut() -> None:
    """A page of HTML helps nobody."""
    assert len(error_mapping.translate(GRPCError(Status.INTERNAL, "x" * 5000), "X", sent=True).text) < 500


def test_the_words_of_the_system_are_not_passed_on() -> None:
    """They may hold paths."""
    assert "/etc" not in error_mapping.translate(FileNotFoundError(2, "no", "/etc/x"), "X", sent=True).text


def test_a_token_in_the_clouds_words_is_taken_out() -> None:
    """Also where no key is known."""
    error = GRPCError(Status.INVALID_ARGUMENT, "not Bearer\nabcdef, no")
    assert "not Bearer *** no)" in error_mapping.translate(error, "X", sent=True).text


@pytest.mark.parametrize("before", ["", "x" * 280])
def test_a_key_in_the_clouds_words_is_taken_out_before_they_are_cut(before: str) -> None:
    """Of a call's error and of a login's; half a key is one too."""
    error, key = (
        GRPCError(Status.INVALID_ARGUMENT, f"{before}no place for the-key-of-the-owner"),
        "the-key-of-the-owner",
    )
    for found in (
        error_mapping.translate(error, "X", sent=True, redact=partial(redacted, key=key)),
        error_mapping.translate_login(error, partial(redacted, key=key)),
    ):
        assert "the-key" not in found.text
        assert "the-key" not in found.happened
