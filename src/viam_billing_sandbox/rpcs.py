"""The table of what the cloud can do; every other method is UNIMPLEMENTED."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from viam.gen.app.v1 import app_pb2, billing_pb2
from viam.gen.proto.rpc.v1 import auth_pb2

from viam_billing_sandbox import app_calls, billing_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from viam_billing_sandbox.cloud import Call, Cloud

AUTH: Final = "proto.rpc.v1.AuthService"
BILLING: Final = "viam.app.v1.BillingService"
APP: Final = "viam.app.v1.AppService"


@dataclass(frozen=True)
class Rpc:
    """One method. Its work answers bytes where the answer is a stream of chunks, a message everywhere else."""

    service: str
    name: str
    request: type[Message]
    # Each work takes its own request type, which the table cannot say.
    work: Callable[[Cloud, Call, Any], Message | bytes]


_TABLE: Final = (
    Rpc(AUTH, "Authenticate", auth_pb2.AuthenticateRequest, app_calls.authenticate),
    Rpc(APP, "ListOrganizations", app_pb2.ListOrganizationsRequest, app_calls.list_organizations),
    Rpc(APP, "GetOrganization", app_pb2.GetOrganizationRequest, app_calls.get_organization),
    Rpc(APP, "ListLocations", app_pb2.ListLocationsRequest, app_calls.list_locations),
    Rpc(APP, "GetLocation", app_pb2.GetLocationRequest, app_calls.get_location),
    Rpc(
        BILLING,
        "GetCurrentMonthUsage",
        billing_pb2.GetCurrentMonthUsageRequest,
        billing_calls.get_current_month_usage,
    ),
    Rpc(
        BILLING,
        "GetOrgBillingInformation",
        billing_pb2.GetOrgBillingInformationRequest,
        billing_calls.get_org_billing_information,
    ),
    Rpc(BILLING, "GetInvoicesSummary", billing_pb2.GetInvoicesSummaryRequest, billing_calls.get_invoices_summary),
    Rpc(BILLING, "GetInvoicePdf", billing_pb2.GetInvoicePdfRequest, billing_calls.get_invoice_pdf),
    Rpc(
        BILLING,
        "SendPaymentRequiredEmail",
        billing_pb2.SendPaymentRequiredEmailRequest,
        billing_calls.send_payment_required_email,
    ),
    Rpc(
        BILLING,
        "GetAvailableBillingTiers",
        billing_pb2.GetAvailableBillingTiersRequest,
        billing_calls.get_available_billing_tiers,
    ),
    Rpc(
        BILLING,
        "UpdateOrganizationBillingTier",
        billing_pb2.UpdateOrganizationBillingTierRequest,
        billing_calls.update_organization_billing_tier,
    ),
    Rpc(
        BILLING,
        "GetLocationBillingOrganization",
        billing_pb2.GetLocationBillingOrganizationRequest,
        billing_calls.get_location_billing_organization,
    ),
    Rpc(
        BILLING,
        "UpdateLocationBillingOrganization",
        billing_pb2.UpdateLocationBillingOrganizationRequest,
        billing_calls.update_location_billing_organization,
    ),
    Rpc(BILLING, "ChargeOrganization", billing_pb2.ChargeOrganizationRequest, billing_calls.charge_organization),
    Rpc(
        BILLING,
        "CreateInvoiceAndChargeImmediately",
        billing_pb2.CreateInvoiceAndChargeImmediatelyRequest,
        billing_calls.create_invoice_and_charge_immediately,
    ),
)

RPCS: Final = {rpc.name: rpc for rpc in _TABLE}
STREAMED: Final = "GetInvoicePdf"
