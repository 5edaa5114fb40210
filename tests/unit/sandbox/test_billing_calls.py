from __future__ import annotations

from datetime import datetime, timezone

import pytest
from grpclib.const import Status
from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox import billing_calls
from viam_billing_sandbox.cloud import Call, Cloud, Refused
from viam_billing_sandbox.patch import apply
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID, DEFAULT_PATH
from viam_billing_sandbox.scenario_file import load
from viam_billing_sandbox.strict import ScenarioError

NOW = datetime(2026, 2, 15, tzinfo=timezone.utc)
HARBOR_ID = "a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b"


@pytest.fixture
def cloud() -> Cloud:
    """The default scenario in the middle of a February."""
    return Cloud(load(DEFAULT_PATH, NOW))


@pytest.fixture
def call(cloud: Cloud) -> Call:
    """By an owner of everything."""
    return Call(cloud.scenario.keys[0], NOW)


def test_usage_grows_with_the_month(cloud: Cloud, call: Call) -> None:
    """In the middle of the month, half of the month's costs and discount are told."""
    answer = billing_calls.get_current_month_usage(
        cloud, call, billing_pb2.GetCurrentMonthUsageRequest(org_id=DEFAULT_ORG_ID)
    )
    assert answer.subtotal == pytest.approx((1676.0 - 25.0 + 275.0) / 2)
    assert answer.end_date.ToDatetime(timezone.utc) == datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert [each.tier_name for each in answer.resource_usage_costs_by_source] == ["", "palletizer-premium"]


def test_the_outstanding_balance_is_of_outstanding_invoices(cloud: Cloud, call: Call) -> None:
    """Paid invoices and those in processing do not count."""
    answer = billing_calls.get_invoices_summary(cloud, call, billing_pb2.GetInvoicesSummaryRequest(org_id=HARBOR_ID))
    assert answer.outstanding_balance == 489.95


def test_a_bank_account_has_its_verification(cloud: Cloud, call: Call) -> None:
    """The scenario's bank account arrives in the proto's fields."""
    request = billing_pb2.GetOrgBillingInformationRequest(org_id=HARBOR_ID)
    answer = billing_calls.get_org_billing_information(cloud, call, request)
    assert answer.type == billing_pb2.PAYMENT_METHOD_TYPE_USBANKACCOUNT
    assert answer.method_us_bank_account.verification_info.arrival_date == 1771286400
    assert not answer.HasField("method")


@pytest.mark.parametrize(("subtotal", "tax"), [(0.0, 1.0), (-1.0, 0.0), (5.0, -0.5), (float("nan"), 0.0)])
def test_a_charge_needs_a_positive_amount(cloud: Cloud, call: Call, subtotal: float, tax: float) -> None:
    """Nothing is invoiced for an amount that is none."""
    request = billing_pb2.ChargeOrganizationRequest(org_id_to_charge=HARBOR_ID, subtotal=subtotal, tax=tax)
    with pytest.raises(Refused) as caught:
        billing_calls.charge_organization(cloud, call, request)
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert not cloud.records.charges


def test_an_immediate_invoice_is_paid(cloud: Cloud, call: Call) -> None:
    """The deprecated call makes a paid invoice, dated now."""
    request = billing_pb2.CreateInvoiceAndChargeImmediatelyRequest(org_id_to_charge=HARBOR_ID, amount=7.25)
    invoice_id = billing_calls.create_invoice_and_charge_immediately(cloud, call, request).invoice_id
    newest = cloud.scenario.organizations[HARBOR_ID].invoices[-1]
    assert (newest.id, newest.amount, newest.status, newest.date) == (invoice_id, 7.25, "paid", NOW)


def test_a_wrong_patch_changes_nothing(cloud: Cloud) -> None:
    """What is right in it does not hold either."""
    with pytest.raises(ScenarioError, match="patch: Object contains unknown field `colour`"):
        apply(cloud, {"organization": HARBOR_ID, "tells_tier": False, "colour": "red"}, NOW)
    assert cloud.scenario.organizations[HARBOR_ID].tells_tier


def test_a_patch_without_a_subject_is_explained(cloud: Cloud) -> None:
    """A patch names an organization or a location."""
    with pytest.raises(ScenarioError, match="patch: Object missing required field `organization`"):
        apply(cloud, {"name": "X"}, NOW)
