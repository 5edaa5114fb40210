"""Viam's cloud as the commands see it: one typed method for each call.

Every method raises `BillingError`s only and keeps its deadline. What changes something is sent at most once, and the
`outcome` of its error says what is known of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from google.protobuf.message import Message
from viam.gen.app.v1 import app_pb2, billing_pb2

from viam_billing.cloud.error_mapping import as_change
from viam_billing.cloud.failures import outcome_of_change, outcome_of_charge
from viam_billing.core.errors import BillingError

if TYPE_CHECKING:
    from viam_billing.cloud.calls import Calls
    from viam_billing.cloud.transport import AppClient
    from viam_billing.core.times import Deadline


class Sink(Protocol):
    """Where a streamed answer goes."""

    async def take(self, chunk: bytes) -> None:
        """The next part."""

    async def restart(self) -> None:
        """Another attempt begins: forget the parts so far."""


class CloudClient:
    """The typed calls of one service."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    # --- reads ---

    async def get_current_month_usage(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetCurrentMonthUsageResponse:
        """What an organization has cost since the start of the month."""
        return await self._calls.read(
            "GetCurrentMonthUsage", lambda app, s: app.sdk_billing.get_current_month_usage(org_id, timeout=s), deadline
        )

    async def get_org_billing_information(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetOrgBillingInformationResponse:
        """How an organization pays and on which tier it is; payment details in clear."""
        return await self._calls.read(
            "GetOrgBillingInformation",
            lambda app, s: app.sdk_billing.get_org_billing_information(org_id, timeout=s),
            deadline,
        )

    async def get_invoices_summary(self, org_id: str, deadline: Deadline) -> billing_pb2.GetInvoicesSummaryResponse:
        """All invoices of an organization."""
        return await self._calls.read(
            "GetInvoicesSummary", lambda app, s: app.sdk_billing.get_invoices_summary(org_id, timeout=s), deadline
        )

    async def get_available_billing_tiers(self, deadline: Deadline) -> billing_pb2.GetAvailableBillingTiersResponse:
        """The tiers that an organization can be put on."""
        request = billing_pb2.GetAvailableBillingTiersRequest()
        return await self._calls.read(
            "GetAvailableBillingTiers",
            lambda app, s: app.billing.GetAvailableBillingTiers(request, timeout=s, metadata=app.metadata),
            deadline,
        )

    async def get_location_billing_organization(
        self, location_id: str, deadline: Deadline
    ) -> billing_pb2.GetLocationBillingOrganizationResponse:
        """Who pays for a location; an empty ID where nobody is named."""
        request = billing_pb2.GetLocationBillingOrganizationRequest(location_id=location_id)
        return await self._calls.read(
            "GetLocationBillingOrganization",
            lambda app, s: app.billing.GetLocationBillingOrganization(request, timeout=s, metadata=app.metadata),
            deadline,
        )

    async def get_location(self, location_id: str, deadline: Deadline) -> app_pb2.GetLocationResponse:
        """A location by its ID."""
        request = app_pb2.GetLocationRequest(location_id=location_id)
        return await self._calls.read(
            "GetLocation", lambda app, s: app.app.GetLocation(request, timeout=s, metadata=app.metadata), deadline
        )

    async def list_locations(self, org_id: str, deadline: Deadline) -> app_pb2.ListLocationsResponse:
        """All locations of an organization."""
        request = app_pb2.ListLocationsRequest(organization_id=org_id)
        return await self._calls.read(
            "ListLocations", lambda app, s: app.app.ListLocations(request, timeout=s, metadata=app.metadata), deadline
        )

    async def stream_invoice_pdf(self, invoice_id: str, org_id: str, deadline: Deadline, sink: Sink) -> None:
        """An invoice's PDF, chunk by chunk. What the sink took before an error is to be thrown away."""
        request = billing_pb2.GetInvoicePdfRequest(id=invoice_id, org_id=org_id)

        async def ask(app: AppClient, timeout_s: float) -> None:
            await sink.restart()
            async with app.billing.GetInvoicePdf.open(timeout=timeout_s, metadata=app.metadata) as stream:
                await stream.send_message(request, end=True)
                async for part in stream:
                    self._calls.note_answer()  # it is slow, but it is there
                    await sink.take(part.chunk)

        await self._calls.read("GetInvoicePdf", ask, deadline)

    async def log_in(self, deadline: Deadline) -> None:
        """Connect and log in: what fails here was certainly not sent."""
        await self._calls.log_in(deadline)

    # --- what changes something ---

    async def send_payment_required_email(
        self, customer_org_id: str, billing_owner_org_id: str, deadline: Deadline
    ) -> None:
        """Have Viam write to a customer's owners that a payment is due."""
        request = billing_pb2.SendPaymentRequiredEmailRequest(
            customer_org_id=customer_org_id, billing_owner_org_id=billing_owner_org_id
        )
        await self._change("SendPaymentRequiredEmail", request, deadline)

    async def update_organization_billing_tier(self, org_id: str, tier: str, deadline: Deadline) -> None:
        """Put an organization on another tier."""
        request = billing_pb2.UpdateOrganizationBillingTierRequest(organization_id=org_id, billing_tier=tier)
        await self._change("UpdateOrganizationBillingTier", request, deadline)

    async def update_location_billing_organization(self, location_id: str, org_id: str, deadline: Deadline) -> None:
        """Have another organization pay for a location."""
        request = billing_pb2.UpdateLocationBillingOrganizationRequest(
            location_id=location_id, billing_organization_id=org_id
        )
        await self._change("UpdateLocationBillingOrganization", request, deadline)

    async def charge(
        self, command: str, parameters: Mapping[str, Any], deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> str:
        """Charge an organization by one of the two calls, named as their commands are. Returns the new invoice's ID.

        Args:
            command: `charge_organization` or `create_invoice_and_charge_immediately`.
            parameters: the fields of its request.
            deadline: its whole time.
            mark_sent: called when the connection stands, right before the request is sent; where it raises, nothing is.
        """
        rpc, kind = _CHARGES[command]
        answer = await self._calls.send_once(rpc, kind(**parameters), deadline, outcome_of_charge, mark_sent)
        invoice_id: str = getattr(answer, "invoice_id", "")
        return invoice_id

    async def _change(self, rpc: str, request: Message, deadline: Deadline) -> None:
        try:
            await self._calls.send_once(rpc, request, deadline, outcome_of_change)
        except BillingError as error:
            raise as_change(error) from None


_CHARGES: Final[Mapping[str, tuple[str, Callable[..., Message]]]] = {
    "charge_organization": ("ChargeOrganization", billing_pb2.ChargeOrganizationRequest),
    "create_invoice_and_charge_immediately": (
        "CreateInvoiceAndChargeImmediately",
        billing_pb2.CreateInvoiceAndChargeImmediatelyRequest,
    ),
}
