"""Which error a caller gets for a failed call, and in which words."""

from __future__ import annotations

import pytest
from grpclib.const import Status

from support.fake_parts import LOST, NOT_CONNECTED, SILENCE, answered
from viam_billing.cloud.error_mapping import translate, translate_login
from viam_billing.cloud.failures import CallError, CallFailedError, UnreadableAnswerError
from viam_billing.core.errors import BillingError, Outcome
from viam_billing.core.secrets import Secrets

CODES = {
    Status.CANCELLED: "cloud_error",
    Status.UNKNOWN: "cloud_error",
    Status.INVALID_ARGUMENT: "cloud_rejected",
    Status.DEADLINE_EXCEEDED: "cloud_timeout",
    Status.NOT_FOUND: "not_found",
    Status.ALREADY_EXISTS: "cloud_rejected",
    Status.PERMISSION_DENIED: "key_lacks_permission",
    Status.RESOURCE_EXHAUSTED: "cloud_rate_limited",
    Status.FAILED_PRECONDITION: "cloud_rejected",
    Status.ABORTED: "cloud_error",
    Status.OUT_OF_RANGE: "cloud_rejected",
    Status.UNIMPLEMENTED: "cloud_unimplemented",
    Status.INTERNAL: "cloud_error",
    Status.UNAVAILABLE: "cloud_unreachable",
    Status.DATA_LOSS: "cloud_error",
    Status.UNAUTHENTICATED: "key_rejected",
}


def translated(error: CallError) -> BillingError:
    """The error of a call named X."""
    return translate(error, "X", Outcome.UNKNOWN, Secrets().redact)


def test_every_status_has_a_code() -> None:
    assert set(CODES) == set(Status) - {Status.OK}


@pytest.mark.parametrize("status", CODES)
def test_an_answer_maps_to_its_code(status: Status) -> None:
    assert translated(answered(status)).code == CODES[status]


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (LOST, "cloud_unreachable", True),
        (NOT_CONNECTED, "cloud_unreachable", False),
        (SILENCE, "cloud_timeout", False),
        (answered(Status.UNAVAILABLE), "cloud_unreachable", True),
        (answered(Status.RESOURCE_EXHAUSTED), "cloud_rate_limited", True),
        (answered(Status.INTERNAL), "cloud_error", False),
        (
            CallFailedError(Status.PERMISSION_DENIED, "Received http2 header with status: 403"),
            "cloud_unreachable",
            False,
        ),
        (CallFailedError(Status.UNKNOWN, "Received http2 header with status: 103"), "cloud_unreachable", True),
        (CallFailedError(Status.INTERNAL, "Decompression failed due to zlib error"), "cloud_error", False),
        (UnreadableAnswerError("it is odd"), "cloud_error", False),
    ],
    ids=str,
)
def test_a_read_is_repeated_after_what_may_pass(error: CallError, code: str, *, retryable: bool) -> None:
    found = translated(error)
    assert (found.code, found.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("words", "fault", "todo"),
    [
        ("CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", "has expired", "clock"),
        ("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid: OK", "is not valid yet", "clock"),
        ("CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK", "unknown issuer", "ca_file"),
        ("Custom verification check failed: Hostname Verification Check failed.", "another name", "app_address"),
    ],
)
def test_a_certificate_that_is_not_taken_is_told_why(words: str, fault: str, todo: str) -> None:
    text = translated(
        CallFailedError(Status.UNAVAILABLE, f"failed to connect to all addresses; last error: {words}")
    ).text
    assert fault in text
    assert todo in text


@pytest.mark.parametrize(
    "status", [Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.NOT_FOUND]
)
def test_a_refused_login_rejects_the_key(status: Status) -> None:
    found = translate_login(answered(status), Secrets().redact)
    assert (found.code, found.outcome) == ("key_rejected", Outcome.NEVER_SENT)


@pytest.mark.parametrize(
    "error", [SILENCE, LOST, *map(answered, (Status.UNAVAILABLE, Status.INTERNAL, Status.RESOURCE_EXHAUSTED))], ids=str
)
def test_a_login_that_failed_otherwise_says_nothing_about_the_key(error: CallFailedError) -> None:
    found = translate_login(error, Secrets().redact)
    assert (found.code != "key_rejected", found.outcome) == (True, Outcome.NEVER_SENT)


@pytest.mark.parametrize("status", [Status.UNAUTHENTICATED, Status.PERMISSION_DENIED])
def test_a_key_that_may_not_is_told_whose_may(status: Status) -> None:
    assert "owner's API key" in translated(answered(status)).text


def test_the_clouds_words_are_passed_on_with_the_calls_name() -> None:
    assert "(X: INVALID_ARGUMENT: tier is odd)" in translated(answered(Status.INVALID_ARGUMENT, "tier is odd")).text


def test_the_clouds_words_cannot_fake_a_log_line() -> None:
    text = translated(answered(Status.INTERNAL, "a\n\r\tERROR\x1b[2J\u2028b")).text
    assert text.isprintable()
    assert "a ERROR [2J b" in text


def test_the_clouds_words_are_cut() -> None:
    assert len(translated(answered(Status.INTERNAL, "x" * 5000)).text) < 500


def test_the_words_of_grpc_core_are_not_passed_on() -> None:
    """They hold addresses and paths."""
    assert "refused" not in translated(NOT_CONNECTED).text


def test_a_token_in_the_clouds_words_is_taken_out() -> None:
    found = translated(answered(Status.INVALID_ARGUMENT, "not Bearer\nabcdef, no"))
    assert "not Bearer *** no)" in found.text


@pytest.mark.parametrize("before", ["", "x" * 280])
@pytest.mark.parametrize("key", ["the-key-of-the-owner", "the-key  of the\towner"])
def test_a_key_in_the_clouds_words_is_taken_out_before_they_are_cut(before: str, key: str) -> None:
    secrets = Secrets()
    secrets.add(key)
    error = answered(Status.INVALID_ARGUMENT, f"{before}no place for {key}")
    for found in (
        translate(error, "X", Outcome.UNKNOWN, secrets.redact),
        translate_login(error, secrets.redact),
    ):
        assert "the-key" not in found.text
        assert "the-key" not in found.happened
