"""The eleven calls of BillingService, as functions on the cloud's state."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from grpclib.const import Status
from msgspec import UNSET
from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox import pdf
from viam_billing_sandbox.cloud import Refused, denied, require_owner
from viam_billing_sandbox.months import elapsed_fraction, month_start
from viam_billing_sandbox.scenario import Invoice

if TYPE_CHECKING:
    from viam_billing_sandbox.cloud import Call, Cloud
    from viam_billing_sandbox.scenario import Organization, UsageSource

OUTSTANDING: Final = "outstanding"


def get_current_month_usage(
    cloud: Cloud, call: Call, request: billing_pb2.GetCurrentMonthUsageRequest
) -> billing_pb2.GetCurrentMonthUsageResponse:
    """Returns the month's costs so far; the deprecated fields stay 0, as in the real cloud."""
    organization = _billed(cloud, call, request.org_id)
    share = elapsed_fraction(call.now) if organization.usage_grows else 1.0
    answer = billing_pb2.GetCurrentMonthUsageResponse()
    start = month_start(call.now) if organization.usage_start is UNSET else organization.usage_start
    end = month_start(call.now, 1) if organization.usage_end is UNSET else organization.usage_end
    if start is not None:
        answer.start_date.FromDatetime(start)
    if end is not None:
        answer.end_date.FromDatetime(end)
    answer.resource_usage_costs_by_source.extend(_usage(source, share) for source in organization.usage)
    answer.subtotal = sum(
        each.resource_usage_costs.total_with_discount for each in answer.resource_usage_costs_by_source
    )
    return answer


def get_org_billing_information(
    cloud: Cloud, call: Call, request: billing_pb2.GetOrgBillingInformationRequest
) -> billing_pb2.GetOrgBillingInformationResponse:
    """Returns how an organization pays; the tier is absent where the scenario hides it."""
    organization = _billed(cloud, call, request.org_id)
    answer = billing_pb2.GetOrgBillingInformationResponse(billing_email=organization.billing_email)
    if organization.card is not None:
        answer.type = billing_pb2.PAYMENT_METHOD_TYPE_CARD
        answer.method.CopyFrom(organization.card)
    if organization.bank is not None:
        answer.type = billing_pb2.PAYMENT_METHOD_TYPE_USBANKACCOUNT
        answer.method_us_bank_account.CopyFrom(organization.bank)
    if organization.tells_tier:
        answer.billing_tier = organization.billing_tier
    return answer


def get_invoices_summary(
    cloud: Cloud, call: Call, request: billing_pb2.GetInvoicesSummaryRequest
) -> billing_pb2.GetInvoicesSummaryResponse:
    """Lists the invoices, oldest first."""
    invoices = _billed(cloud, call, request.org_id).invoices
    answer = billing_pb2.GetInvoicesSummaryResponse(invoices=[_summary(each) for each in invoices])
    answer.outstanding_balance = sum(each.amount for each in invoices if each.status == OUTSTANDING)
    return answer


def get_invoice_pdf(cloud: Cloud, call: Call, request: billing_pb2.GetInvoicePdfRequest) -> bytes:
    """Returns an invoice as a PDF, which the server cuts into chunks."""
    organization = _billed(cloud, call, request.org_id)
    for each in organization.invoices:
        if each.id == request.id:
            lines = (
                f"Invoice {each.id}",
                organization.name,
                f"Date: {each.date:%Y-%m-%d}",
                f"Amount: {each.amount:.2f} USD",
                each.description,
                "Made by a sandbox: nothing is owed.",
            )
            size_bytes = call.plan.first(lambda fault: fault.pdf_size_bytes) or organization.pdf_size_bytes
            return pdf.render(lines, size_bytes=size_bytes)
    raise Refused(Status.NOT_FOUND, f"invoice {request.id!r} not found")


def send_payment_required_email(
    cloud: Cloud, call: Call, request: billing_pb2.SendPaymentRequiredEmailRequest
) -> billing_pb2.SendPaymentRequiredEmailResponse:
    """Records an e-mail instead of sending it."""
    customer = cloud.organization(request.customer_org_id)
    owner = _billed(cloud, call, request.billing_owner_org_id)
    cloud.records.emails.append({"customer_org_id": customer.id, "billing_owner_org_id": owner.id})
    return billing_pb2.SendPaymentRequiredEmailResponse()


def get_available_billing_tiers(
    cloud: Cloud, call: Call, _request: billing_pb2.GetAvailableBillingTiersRequest
) -> billing_pb2.GetAvailableBillingTiersResponse:
    """Lists the tiers, which are the same for everybody."""
    require_owner(call)
    return billing_pb2.GetAvailableBillingTiersResponse(tiers=cloud.scenario.billing_tiers)


def update_organization_billing_tier(
    cloud: Cloud, call: Call, request: billing_pb2.UpdateOrganizationBillingTierRequest
) -> billing_pb2.UpdateOrganizationBillingTierResponse:
    """Changes an organization's tier."""
    organization = _billed(cloud, call, request.organization_id)
    if request.billing_tier not in cloud.scenario.billing_tiers:
        raise Refused(Status.INVALID_ARGUMENT, f"unknown billing tier {request.billing_tier!r}")
    organization.billing_tier = request.billing_tier
    cloud.records.changes.append({"organization_id": organization.id, "billing_tier": request.billing_tier})
    return billing_pb2.UpdateOrganizationBillingTierResponse()


def get_location_billing_organization(
    cloud: Cloud, call: Call, request: billing_pb2.GetLocationBillingOrganizationRequest
) -> billing_pb2.GetLocationBillingOrganizationResponse:
    """Returns who pays for a location; only its owner and the payer may ask."""
    require_owner(call)
    location = cloud.location(request.location_id)
    payer = location.billing_organization_id
    if call.key is None or not (call.key.owns(location.organization_id) or (payer and call.key.owns(payer))):
        raise denied()
    return billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id=payer)


def update_location_billing_organization(
    cloud: Cloud, call: Call, request: billing_pb2.UpdateLocationBillingOrganizationRequest
) -> billing_pb2.UpdateLocationBillingOrganizationResponse:
    """Changes who pays for a location; the key has to own the location and the new payer."""
    location = cloud.location(request.location_id)
    _billed(cloud, call, location.organization_id)
    payer = _billed(cloud, call, request.billing_organization_id)
    location.billing_organization_id = payer.id
    cloud.records.changes.append({"location_id": location.id, "billing_organization_id": payer.id})
    return billing_pb2.UpdateLocationBillingOrganizationResponse()


def charge_organization(
    cloud: Cloud, call: Call, request: billing_pb2.ChargeOrganizationRequest
) -> billing_pb2.ChargeOrganizationResponse:
    """Makes a paid invoice. An equal call makes another one: there is no idempotency key."""
    organization = _billed(cloud, call, request.org_id_to_charge)
    if not (request.subtotal > 0 and request.tax >= 0):
        raise Refused(Status.INVALID_ARGUMENT, "subtotal must be above 0 and tax at least 0")
    invoice_id = _charge(cloud, call, organization, request.subtotal + request.tax, request.description)
    return billing_pb2.ChargeOrganizationResponse(invoice_id=invoice_id)


def create_invoice_and_charge_immediately(
    cloud: Cloud, call: Call, request: billing_pb2.CreateInvoiceAndChargeImmediatelyRequest
) -> billing_pb2.CreateInvoiceAndChargeImmediatelyResponse:
    """Makes a paid invoice at once; the real cloud may take two minutes, for which there are latency faults."""
    organization = _billed(cloud, call, request.org_id_to_charge)
    if not request.amount > 0:
        raise Refused(Status.INVALID_ARGUMENT, "amount must be above 0")
    invoice_id = _charge(cloud, call, organization, request.amount, request.description)
    return billing_pb2.CreateInvoiceAndChargeImmediatelyResponse(invoice_id=invoice_id)


def _billed(cloud: Cloud, call: Call, org_id: str) -> Organization:
    require_owner(call)
    return cloud.owned(call, org_id)


def _charge(cloud: Cloud, call: Call, organization: Organization, amount: float, description: str) -> str:
    invoice = Invoice(
        id=f"in_{uuid.uuid4().hex[:24]}",
        date=call.now,
        amount=amount,
        status="paid",
        due_date=call.now,
        paid_date=call.now,
        description=description or "Charge",
    )
    organization.invoices.append(invoice)
    cloud.records.charges.append(
        {"org_id": organization.id, "amount": amount, "description": description, "invoice_id": invoice.id}
    )
    return invoice.id


def _usage(source: UsageSource, share: float) -> billing_pb2.ResourceUsageCostsBySource:
    costs = [
        # Enums of proto3 are open: an unknown number is allowed, although its type does not say so.
        billing_pb2.UsageCost(resource_type=kind, cost=dollars * share)  # type: ignore[arg-type]
        for kind, dollars in source.costs.items()
    ]
    total = sum(each.cost for each in costs)
    discount = source.discount * share
    return billing_pb2.ResourceUsageCostsBySource(
        source_type=source.source_type,
        tier_name=source.tier_name,
        resource_usage_costs=billing_pb2.ResourceUsageCosts(
            usage_costs=costs,
            discount=discount,
            total_with_discount=max(total - discount, min(total, 0.0)),
            total_without_discount=total,
        ),
    )


def _summary(invoice: Invoice) -> billing_pb2.InvoiceSummary:
    summary = billing_pb2.InvoiceSummary(
        id=invoice.id,
        invoice_amount=invoice.amount,
        status=invoice.status,
        last_payment_failure_reason=invoice.failure_reason,
    )
    summary.invoice_date.FromDatetime(invoice.date)
    summary.due_date.FromDatetime(invoice.due_date)
    if invoice.paid_date is not None:
        summary.paid_date.FromDatetime(invoice.paid_date)
    if invoice.failure_at is not None:
        summary.last_payment_failure_at.FromDatetime(invoice.failure_at)
    return summary
