"""An entry of the journal and the states that it may take."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest

from viam_billing.charging import refusals
from viam_billing.charging.charge import NEXT, ChargeRequest, Entry, State, fitting
from viam_billing.cloud.decoding import SeenInvoice
from viam_billing.core.errors import (
    BillingError,
    ChargeOutcomeUnknownError,
    CloudRejectedError,
    CloudTimeoutError,
    Outcome,
)
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S

STATES: tuple[Any, ...] = get_args(State)
MAY: set[tuple[Any, Any]] = {
    ("reserved", "sent"),
    ("reserved", "failed"),
    ("sent", "succeeded"),
    ("sent", "failed"),
    ("sent", "unknown"),
    ("unknown", "succeeded"),
    ("unknown", "failed"),
    ("failed", "reserved"),
}


def entry(state: Any = "sent", **changes: Any) -> Entry:  # noqa: ANN401 - the fields' own types
    """An entry of ten dollars."""
    return Entry(
        **{
            "key": "k",
            "command": "charge_organization",
            "org_id": "a",
            "total": Cents(1000),
            "parameters": "{}",
            "state": state,
            "created_at": 0.0,
            "journal_time": 0.0,
            "attempts": 1,
            "known_invoices": ("i",),
            **changes,
        }
    )


@pytest.mark.parametrize("pair", list(itertools.product(STATES, STATES)))
def test_only_what_is_drawn_may_follow(pair: tuple[Any, Any]) -> None:
    assert (pair[1] in NEXT[pair[0]]) is (pair in MAY)
    if pair in MAY:
        assert entry(pair[0]).becoming(pair[1]).state == pair[1]
    else:
        with pytest.raises(AssertionError, match="does not become"):
            entry(pair[0]).becoming(pair[1])


def test_what_a_state_brings_with_it() -> None:
    unknown = entry().unknown(CloudTimeoutError("x"))
    assert (unknown.state, unknown.error_code, unknown.known_invoices) == ("unknown", "cloud_timeout", ("i",))
    succeeded = unknown.succeeded("")
    assert (succeeded.invoice_id, succeeded.error_code, succeeded.known_invoices) == (None, None, None)
    assert entry().failed(CloudTimeoutError("x")).known_invoices is None


def test_the_order_of_parameters_does_not_matter() -> None:
    one = ChargeRequest.of("c", "a", Cents(1), "k", {"x": 1.0, "y": 2.0})
    assert one == ChargeRequest.of("c", "a", Cents(1), "k", {"y": 2.0, "x": 1.0})


def test_after_a_crash() -> None:
    assert entry("reserved").left_behind().state == "failed"
    assert entry("sent").left_behind().state == "unknown"


def test_what_ended_is_told_from_its_entry() -> None:
    with pytest.raises(CloudRejectedError) as failed:
        refusals.succeeded(entry("failed", error_code="cloud_rejected", error_text="no."))
    assert failed.value.text == "no. The same idempotency_key may be sent again."
    for state in ("reserved", "sent", "unknown"):
        with pytest.raises(ChargeOutcomeUnknownError):
            refusals.succeeded(entry(state))
    assert refusals.succeeded(entry("succeeded")).state == "succeeded"


@pytest.mark.parametrize(
    ("outcome", "words"), [(Outcome.NEVER_SENT, "Nothing was sent"), (Outcome.REFUSED, "Nothing was charged")]
)
def test_a_failure_says_that_the_key_may_be_sent_again(outcome: Outcome, words: str) -> None:
    error: BillingError = refusals.certain(CloudRejectedError("no."), outcome)
    assert (error.code, error.outcome, words in error.text) == ("cloud_rejected", outcome, True)


SENT_S = 1_795_262_400.0


def invoice(invoice_id: str = "new", amount: int | None = 1000, date_s: float | None = SENT_S) -> SeenInvoice:
    """An invoice that fits a charge of ten dollars."""
    return SeenInvoice(invoice_id, None if amount is None else Cents(amount), date_s, "paid")


def found(*invoices: SeenInvoice, known: tuple[str, ...] = ()) -> list[str]:
    """Which of them may be that charge's."""
    return fitting(entry(sent_at=SENT_S, known_invoices=known), invoices)


def test_a_new_invoice_of_the_amount_fits() -> None:
    assert found(invoice("x"), invoice("y")) == ["x", "y"]


def test_an_invoice_listed_twice_is_one_invoice() -> None:
    assert found(invoice("x"), invoice("x")) == ["x"]


def test_what_was_in_the_list_before_the_sending_does_not_fit() -> None:
    assert not found(invoice("old"), known=("old",))


@pytest.mark.parametrize("amount", [999, 1001, None])
def test_another_amount_does_not_fit(amount: int | None) -> None:
    assert not found(invoice(amount=amount))


@pytest.mark.parametrize(("date_s", "fits"), [(SENT_S - DAY_S, True), (SENT_S - DAY_S - 1, False), (None, False)])
def test_an_invoice_from_long_before_does_not_fit(date_s: float | None, fits: bool) -> None:  # noqa: FBT001 - from the table
    assert bool(found(invoice(date_s=date_s))) is fits


def test_without_a_list_or_a_sending_nothing_fits() -> None:
    assert not fitting(entry(sent_at=SENT_S, known_invoices=None), [invoice()])
    assert not fitting(entry(sent_at=None, known_invoices=()), [invoice()])
