"""The methods of Viam's services that the sandbox has; every other one is UNIMPLEMENTED."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from viam.gen.app.v1 import app_pb2, billing_pb2
from viam.gen.proto.rpc.v1 import auth_pb2

from viam_billing_sandbox import app_calls, billing_calls, white_label_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from viam_billing_sandbox.cloud import Call, Cloud

AUTH: Final = "proto.rpc.v1.AuthService"
BILLING: Final = "viam.app.v1.BillingService"
APP: Final = "viam.app.v1.AppService"


@dataclass(frozen=True)
class Method:
    """One method. Its work returns a message, or bytes where the answer is a stream of chunks."""

    service: str
    name: str
    request: type[Message]
    # Each function takes its own type of request, which the type of the table cannot express.
    work: Callable[[Cloud, Call, Any], Message | bytes]


_TABLE: Final = (
    Method(AUTH, "Authenticate", auth_pb2.AuthenticateRequest, app_calls.authenticate),
    Method(APP, "ListOrganizations", app_pb2.ListOrganizationsRequest, app_calls.list_organizations),
    Method(APP, "GetOrganization", app_pb2.GetOrganizationRequest, app_calls.get_organization),
    Method(APP, "ListLocations", app_pb2.ListLocationsRequest, app_calls.list_locations),
    Method(APP, "GetLocation", app_pb2.GetLocationRequest, app_calls.get_location),
    Method(
        APP,
        "GetBillingServiceConfig",
        app_pb2.GetBillingServiceConfigRequest,
        white_label_calls.get_billing_service_config,
    ),
    Method(APP, "EnableBillingService", app_pb2.EnableBillingServiceRequest, white_label_calls.enable_billing_service),
    Method(APP, "UpdateBillingService", app_pb2.UpdateBillingServiceRequest, white_label_calls.update_billing_service),
    Method(
        APP, "DisableBillingService", app_pb2.DisableBillingServiceRequest, white_label_calls.disable_billing_service
    ),
    Method(
        APP,
        "OrganizationSetSupportEmail",
        app_pb2.OrganizationSetSupportEmailRequest,
        white_label_calls.organization_set_support_email,
    ),
    Method(
        APP,
        "OrganizationGetSupportEmail",
        app_pb2.OrganizationGetSupportEmailRequest,
        white_label_calls.organization_get_support_email,
    ),
    Method(APP, "OrganizationSetLogo", app_pb2.OrganizationSetLogoRequest, white_label_calls.organization_set_logo),
    Method(APP, "OrganizationGetLogo", app_pb2.OrganizationGetLogoRequest, white_label_calls.organization_get_logo),
    Method(
        BILLING,
        "GetCurrentMonthUsage",
        billing_pb2.GetCurrentMonthUsageRequest,
        billing_calls.get_current_month_usage,
    ),
    Method(
        BILLING,
        "GetOrgBillingInformation",
        billing_pb2.GetOrgBillingInformationRequest,
        billing_calls.get_org_billing_information,
    ),
    Method(BILLING, "GetInvoicesSummary", billing_pb2.GetInvoicesSummaryRequest, billing_calls.get_invoices_summary),
    Method(BILLING, "GetInvoicePdf", billing_pb2.GetInvoicePdfRequest, billing_calls.get_invoice_pdf),
    Method(
        BILLING,
        "SendPaymentRequiredEmail",
        billing_pb2.SendPaymentRequiredEmailRequest,
        billing_calls.send_payment_required_email,
    ),
    Method(
        BILLING,
        "GetAvailableBillingTiers",
        billing_pb2.GetAvailableBillingTiersRequest,
        billing_calls.get_available_billing_tiers,
    ),
    Method(
        BILLING,
        "UpdateOrganizationBillingTier",
        billing_pb2.UpdateOrganizationBillingTierRequest,
        billing_calls.update_organization_billing_tier,
    ),
    Method(
        BILLING,
        "GetLocationBillingOrganization",
        billing_pb2.GetLocationBillingOrganizationRequest,
        billing_calls.get_location_billing_organization,
    ),
    Method(
        BILLING,
        "UpdateLocationBillingOrganization",
        billing_pb2.UpdateLocationBillingOrganizationRequest,
        billing_calls.update_location_billing_organization,
    ),
    Method(BILLING, "ChargeOrganization", billing_pb2.ChargeOrganizationRequest, billing_calls.charge_organization),
    Method(
        BILLING,
        "CreateInvoiceAndChargeImmediately",
        billing_pb2.CreateInvoiceAndChargeImmediatelyRequest,
        billing_calls.create_invoice_and_charge_immediately,
    ),
)

METHODS: Final = {f"/{method.service}/{method.name}": method for method in _TABLE}
"""By their path in HTTP/2."""
NAMES: Final = tuple(method.name for method in _TABLE)
