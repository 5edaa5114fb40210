from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from viam.gen.app.v1 import billing_pb2

from viam_billing.cloud import decoding
from viam_billing.core.errors import CloudError

Usage = billing_pb2.GetCurrentMonthUsageResponse
Information = billing_pb2.GetOrgBillingInformationResponse


def usage(*costs: tuple[int, float], subtotal: float = 0.0) -> Usage:
    """Usage with each cost in a source of its own."""
    return Usage(
        subtotal=subtotal,
        resource_usage_costs_by_source=[
            billing_pb2.ResourceUsageCostsBySource(
                resource_usage_costs=billing_pb2.ResourceUsageCosts(
                    usage_costs=[billing_pb2.UsageCost(resource_type=kind, cost=cost)]  # type: ignore[arg-type] # a number is an enum's value
                )
            )
            for kind, cost in costs
        ],
    )


def information() -> dict[str, Any]:
    """What an organization that pays by bank has told the cloud."""
    return decoding.to_native(
        Information(
            type=billing_pb2.PAYMENT_METHOD_TYPE_USBANKACCOUNT,
            billing_email="jane.doe@example.com",
            method_us_bank_account=billing_pb2.PaymentMethodUSBankAccount(
                bank_name="Bank",
                last_four_digits_account_number="6789",
                routing_number="110000000",
                account_type="checking",
                verification_info=billing_pb2.VerificationInfo(
                    arrival_date=5, hosted_verification_page_url="https://pay.example.com/secret"
                ),
            ),
        )
    )


def test_a_zero_is_printed() -> None:
    """A field without presence is there even when it is zero."""
    assert decoding.to_native(Usage())["subtotal"] == 0.0


def test_a_missing_message_is_left_out() -> None:
    """And is never null."""
    assert "start_date" not in decoding.to_native(Usage())


def test_a_deprecated_zero_is_left_out() -> None:
    """The older totals are no longer filled."""
    deprecated = {field.name for field in Usage.DESCRIPTOR.fields if field.GetOptions().deprecated}
    assert "total_usage_with_discount" in deprecated
    assert not deprecated & set(decoding.to_native(Usage()))


def test_a_deprecated_figure_is_shown() -> None:
    """Where the cloud still fills it."""
    assert decoding.to_native(Usage(discount_amount=1.5))["discount_amount"] == 1.5


def test_names_are_the_protos() -> None:
    """Snake case, as the proto has them."""
    assert set(decoding.to_native(billing_pb2.InvoiceSummary())) == {
        "id",
        "invoice_amount",
        "status",
        "last_payment_failure_reason",
    }


def test_a_time_is_rfc_3339() -> None:
    """In UTC, with Z."""
    assert decoding.to_native(Usage(start_date=Timestamp(seconds=1)))["start_date"] == "1970-01-01T00:00:01Z"


def test_an_enum_is_text() -> None:
    """Its name in the proto."""
    assert information()["type"] == "PAYMENT_METHOD_TYPE_USBANKACCOUNT"


def test_an_unknown_enum_is_its_number() -> None:
    """A cloud that is newer than this build."""
    assert decoding.to_native(Information(type=99))["type"] == 99  # type: ignore[arg-type] # a value of the future


def test_a_time_that_json_has_no_form_for_is_an_error() -> None:
    """After the year 9999."""
    with pytest.raises(CloudError, match="no JSON form"):
        decoding.to_native(Usage(start_date=Timestamp(seconds=10**15)))


def test_an_email_is_masked() -> None:
    """Its owner still knows it by its first letter."""
    assert decoding.masked_payment_details(information())["billing_email"] == "j***@example.com"


@pytest.mark.parametrize(
    ("email", "masked"),
    [("", ""), ("j@example.com", "***@example.com"), ("no-at-sign", "***"), ("@example.com", "***@example.com")],
)
def test_an_odd_email_is_masked(email: str, masked: str) -> None:
    """A single letter would be all of it."""
    assert decoding.masked_payment_details({"billing_email": email})["billing_email"] == masked


def test_an_email_with_two_at_signs_is_masked() -> None:
    """A quoted local part may hold one (RFC 5321, 4.1.2): the domain begins after the last."""
    masked = decoding.masked_payment_details({"billing_email": '"jane@doe"@example.com'})
    assert "doe" not in masked["billing_email"]


@pytest.mark.parametrize(("number", "masked"), [("110000045", "*******45"), ("1234", "****"), ("", "")])
def test_a_routing_number_is_masked(number: str, masked: str) -> None:
    """All but its last two digits, and all of a short one."""
    found = decoding.masked_payment_details({"method_us_bank_account": {"routing_number": number}})
    assert found["method_us_bank_account"]["routing_number"] == masked


def test_the_verification_link_is_left_out() -> None:
    """Whoever has it can act for the organization; the date stays."""
    found = decoding.masked_payment_details(information())["method_us_bank_account"]
    assert found["verification_info"] == {"arrival_date": "5"}


def test_masking_leaves_the_original() -> None:
    """What it was made from is not changed."""
    original = information()
    decoding.masked_payment_details(original)
    assert original == information()


def test_costs_are_summed_over_sources() -> None:
    """By kind, in whole cents, the unrounded values added first."""
    found = decoding.cost_by_type(
        decoding.to_native(
            usage(
                (billing_pb2.USAGE_COST_TYPE_PER_MACHINE, 0.004),
                (billing_pb2.USAGE_COST_TYPE_BINARY_DATA_UPLOAD, 1.5),
                (billing_pb2.USAGE_COST_TYPE_PER_MACHINE, 0.004),
                (billing_pb2.USAGE_COST_TYPE_PER_MACHINE, 0.004),
            )
        )
    )
    assert found == {"binary_data_upload": 1.5, "per_machine": 0.01}


def test_a_cost_of_an_unknown_kind_is_not_lost() -> None:
    """Its key is the number."""
    assert decoding.cost_by_type(decoding.to_native(usage((999, 2.0)))) == {"unknown_999": 2.0}


def test_without_usage_there_are_no_costs() -> None:
    """No kind is made up."""
    assert decoding.cost_by_type(decoding.to_native(Usage())) == {}


@pytest.mark.parametrize("figure", [math.nan, math.inf, 1e12])
def test_a_cost_that_is_no_amount_is_an_error(figure: float) -> None:
    """And no figure."""
    with pytest.raises(CloudError, match="no number"):
        decoding.cost_by_type(decoding.to_native(usage((1, figure))))


@pytest.mark.parametrize("value", [None, "NaN", "12", [], {}])
def test_what_is_no_number_is_no_amount(value: object) -> None:
    """A figure that is missing is not 0."""
    with pytest.raises(CloudError):
        decoding.amount(value)


def test_a_tier_that_is_not_told_is_not_known() -> None:
    """The cloud tells it to billing dashboard admins only."""
    assert decoding.told_tier(Information()) is None


def test_a_tier_that_is_told_is_known() -> None:
    """Even an empty one."""
    assert (decoding.told_tier(Information(billing_tier="pro")), decoding.told_tier(Information(billing_tier=""))) == (
        "pro",
        "",
    )


def test_known_costs_are_unrounded() -> None:
    """The shortest decimals added."""
    machines = billing_pb2.USAGE_COST_TYPE_PER_MACHINE
    found = decoding.known_costs(decoding.to_native(usage((machines, 0.1), (machines, 0.2), (999, -0.004))))
    assert found == {"per_machine": 0.3, "unknown_999": -0.004}


@pytest.mark.parametrize(("subtotal", "known"), [(0.0, {}), (5.0, None), (-5.0, None)])
def test_a_cost_without_any_kind_is_not_known_by_kind(subtotal: float, known: object) -> None:
    """A month that has cost nothing is."""
    assert decoding.known_costs(decoding.to_native(Usage(subtotal=subtotal))) == known


@pytest.mark.parametrize("figure", [math.nan, math.inf, 1e12])
def test_a_cost_that_is_no_amount_leaves_all_kinds_unknown(figure: float) -> None:
    """The total still counts."""
    assert decoding.known_costs(decoding.to_native(usage((1, figure), (2, 1.0)))) is None
