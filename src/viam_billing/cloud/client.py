"""Viam's cloud as the commands see it: one typed method for each call.

Every method raises `BillingError`s only and keeps its deadline. What changes something is sent at most once, and the
`outcome` of its error says what is known of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message
from viam.gen.app.v1 import app_pb2 as app
from viam.gen.app.v1 import billing_pb2 as billing

from viam_billing.cloud.calls import Calls, Sink
from viam_billing.cloud.error_mapping import as_change
from viam_billing.cloud.failures import outcome_of_change, outcome_of_charge
from viam_billing.core.errors import BillingError
from viam_billing.core.times import Deadline


class CloudClient:
    """The typed calls of one service."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get_current_month_usage(self, org_id: str, deadline: Deadline) -> billing.GetCurrentMonthUsageResponse:
        """What an organization has cost since the start of the month."""
        request = billing.GetCurrentMonthUsageRequest(org_id=org_id)
        return await self._calls.read(request, billing.GetCurrentMonthUsageResponse, deadline)

    async def get_org_billing_information(
        self, org_id: str, deadline: Deadline
    ) -> billing.GetOrgBillingInformationResponse:
        """How an organization pays and on which tier it is; payment details in clear."""
        request = billing.GetOrgBillingInformationRequest(org_id=org_id)
        return await self._calls.read(request, billing.GetOrgBillingInformationResponse, deadline)

    async def get_invoices_summary(self, org_id: str, deadline: Deadline) -> billing.GetInvoicesSummaryResponse:
        """All invoices of an organization."""
        request = billing.GetInvoicesSummaryRequest(org_id=org_id)
        return await self._calls.read(request, billing.GetInvoicesSummaryResponse, deadline)

    async def get_available_billing_tiers(self, deadline: Deadline) -> billing.GetAvailableBillingTiersResponse:
        """The tiers that an organization can be put on."""
        request = billing.GetAvailableBillingTiersRequest()
        return await self._calls.read(request, billing.GetAvailableBillingTiersResponse, deadline)

    async def get_location_billing_organization(
        self, location_id: str, deadline: Deadline
    ) -> billing.GetLocationBillingOrganizationResponse:
        """Who pays for a location; an empty ID where nobody is named."""
        request = billing.GetLocationBillingOrganizationRequest(location_id=location_id)
        return await self._calls.read(request, billing.GetLocationBillingOrganizationResponse, deadline)

    async def get_location(self, location_id: str, deadline: Deadline) -> app.GetLocationResponse:
        """A location by its ID."""
        request = app.GetLocationRequest(location_id=location_id)
        return await self._calls.read(request, app.GetLocationResponse, deadline)

    async def list_locations(self, org_id: str, deadline: Deadline) -> app.ListLocationsResponse:
        """All locations of an organization."""
        request = app.ListLocationsRequest(organization_id=org_id)
        return await self._calls.read(request, app.ListLocationsResponse, deadline)

    async def get_white_label(self, rpc: str, org_id: str, deadline: Deadline) -> Message:
        """How an organization bills others: what one of AppService's three calls about it answers."""
        request: Message = getattr(app, f"{rpc}Request")(org_id=org_id)
        return await self._calls.read(request, getattr(app, f"{rpc}Response"), deadline)

    async def change_white_label(self, rpc: str, fields: Mapping[str, Any], deadline: Deadline) -> None:
        """Change it by one of AppService's five calls, with the fields of its request."""
        await self._change(getattr(app, f"{rpc}Request")(**fields), deadline)

    async def stream_invoice_pdf(self, invoice_id: str, org_id: str, deadline: Deadline, sink: Sink) -> None:
        """An invoice's PDF, chunk by chunk. What the sink took before an error is to be thrown away."""
        request = billing.GetInvoicePdfRequest(id=invoice_id, org_id=org_id)
        await self._calls.read(request, billing.GetInvoicePdfResponse, deadline, sink)

    async def log_in(self, deadline: Deadline) -> None:
        """Connect and log in: what fails here was certainly not sent."""
        await self._calls.log_in(deadline)

    async def send_payment_required_email(self, customer_org_id: str, owner_org_id: str, deadline: Deadline) -> None:
        """Have Viam write to a customer's owners that a payment is due."""
        request = billing.SendPaymentRequiredEmailRequest(
            customer_org_id=customer_org_id, billing_owner_org_id=owner_org_id
        )
        await self._change(request, deadline)

    async def update_organization_billing_tier(self, org_id: str, tier: str, deadline: Deadline) -> None:
        """Put an organization on another tier."""
        request = billing.UpdateOrganizationBillingTierRequest(organization_id=org_id, billing_tier=tier)
        await self._change(request, deadline)

    async def update_location_billing_organization(self, location_id: str, org_id: str, deadline: Deadline) -> None:
        """Have another organization pay for a location."""
        request = billing.UpdateLocationBillingOrganizationRequest(
            location_id=location_id, billing_organization_id=org_id
        )
        await self._change(request, deadline)

    async def charge(
        self, command: str, parameters: Mapping[str, Any], deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> str:
        """Charge an organization by one of the two calls, named as their commands are. Returns the new invoice's ID.

        `parameters` are the fields of its request. `mark_sent` is called when the connection stands, right before the
        request is sent; where it raises, nothing is sent.
        """
        request = _CHARGES[command](**parameters)
        answer = await self._calls.send_once(request, deadline, outcome_of_charge, mark_sent)
        invoice_id: str = getattr(answer, "invoice_id", "")
        return invoice_id

    async def _change(self, request: Message, deadline: Deadline) -> None:
        try:
            await self._calls.send_once(request, deadline, outcome_of_change)
        except BillingError as error:
            raise as_change(error) from None


_CHARGES: Final[Mapping[str, Callable[..., Message]]] = {
    "charge_organization": billing.ChargeOrganizationRequest,
    "create_invoice_and_charge_immediately": billing.CreateInvoiceAndChargeImmediatelyRequest,
}
