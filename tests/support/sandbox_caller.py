"""Callers of a sandbox: the SDK's client as a module uses it, and the generated stubs, which have all calls."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from grpclib import GRPCError, Status
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError
from viam.app.viam_client import ViamClient
from viam.proto.app import AppServiceStub
from viam.proto.app.billing import (
    BillingServiceStub,
    ChargeOrganizationRequest,
    GetCurrentMonthUsageRequest,
    GetInvoicePdfRequest,
    GetInvoicesSummaryRequest,
    GetLocationBillingOrganizationRequest,
)
from viam.proto.rpc.auth import AuthenticateRequest, AuthServiceStub, Credentials
from viam.rpc.dial import DialOptions

from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_ORG_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.sandbox_process import SandboxProcess

HARBOR_ID = "a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b"
NORTHWIND_ID = "e5d4c3b2-a190-4f8e-9d7c-6b5a49382716"
HARBOR_KEY = ("1c4a8e6f-0d2b-4a73-9f68-3e5d7b9c0f21", "sandbox-harbor-key-worthless-elsewhere")
MACHINE_KEY = ("2d5b9f70-1e3c-4b84-8a79-4f6e8c0d1a32", "sandbox-machine-key-worthless-elsewhere")
OWNER_KEY = (DEFAULT_API_KEY_ID, DEFAULT_API_KEY)
USAGE = GetCurrentMonthUsageRequest(org_id=DEFAULT_ORG_ID)
CHARGE = ChargeOrganizationRequest(org_id_to_charge=HARBOR_ID, subtotal=12.5, tax=1.0, description="Visit")
CONNECTION_LOST = (StreamTerminatedError, ConnectionError)


class Caller:
    """The generated stubs on a channel of their own, logged in: they have all eleven calls."""

    def __init__(self, channel: Channel, token: str) -> None:
        self.billing = BillingServiceStub(channel)
        self.app = AppServiceStub(channel)
        self.metadata = {"authorization": f"Bearer {token}"}

    async def usage(self, timeout_s: float | None = None) -> float:
        """Answers the default organization's subtotal."""
        answer = await self.billing.GetCurrentMonthUsage(USAGE, metadata=self.metadata, timeout=timeout_s)
        subtotal: float = answer.subtotal
        return subtotal

    async def charge(self, timeout_s: float | None = None) -> str:
        """Charges Harbor Logistics 13.50 dollars, and answers the invoice's id."""
        answer = await self.billing.ChargeOrganization(CHARGE, metadata=self.metadata, timeout=timeout_s)
        invoice_id: str = answer.invoice_id
        return invoice_id

    async def pdf(self, received: bytearray, invoice_id: str, org_id: str = DEFAULT_ORG_ID) -> None:
        """Appends the PDF's bytes to what has been received, as they come."""
        request = GetInvoicePdfRequest(id=invoice_id, org_id=org_id)
        async with self.billing.GetInvoicePdf.open(metadata=self.metadata) as stream:
            await stream.send_message(request, end=True)
            async for response in stream:
                received += response.chunk

    async def invoice_ids(self, org_id: str) -> list[str]:
        """Answers the ids of all invoices, oldest first."""
        request = GetInvoicesSummaryRequest(org_id=org_id)
        answer = await self.billing.GetInvoicesSummary(request, metadata=self.metadata)
        return [invoice.id for invoice in answer.invoices]

    async def payer(self, location_id: str) -> str:
        """Answers who pays for a location."""
        request = GetLocationBillingOrganizationRequest(location_id=location_id)
        answer = await self.billing.GetLocationBillingOrganization(request, metadata=self.metadata)
        payer: str = answer.billing_organization_id
        return payer


@contextlib.asynccontextmanager
async def calling(sandbox: SandboxProcess, key: tuple[str, str] = OWNER_KEY) -> AsyncIterator[Caller]:
    """Connects and logs in."""
    channel = Channel("127.0.0.1", sandbox.port)
    try:
        credentials = Credentials(type="api-key", payload=key[1])
        request = AuthenticateRequest(entity=key[0], credentials=credentials)
        answer = await AuthServiceStub(channel).Authenticate(request, timeout=5)
        yield Caller(channel, answer.access_token)
    finally:
        channel.close()


@contextlib.asynccontextmanager
async def viam_client(address: str, *, insecure: bool) -> AsyncIterator[ViamClient]:
    """Connects the way a module does."""
    options = DialOptions.with_api_key(DEFAULT_API_KEY, DEFAULT_API_KEY_ID)
    options.insecure = insecure
    client = await ViamClient.create_from_dial_options(options, app_url=address)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def refused(status: Status) -> Iterator[None]:
    """Expects a status as the answer."""
    with pytest.raises(GRPCError) as caught:
        yield
    assert caught.value.status is status
