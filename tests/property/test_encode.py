from __future__ import annotations

import json
import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from viam.gen.app.v1 import billing_pb2

from viam_billing.cloud import decoding

LOCAL_PARTS = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=20)
DIGITS = st.text(st.sampled_from("0123456789"), min_size=1, max_size=20)
KINDS = st.integers(0, 40)


@given(LOCAL_PARTS, DIGITS)
def test_masked_details_hold_neither_number_nor_name(local: str, number: str) -> None:
    """Nowhere in the answer; what else is in it has no digit and is in upper case."""
    shown = decoding.masked_payment_details(
        decoding.to_native(
            billing_pb2.GetOrgBillingInformationResponse(
                billing_email=f"{local}@EXAMPLE.COM",
                method_us_bank_account=billing_pb2.PaymentMethodUSBankAccount(
                    bank_name="B",
                    routing_number=number,
                    verification_info=billing_pb2.VerificationInfo(hosted_verification_page_url=f"{local}/{number}"),
                ),
            )
        )
    )
    account = shown["method_us_bank_account"]
    assert local not in shown["billing_email"]
    assert number not in json.dumps(
        {**account, "verification_info": {**account["verification_info"], "arrival_date": ""}}
    )
    assert "hosted_verification_page_url" not in account["verification_info"]


@given(st.one_of(st.text(max_size=40), st.text(st.sampled_from('ab@".'), max_size=12)))
def test_no_more_than_a_letter_of_an_email_is_shown(email: str) -> None:
    """Before its last at sign, which ends the local part; and nothing of what has none."""
    shown = decoding.masked_payment_details({"billing_email": email})["billing_email"]
    local, at, domain = email.rpartition("@")
    if not at:
        assert shown == ("***" if email else "")
    else:
        assert shown in {f"***@{domain}", f"{local[:1]}***@{domain}"}
        assert shown != email or local == "***"


@given(st.text(max_size=40))
def test_no_more_than_two_digits_of_a_number_are_shown(number: str) -> None:
    """And its length."""
    shown = decoding.masked_payment_details({"method_us_bank_account": {"routing_number": number}})
    masked = shown["method_us_bank_account"]["routing_number"]
    assert len(masked) == len(number)
    assert masked[:-2].strip("*") == ""
    assert set(masked) == {"*"} or len(number) > 4 or not number


@given(st.lists(st.tuples(KINDS, st.integers(0, 10**7).map(lambda mills: mills / 1000)), max_size=20))
def test_no_cost_is_lost(costs: list[tuple[int, float]]) -> None:
    """The kinds together are the sum of all, each rounded once."""
    usage = billing_pb2.GetCurrentMonthUsageResponse(
        resource_usage_costs_by_source=[
            billing_pb2.ResourceUsageCostsBySource(
                resource_usage_costs=billing_pb2.ResourceUsageCosts(
                    usage_costs=[billing_pb2.UsageCost(resource_type=kind, cost=cost)]  # type: ignore[arg-type] # a number is an enum's value
                )
            )
            for kind, cost in costs
        ]
    )
    found = decoding.cost_by_type(decoding.to_native(usage))
    by_kind: dict[int, Fraction] = {}
    for kind, cost in costs:
        by_kind[kind] = by_kind.get(kind, Fraction(0)) + Fraction(repr(cost))
    expected = sorted(math.floor(cost * 100 + Fraction(1, 2)) for cost in by_kind.values())
    assert sorted(round(dollars * 100) for dollars in found.values()) == expected
