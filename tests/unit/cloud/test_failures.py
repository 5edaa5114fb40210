"""What a failed call says of its work: the decision that could charge a customer twice."""

from __future__ import annotations

import pytest
from grpclib.const import Status

from support.fake_parts import LOST, NOT_CONNECTED, REFUSED_STREAM, SILENCE, answered
from viam_billing.cloud.failures import (
    CallError,
    CallFailedError,
    Cause,
    NotSentError,
    UnreadableAnswerError,
    cause_of,
    outcome_of_change,
    outcome_of_charge,
)
from viam_billing.core.errors import Outcome

REFUSED, UNKNOWN, LOOK = Outcome.REFUSED, Outcome.UNKNOWN, Outcome.LOOK

OUTCOMES = {
    Status.CANCELLED: (UNKNOWN, UNKNOWN),
    Status.UNKNOWN: (UNKNOWN, UNKNOWN),
    Status.INVALID_ARGUMENT: (REFUSED, REFUSED),
    Status.DEADLINE_EXCEEDED: (UNKNOWN, UNKNOWN),
    Status.NOT_FOUND: (REFUSED, REFUSED),
    Status.ALREADY_EXISTS: (REFUSED, UNKNOWN),
    Status.PERMISSION_DENIED: (REFUSED, REFUSED),
    Status.RESOURCE_EXHAUSTED: (UNKNOWN, UNKNOWN),
    Status.FAILED_PRECONDITION: (REFUSED, LOOK),
    Status.ABORTED: (UNKNOWN, UNKNOWN),
    Status.OUT_OF_RANGE: (REFUSED, REFUSED),
    Status.UNIMPLEMENTED: (REFUSED, REFUSED),
    Status.INTERNAL: (UNKNOWN, UNKNOWN),
    Status.UNAVAILABLE: (UNKNOWN, UNKNOWN),
    Status.DATA_LOSS: (UNKNOWN, UNKNOWN),
    Status.UNAUTHENTICATED: (REFUSED, REFUSED),
}
"""What each answer of the cloud says of a change and of a charge, as the contract has it."""

PAGE = "Received http2 header with status: {}"

CAUSES = [
    (NOT_CONNECTED, Cause.NOT_CONNECTED),
    (CallFailedError(Status.UNAVAILABLE, "errors resolving x.invalid:443: []"), Cause.NOT_CONNECTED),
    (LOST, Cause.LOST),
    (NotSentError(), Cause.NOT_SENT),
    (CallFailedError(Status.UNAVAILABLE, "Stream removed (GOAWAY received; Error code: 0; Debug Text: )"), Cause.LOST),
    (
        CallFailedError(Status.INTERNAL, "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))"),
        Cause.RESET,
    ),
    (REFUSED_STREAM, Cause.REFUSED_STREAM),
    (SILENCE, Cause.SILENCE),
    (CallFailedError(Status.DEADLINE_EXCEEDED, "Stream removed (Deadline Exceeded)"), Cause.SILENCE),
    *((CallFailedError(Status.UNKNOWN, PAGE.format(status)), Cause.NOT_GRPC) for status in (302, 403, 408, 500, 520)),
    (CallFailedError(Status.UNKNOWN, PAGE.format(103)), Cause.RESET),
    (CallFailedError(Status.UNKNOWN, "No status received"), Cause.NO_TRAILERS),
    (
        CallFailedError(Status.UNKNOWN, "Stream removed (Data frame with END_STREAM flag received)"),
        Cause.NO_TRAILERS,
    ),
    (UnreadableAnswerError("it is odd"), Cause.UNREADABLE),
    (CallFailedError(Status.INTERNAL, "Decompression failed due to zlib error"), Cause.UNREADABLE),
    (CallFailedError(Status.RESOURCE_EXHAUSTED, "Decompressed message larger than max"), Cause.UNREADABLE),
    (
        CallFailedError(
            Status.RESOURCE_EXHAUSTED, "Stream removed (CLIENT: Received message larger than max (20 vs. 16))"
        ),
        Cause.UNREADABLE,
    ),
    (answered(Status.UNAVAILABLE), Cause.ANSWER),
    (answered(Status.RESOURCE_EXHAUSTED), Cause.ANSWER),
]


@pytest.mark.parametrize(("error", "cause"), CAUSES, ids=str)
def test_words_of_grpc_core_tell_the_cause(error: CallError, cause: Cause) -> None:
    assert cause_of(error) is cause


def test_every_status_is_decided() -> None:
    assert set(OUTCOMES) == set(Status) - {Status.OK}


@pytest.mark.parametrize("status", OUTCOMES)
def test_few_answers_say_that_nothing_was_done(status: Status) -> None:
    error = answered(status)
    assert (outcome_of_change(error), outcome_of_charge(error)) == OUTCOMES[status]


@pytest.mark.parametrize(
    "error",
    [error for error, cause in CAUSES if cause not in {Cause.ANSWER, Cause.REFUSED_STREAM, Cause.NOT_SENT}],
    ids=str,
)
def test_what_is_no_answer_of_the_clouds_own_says_nothing(error: CallError) -> None:
    """Neither a lost connection, nor silence, nor a page of a proxy, whatever status it was given."""
    assert (outcome_of_change(error), outcome_of_charge(error)) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("status", [403, 404])
def test_a_page_says_nothing_also_where_its_status_looks_like_a_refusal(status: int) -> None:
    error = CallFailedError(Status.PERMISSION_DENIED, PAGE.format(status))
    assert outcome_of_charge(error) is UNKNOWN


def test_what_no_channel_took_was_never_sent_and_the_cloud_cannot_say_so() -> None:
    assert outcome_of_charge(NotSentError()) is outcome_of_change(NotSentError()) is Outcome.NEVER_SENT
    assert outcome_of_charge(CallFailedError(Status.UNAVAILABLE, NotSentError().words)) is UNKNOWN


def test_a_refused_stream_was_not_processed() -> None:
    assert (outcome_of_change(REFUSED_STREAM), outcome_of_charge(REFUSED_STREAM)) == (REFUSED, REFUSED)


@pytest.mark.parametrize(
    "error",
    [
        CallFailedError(Status.UNAVAILABLE, REFUSED_STREAM.words, said_more=True),
        CallFailedError(Status.UNAVAILABLE, f"upstream: {REFUSED_STREAM.words}"),
        CallFailedError(Status.UNAVAILABLE, f"{REFUSED_STREAM.words}, says the backend"),
        CallFailedError(Status.INTERNAL, REFUSED_STREAM.words),
    ],
    ids=str,
)
def test_words_that_the_cloud_passes_on_are_no_refused_stream(error: CallFailedError) -> None:
    """A backend may tell what it met itself, after it has worked."""
    assert outcome_of_charge(error) is UNKNOWN
