"""What an error says about a charge: the one decision that could charge a customer twice."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import StreamClosedError

from viam_billing.cloud.error_mapping import charge_outcome, translate
from viam_billing.core.errors import BillingError, CloudError, InternalError, Outcome

OUTCOMES = {
    Status.CANCELLED: Outcome.UNKNOWN,
    Status.UNKNOWN: Outcome.UNKNOWN,
    Status.INVALID_ARGUMENT: Outcome.REFUSED,
    Status.DEADLINE_EXCEEDED: Outcome.UNKNOWN,
    Status.NOT_FOUND: Outcome.REFUSED,
    Status.ALREADY_EXISTS: Outcome.UNKNOWN,
    Status.PERMISSION_DENIED: Outcome.REFUSED,
    Status.RESOURCE_EXHAUSTED: Outcome.UNKNOWN,
    Status.FAILED_PRECONDITION: Outcome.LOOK,
    Status.ABORTED: Outcome.UNKNOWN,
    Status.OUT_OF_RANGE: Outcome.REFUSED,
    Status.UNIMPLEMENTED: Outcome.REFUSED,
    Status.INTERNAL: Outcome.UNKNOWN,
    Status.UNAVAILABLE: Outcome.UNKNOWN,
    Status.DATA_LOSS: Outcome.UNKNOWN,
    Status.UNAUTHENTICATED: Outcome.REFUSED,
}
"""What each answer of the cloud says, as the contract has it."""

NO_ANSWER = [
    TimeoutError(),
    TimeoutError(110, "timed out"),
    asyncio.TimeoutError(),
    OSError(113, "no route"),
    OSError(28, "no space"),
    ConnectionRefusedError(),
    ConnectionResetError(),
    BrokenPipeError(),
    FileNotFoundError(),
    ssl.SSLError(1, "handshake"),
    ssl.SSLCertVerificationError(1, "certificate"),
    StreamTerminatedError("gone"),
    ProtocolError("no"),
    StreamClosedError(1),
]


def outcome(error: BaseException, *, sent: bool) -> Outcome:
    """What it says."""
    return charge_outcome(translate(error, "ChargeOrganization", sent=sent), sent=sent)


def test_every_status_is_decided() -> None:
    """A new one of gRPC would show here."""
    assert set(OUTCOMES) == set(Status) - {Status.OK}


@pytest.mark.parametrize("status", OUTCOMES)
def test_an_answer_of_the_cloud(status: Status) -> None:
    """Few say that nothing was charged."""
    assert outcome(GRPCError(status), sent=True) is OUTCOMES[status]


@pytest.mark.parametrize("error", NO_ANSWER, ids=repr)
def test_no_answer_says_nothing(error: BaseException) -> None:
    """Whatever the network says once the request was handed to it."""
    assert outcome(error, sent=True) is Outcome.UNKNOWN


@pytest.mark.parametrize("error", [*NO_ANSWER, *(GRPCError(status) for status in OUTCOMES)], ids=repr)
def test_what_was_never_handed_over_was_never_sent(error: BaseException) -> None:
    """Whatever the error."""
    assert outcome(error, sent=False) is Outcome.NEVER_SENT


@pytest.mark.parametrize("error", [CloudError("empty"), InternalError("x", Outcome.REFUSED)], ids=repr)
def test_what_is_no_answer_of_the_cloud_s_own_says_nothing(error: BillingError) -> None:
    """An empty answer, or whatever else has no status of the cloud."""
    assert charge_outcome(error, sent=True) is Outcome.UNKNOWN
