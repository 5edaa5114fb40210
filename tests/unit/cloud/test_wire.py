from __future__ import annotations

import math

import pytest
from google.protobuf.message import DecodeError, Message
from viam.gen.app.v1 import app_pb2, billing_pb2

from viam_billing.cloud import wire
from viam_billing.cloud.failures import UnreadableAnswerError

INVOICES = billing_pb2.GetInvoicesSummaryResponse
TIERS = billing_pb2.GetAvailableBillingTiersResponse
PAYER = billing_pb2.GetLocationBillingOrganizationResponse
USAGE = billing_pb2.GetCurrentMonthUsageResponse


def is_refused(message: Message) -> bool:
    """Whether an answer is refused for what it holds; one that is not reads as protobuf reads it."""
    data = message.SerializeToString()
    try:
        assert wire.read(type(message), data) == type(message).FromString(data)
    except UnreadableAnswerError:
        assert wire.SUSPECT.search(data)  # else nobody would have looked
        return True
    return False


def invoices(count: int) -> Message:
    """A summary of so many invoices, each with all its dates."""
    summary = INVOICES(outstanding_balance=1.5)
    for number in range(count):
        invoice = summary.invoices.add(id=f"i{number}", invoice_amount=12.5, status="paid")
        for date in (invoice.invoice_date, invoice.due_date, invoice.paid_date, invoice.last_payment_failure_at):
            date.FromSeconds(1_790_000_000)
    return summary


@pytest.mark.parametrize("length", [1, 256, 257, 10_000])
@pytest.mark.parametrize("letter", ["x", "é", "€"])
def test_an_id_has_at_most_256_characters(letter: str, length: int) -> None:
    too_long = length > 256
    assert is_refused(PAYER(billing_organization_id=letter * length)) is too_long
    assert is_refused(INVOICES(invoices=[billing_pb2.InvoiceSummary(id=letter * length)])) is too_long


def test_a_text_has_at_most_8_kib() -> None:
    assert not is_refused(TIERS(tiers=["x" * 8192]))
    assert is_refused(TIERS(tiers=["x" * 8193]))


def test_texts_have_at_most_4_mib_together() -> None:
    assert not is_refused(TIERS(tiers=["x" * 8192] * 512))
    assert is_refused(TIERS(tiers=["x" * 8192] * 513))


@pytest.mark.parametrize(("size", "too_large"), [(4 * 2**20, False), (4 * 2**20 + 1, True)])
def test_a_piece_of_a_file_has_at_most_4_mib(size: int, *, too_large: bool) -> None:
    assert is_refused(billing_pb2.GetInvoicePdfResponse(chunk=size * b"x")) is too_large


def test_lists_of_large_answers_are_bounded() -> None:
    """By what an organization may have."""
    assert not is_refused(TIERS(tiers=["x" * 20] * 5_000))
    assert is_refused(TIERS(tiers=["x" * 20] * 5_001))
    assert not is_refused(invoices(10_000))
    assert is_refused(invoices(10_001))
    location = app_pb2.Location(id="l", organizations=[app_pb2.LocationOrganization(organization_id="o")])
    location.created_on.FromSeconds(1)
    assert not is_refused(app_pb2.ListLocationsResponse(locations=[location] * 50_000))
    assert is_refused(app_pb2.ListLocationsResponse(locations=[location] * 50_001))


@pytest.mark.parametrize("number", [math.nan, -math.nan, math.inf, -math.inf])
def test_a_number_is_finite(number: float) -> None:
    """Wherever it is."""
    costs = billing_pb2.ResourceUsageCosts(usage_costs=[billing_pb2.UsageCost(cost=number)])
    source = billing_pb2.ResourceUsageCostsBySource(resource_usage_costs=costs)
    assert is_refused(USAGE(subtotal=number))
    assert is_refused(USAGE(resource_usage_costs_by_source=[source]))
    assert is_refused(INVOICES(invoices=[billing_pb2.InvoiceSummary(invoice_amount=number)]))


@pytest.mark.parametrize("number", [0.0, -0.0, 5e-324, 1.7e308, -1.7e308])
def test_every_finite_number_is_read(number: float) -> None:
    assert not is_refused(USAGE(subtotal=number))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 300,
        b"\x0a\x05abc",
        b"\x0b" * 300,
        b"\x0a",
        b"\x09\x00",
        b"\x0d\x00",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\xff" * 20_000_000,
    ],
    ids=[
        "no number",
        "short text",
        "group",
        "no length",
        "short double",
        "short float",
        "long text",
        "20 MB of a number",
    ],
)
def test_what_is_no_message_is_told_at_once(data: bytes) -> None:
    with pytest.raises(DecodeError):
        wire.read(USAGE, data)


def test_unknown_fields_may_be_long() -> None:
    """A newer cloud may say more."""
    data = USAGE(subtotal=1.5).SerializeToString() + b"\xfa\x7f\x80\x80\x40" + bytes(2**20)
    assert wire.read(USAGE, data).subtotal == 1.5
