"""Errors of the client: one class for each of the module's codes, and others for what is not the module's."""

from __future__ import annotations

import pickle

import pytest
from grpclib.const import Status

import viam_billing_client
from viam_billing.core.errors import CLASSES as MODULES
from viam_billing_client import errors
from viam_billing_client.errors import (
    BillingError,
    ChargeBlockedError,
    ChargeOutcomeUnknownError,
    MachineError,
    NoAnswerError,
    NoConnectionError,
    NoServiceError,
)


def test_every_code_of_the_module_has_a_class_of_the_same_name() -> None:
    assert {code: (each.__name__, each.status) for code, each in errors.CLASSES.items()} == {
        code: (each.__name__, each.status) for code, each in MODULES.items()
    }


def test_a_class_is_named_as_its_code_and_all_are_exported() -> None:
    """`charge_blocked` is ChargeBlockedError, `cloud_error` CloudError."""
    for code, each in errors.CLASSES.items():
        assert each.__name__ == f"{code.removesuffix('_error').title().replace('_', '')}Error"
    kinds = {*errors.CLASSES.values(), BillingError, MachineError, *MachineError.__subclasses__()}
    assert {each.__name__ for each in kinds} == {name for name in viam_billing_client.__all__ if name.endswith("Error")}


@pytest.mark.parametrize("code", MODULES)
@pytest.mark.parametrize("status", [None, Status.UNKNOWN])
def test_the_modules_error_is_told_by_its_code(code: str, status: Status | None) -> None:
    """Also where the status is lost, as over WebRTC; `status` is then the contract's all the same."""
    sent = MODULES[code]("what happened: this. What to do.")
    error = errors.of_status(status or sent.status, sent.message, "billing")
    assert isinstance(error, errors.CLASSES[code])
    assert (error.code, error.text, error.status) == (code, sent.text, sent.status)
    assert str(error) == sent.message


def test_an_error_of_a_remotes_module_is_told_in_viam_servers_words() -> None:
    message = "rpc error: code = FailedPrecondition desc = charge_blocked: an earlier charge.\nSettle it."
    error = errors.of_status(Status.UNKNOWN, message, "billing")
    assert isinstance(error, ChargeBlockedError)
    assert error.text == "an earlier charge.\nSettle it."


def test_a_code_that_an_error_quotes_is_not_its_own() -> None:
    """Whoever takes an unknown charge for a refused one charges again."""
    words = "the cloud said (rpc error: code = NotFound desc = not_found: no such org). Repeat the key."
    error = errors.of_status(Status.ABORTED, f"charge_outcome_unknown: {words}", "billing")
    assert isinstance(error, ChargeOutcomeUnknownError)
    assert error.text == words


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (Status.UNKNOWN, "no node found with api rdk:service:generic and name billing", NoServiceError),
        (Status.NOT_FOUND, 'resource "rdk:service:generic/billing" not found', NoServiceError),
        (Status.UNIMPLEMENTED, "", NoServiceError),
        (Status.UNAVAILABLE, "connection refused", NoConnectionError),
        (Status.UNKNOWN, "not connected", NoConnectionError),
        (Status.UNKNOWN, "context deadline exceeded", NoAnswerError),
        (Status.DEADLINE_EXCEEDED, "", NoAnswerError),
        (Status.UNAUTHENTICATED, "invalid credentials", MachineError),
        (Status.UNKNOWN, "charge_unblocked: a code that nobody has", MachineError),
        (Status.UNKNOWN, 'quoted "charge_blocked: in the middle"', MachineError),
    ],
)
def test_what_is_not_the_modules_is_no_billing_error(
    status: Status, message: str, expected: type[MachineError]
) -> None:
    error = errors.of_status(status, message, "billing")
    assert type(error) is expected
    assert isinstance(error, MachineError)
    assert not isinstance(error, BillingError)
    assert '"billing"' in error.text
    assert message in error.text


def test_an_error_survives_a_copy_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(ChargeBlockedError("settle it.")))  # noqa: S301 - made just now
    assert (type(error), error.text, str(error)) == (ChargeBlockedError, "settle it.", "charge_blocked: settle it.")
