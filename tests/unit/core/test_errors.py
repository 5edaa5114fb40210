from __future__ import annotations

import json

import pytest
from grpclib.const import Status

from support.module_process import STATUS_OF_CODE
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome, quoted


def _all(kind: type[BillingError]) -> list[type[BillingError]]:
    return [each for below in kind.__subclasses__() for each in (below, *_all(below))]


CODES = {**STATUS_OF_CODE, "internal_error": Status.INTERNAL}
"""The contract's table."""


def test_every_error_has_the_code_and_status_of_the_contract() -> None:
    """No error outside of the table, and none of the table without an error."""
    coded = {kind.code: kind.status for kind in _all(BillingError) if hasattr(kind, "code")}
    assert coded == CODES


def test_a_code_belongs_to_one_error() -> None:
    """A program that reads the code knows what happened."""
    codes = [kind.code for kind in _all(BillingError) if "code" in vars(kind)]
    assert len(codes) == len(set(codes))


def test_the_last_answer_serves_for_three_errors_only() -> None:
    """A rejected key or a wrong request must never be covered by an old answer."""
    away = {kind.code for kind in _all(errors.CloudAwayError)}
    assert away == {"cloud_unreachable", "cloud_timeout", "cloud_rate_limited"}


def test_a_message_starts_with_its_code() -> None:
    assert errors.NotFoundError("no such place. Look again.").message == "not_found: no such place. Look again."


def test_a_message_has_at_most_a_thousand_characters() -> None:
    """A longer one could end a Python client's whole connection."""
    assert len(errors.CloudError("x" * 70_000).message) == 1000


def test_an_error_says_that_nothing_was_sent_unless_told_otherwise() -> None:
    """What fails before a call is made has sent nothing."""
    assert errors.InvalidRequestError("").outcome is Outcome.NEVER_SENT


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (2.5, "2.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (999999.999, "999999.999"),
        (23068673, "23068673"),
        (-1e300, "-1e+300"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
        ("x", '"x"'),
        (b"x", "bytes"),
    ],
)
def test_a_value_is_shown_as_its_sender_wrote_it(value: object, shown: str) -> None:
    """All digits of a number, as the last one may be what is wrong; what has parts is only named."""
    assert quoted(value) == shown


def test_a_quoted_text_has_at_most_80_characters() -> None:
    assert len(quoted("y" * 10_000)) == 80


@pytest.mark.parametrize("text", ["y" * 81, '"' * 81, "\n\x00" * 40, "é" * 15, "x" + "\U0001f600" * 10])
def test_a_text_that_is_cut_keeps_whole_characters_and_both_its_quotes(text: str) -> None:
    shown = quoted(text)
    assert shown.endswith('…"')
    assert len(shown) <= 80
    assert text.startswith(json.loads(shown.replace("…", "")))


@pytest.mark.parametrize("text", ["two\nlines", "a\rb", "\x1b[31mred", "\u2028", 'quo"te', "\u202e"])
def test_a_quoted_text_cannot_fake_a_log_line(text: str) -> None:
    """Line breaks and control characters are escaped, and nothing is lost."""
    shown = quoted(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(shown) == text


def test_a_text_is_cut_with_an_ellipsis() -> None:
    assert errors.shortened("abcdef", 4) == "abc…"


def test_a_text_that_fits_stays() -> None:
    assert errors.shortened("abcd", 4) == "abcd"


def test_an_error_of_the_wire_is_known_by_its_code_and_status() -> None:
    """Every error of the tree is; a text that only looks like one is not."""
    for kind in (errors.KeyRejectedError, errors.CloudUnimplementedError, errors.ChargeOutcomeUnknownError):
        assert errors.is_billing_error(kind.status, kind("x").message)
    assert not errors.is_billing_error(Status.UNKNOWN, errors.KeyRejectedError("x").message)
    assert not errors.is_billing_error(Status.NOT_FOUND, "not_found")
    assert not errors.is_billing_error(Status.UNKNOWN, "resource: not found")
    assert not errors.is_billing_error(Status.OK, None)
