"""The cloud as the commands see it: one typed question for each call that the module makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from google.protobuf.message import Message
from typing_extensions import override
from viam.gen.app.v1 import app_pb2, billing_pb2

from viam_billing.core.errors import CloudError

if TYPE_CHECKING:
    from viam_billing.cloud.calls import Calls
    from viam_billing.core.times import Deadline


class Sink(Protocol):
    """Where a streamed answer goes."""

    async def take(self, chunk: bytes) -> None:
        """The next part."""

    async def restart(self) -> None:
        """Another attempt begins: forget the parts so far."""


class Gateway(Protocol):
    """The calls of Viam's cloud. Each raises `BillingError`s only, and keeps its deadline.

    Those that change something are sent at most once; their error's `outcome` says what is known.
    """

    async def get_current_month_usage(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetCurrentMonthUsageResponse:
        """What an organization has cost since the start of the month."""

    async def get_org_billing_information(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetOrgBillingInformationResponse:
        """How an organization pays and on which tier it is; payment details in clear."""

    async def get_invoices_summary(self, org_id: str, deadline: Deadline) -> billing_pb2.GetInvoicesSummaryResponse:
        """All invoices of an organization."""

    async def get_available_billing_tiers(self, deadline: Deadline) -> billing_pb2.GetAvailableBillingTiersResponse:
        """The tiers that an organization can be put on."""

    async def get_location_billing_organization(
        self, location_id: str, deadline: Deadline
    ) -> billing_pb2.GetLocationBillingOrganizationResponse:
        """Who pays for a location; an empty ID where nobody is named."""

    async def get_location(self, location_id: str, deadline: Deadline) -> app_pb2.GetLocationResponse:
        """A location by its ID."""

    async def list_locations(self, org_id: str, deadline: Deadline) -> app_pb2.ListLocationsResponse:
        """All locations of an organization."""

    async def stream_invoice_pdf(self, invoice_id: str, org_id: str, deadline: Deadline, sink: Sink) -> None:
        """An invoice's PDF, chunk by chunk. What was taken before an error is to be thrown away."""

    async def log_in(self, deadline: Deadline) -> None:
        """Connect and log in, so that what fails from here on may have been sent, and what fails here was not."""

    async def send_payment_required_email(
        self, customer_org_id: str, billing_owner_org_id: str, deadline: Deadline
    ) -> None:
        """Have Viam write to a customer's owners that a payment is due."""

    async def update_organization_billing_tier(self, org_id: str, tier: str, deadline: Deadline) -> None:
        """Put an organization on another tier."""

    async def update_location_billing_organization(self, location_id: str, org_id: str, deadline: Deadline) -> None:
        """Have another organization pay for a location."""

    async def charge(
        self, command: str, parameters: Mapping[str, Any], deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> str:
        """Charge an organization by one of the two calls, named as their commands are; the new invoice's id.

        Args:
            command: `charge_organization` or `create_invoice_and_charge_immediately`.
            parameters: the fields of its request.
            deadline: its whole time.
            mark_sent: called right before the request leaves; where it raises, nothing leaves.
        """


class CloudGateway(Gateway):
    """The gateway over real calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @override
    async def get_current_month_usage(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetCurrentMonthUsageResponse:
        request = billing_pb2.GetCurrentMonthUsageRequest(org_id=org_id)
        answer = billing_pb2.GetCurrentMonthUsageResponse
        return await self._calls.read("GetCurrentMonthUsage", request, deadline, answer)

    @override
    async def get_org_billing_information(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetOrgBillingInformationResponse:
        request = billing_pb2.GetOrgBillingInformationRequest(org_id=org_id)
        answer = billing_pb2.GetOrgBillingInformationResponse
        return await self._calls.read("GetOrgBillingInformation", request, deadline, answer)

    @override
    async def get_invoices_summary(self, org_id: str, deadline: Deadline) -> billing_pb2.GetInvoicesSummaryResponse:
        request = billing_pb2.GetInvoicesSummaryRequest(org_id=org_id)
        answer = billing_pb2.GetInvoicesSummaryResponse
        return await self._calls.read("GetInvoicesSummary", request, deadline, answer)

    @override
    async def get_available_billing_tiers(self, deadline: Deadline) -> billing_pb2.GetAvailableBillingTiersResponse:
        request = billing_pb2.GetAvailableBillingTiersRequest()
        answer = billing_pb2.GetAvailableBillingTiersResponse
        return await self._calls.read("GetAvailableBillingTiers", request, deadline, answer)

    @override
    async def get_location_billing_organization(
        self, location_id: str, deadline: Deadline
    ) -> billing_pb2.GetLocationBillingOrganizationResponse:
        request = billing_pb2.GetLocationBillingOrganizationRequest(location_id=location_id)
        answer = billing_pb2.GetLocationBillingOrganizationResponse
        return await self._calls.read("GetLocationBillingOrganization", request, deadline, answer)

    @override
    async def get_location(self, location_id: str, deadline: Deadline) -> app_pb2.GetLocationResponse:
        request = app_pb2.GetLocationRequest(location_id=location_id)
        return await self._calls.read("GetLocation", request, deadline, app_pb2.GetLocationResponse)

    @override
    async def list_locations(self, org_id: str, deadline: Deadline) -> app_pb2.ListLocationsResponse:
        request = app_pb2.ListLocationsRequest(organization_id=org_id)
        return await self._calls.read("ListLocations", request, deadline, app_pb2.ListLocationsResponse)

    @override
    async def stream_invoice_pdf(self, invoice_id: str, org_id: str, deadline: Deadline, sink: Sink) -> None:
        async def take_chunk(message: Message) -> None:
            if not isinstance(message, billing_pb2.GetInvoicePdfResponse):
                raise CloudError("the cloud's answer is of another kind (GetInvoicePdf). Update the module.")
            await sink.take(message.chunk)

        request = billing_pb2.GetInvoicePdfRequest(id=invoice_id, org_id=org_id)
        await self._calls.stream("GetInvoicePdf", request, deadline, take_chunk, sink.restart)

    @override
    async def log_in(self, deadline: Deadline) -> None:
        await self._calls.session(deadline)

    @override
    async def send_payment_required_email(
        self, customer_org_id: str, billing_owner_org_id: str, deadline: Deadline
    ) -> None:
        request = billing_pb2.SendPaymentRequiredEmailRequest(
            customer_org_id=customer_org_id, billing_owner_org_id=billing_owner_org_id
        )
        await self._calls.change("SendPaymentRequiredEmail", request, deadline)

    @override
    async def update_organization_billing_tier(self, org_id: str, tier: str, deadline: Deadline) -> None:
        request = billing_pb2.UpdateOrganizationBillingTierRequest(organization_id=org_id, billing_tier=tier)
        await self._calls.change("UpdateOrganizationBillingTier", request, deadline)

    @override
    async def update_location_billing_organization(self, location_id: str, org_id: str, deadline: Deadline) -> None:
        request = billing_pb2.UpdateLocationBillingOrganizationRequest(
            location_id=location_id, billing_organization_id=org_id
        )
        await self._calls.change("UpdateLocationBillingOrganization", request, deadline)

    @override
    async def charge(
        self, command: str, parameters: Mapping[str, Any], deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> str:
        rpc, kind = _CHARGES[command]
        answer = await self._calls.charge(rpc, kind(**parameters), deadline, mark_sent)
        invoice_id: str = getattr(answer, "invoice_id", "")
        return invoice_id


_CHARGES: Final[Mapping[str, tuple[str, Callable[..., Message]]]] = MappingProxyType(
    {
        "charge_organization": ("ChargeOrganization", billing_pb2.ChargeOrganizationRequest),
        "create_invoice_and_charge_immediately": (
            "CreateInvoiceAndChargeImmediately",
            billing_pb2.CreateInvoiceAndChargeImmediatelyRequest,
        ),
    }
)
