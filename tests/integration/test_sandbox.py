"""The sandbox as a real process, called by the SDK's own client."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from grpclib import Status
from viam.proto.app import GetOrganizationRequest, ListMachineFragmentsRequest
from viam.proto.app.billing import (
    GetAvailableBillingTiersRequest,
    GetOrgBillingInformationRequest,
    SendPaymentRequiredEmailRequest,
    UpdateLocationBillingOrganizationRequest,
    UpdateOrganizationBillingTierRequest,
)

from support.sandbox_caller import (
    CONNECTION_LOST,
    HARBOR_ID,
    HARBOR_KEY,
    MACHINE_KEY,
    calling,
    refused,
    viam_client,
)
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault
from viam_billing_sandbox.scenario import DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_unix_socket_serves_the_sdk_client(tmp_path: Path) -> None:
    """The SDK's client logs in and reads over a unix socket."""
    with SandboxProcess("--socket", str(tmp_path / "cloud.sock")) as sandbox:
        async with viam_client(sandbox.address, insecure=True) as client:
            usage = await client.billing_client.get_current_month_usage(DEFAULT_ORG_ID, timeout=5)
    assert len(usage.resource_usage_costs_by_source) == 2


async def test_tls_on_localhost_serves_the_sdk_client() -> None:
    """The SDK's client takes the self-signed certificate on localhost."""
    with SandboxProcess("--tls") as sandbox:
        assert sandbox.address.startswith("https://localhost:")
        async with viam_client(sandbox.address, insecure=False) as client:
            summary = await client.billing_client.get_invoices_summary(DEFAULT_ORG_ID, timeout=5)
    assert len(summary.invoices) == 12


async def test_plain_loopback_serves_the_sdk_client(sandbox: SandboxProcess) -> None:
    """The SDK's client reads organizations and locations over plain TCP."""
    async with viam_client(sandbox.address, insecure=True) as client:
        locations = await client.app_client.list_locations(DEFAULT_ORG_ID)
    counts = {location.id: location.robot_count for location in locations}
    assert counts[DEFAULT_LOCATION_ID] == 14


async def test_a_wrong_key_is_refused(sandbox: SandboxProcess) -> None:
    """A key that the scenario does not know gets no token."""
    with refused(Status.UNAUTHENTICATED):
        async with calling(sandbox, (DEFAULT_API_KEY_ID, "wrong")):
            pass


async def test_a_call_without_a_token_is_refused(sandbox: SandboxProcess) -> None:
    """Only Authenticate goes without a token."""
    async with calling(sandbox) as caller:
        caller.metadata = {}
        with refused(Status.UNAUTHENTICATED):
            await caller.usage()


@pytest.mark.parametrize("key", [MACHINE_KEY, HARBOR_KEY])
async def test_a_key_without_permission_is_refused(sandbox: SandboxProcess, key: tuple[str, str]) -> None:
    """Neither a machine's key nor another organization's owner reads an organization's billing."""
    async with calling(sandbox, key) as caller:
        with refused(Status.PERMISSION_DENIED):
            await caller.usage()


async def test_a_machine_key_reads_its_organization(sandbox: SandboxProcess) -> None:
    """AppService is open to the key of a machine in the organization."""
    async with calling(sandbox, MACHINE_KEY) as caller:
        request = GetOrganizationRequest(organization_id=DEFAULT_ORG_ID)
        answer = await caller.app.GetOrganization(request, metadata=caller.metadata)
    assert answer.organization.name == "Fleet Works"


async def test_other_methods_are_unimplemented(sandbox: SandboxProcess) -> None:
    """A method of the real cloud that the sandbox lacks says so."""
    async with calling(sandbox) as caller:
        with refused(Status.UNIMPLEMENTED):
            await caller.app.ListMachineFragments(ListMachineFragmentsRequest(), metadata=caller.metadata)


async def test_an_unknown_organization_is_not_found(sandbox: SandboxProcess) -> None:
    """An id that is nobody's is NOT_FOUND, not denied."""
    async with calling(sandbox) as caller:
        with refused(Status.NOT_FOUND):
            await caller.invoice_ids("nobody")


async def test_a_changed_tier_is_read_back(sandbox: SandboxProcess) -> None:
    """A new tier is what later reads tell."""
    async with calling(sandbox) as caller:
        change = UpdateOrganizationBillingTierRequest(organization_id=HARBOR_ID, billing_tier="enterprise")
        await caller.billing.UpdateOrganizationBillingTier(change, metadata=caller.metadata)
        request = GetOrgBillingInformationRequest(org_id=HARBOR_ID)
        answer = await caller.billing.GetOrgBillingInformation(request, metadata=caller.metadata)
    assert answer.billing_tier == "enterprise"


async def test_an_unknown_tier_is_an_invalid_argument(sandbox: SandboxProcess) -> None:
    """A tier that is not among the available ones changes nothing."""
    async with calling(sandbox) as caller:
        tiers = await caller.billing.GetAvailableBillingTiers(
            GetAvailableBillingTiersRequest(), metadata=caller.metadata
        )
        change = UpdateOrganizationBillingTierRequest(organization_id=HARBOR_ID, billing_tier="golden")
        assert "golden" not in tiers.tiers
        with refused(Status.INVALID_ARGUMENT):
            await caller.billing.UpdateOrganizationBillingTier(change, metadata=caller.metadata)


async def test_a_changed_payer_is_read_back(sandbox: SandboxProcess) -> None:
    """A location without a payer answers an empty id, and its new one after a change."""
    async with calling(sandbox) as caller:
        assert not await caller.payer("newsite001")
        change = UpdateLocationBillingOrganizationRequest(location_id="newsite001", billing_organization_id=HARBOR_ID)
        await caller.billing.UpdateLocationBillingOrganization(change, metadata=caller.metadata)
        assert await caller.payer("newsite001") == HARBOR_ID
    sandbox.control.patch_location("newsite001", billing_organization_id="")


async def test_an_email_is_recorded(sandbox: SandboxProcess) -> None:
    """SendPaymentRequiredEmail leaves a record and sends nothing."""
    request = SendPaymentRequiredEmailRequest(customer_org_id=HARBOR_ID, billing_owner_org_id=DEFAULT_ORG_ID)
    async with calling(sandbox) as caller:
        await caller.billing.SendPaymentRequiredEmail(request, metadata=caller.metadata)
    assert sandbox.control.stats().emails == [
        {"customer_org_id": HARBOR_ID, "billing_owner_org_id": DEFAULT_ORG_ID},
    ]


async def test_two_equal_charges_are_two_invoices(sandbox: SandboxProcess) -> None:
    """Nothing makes a charge idempotent, and each has a PDF."""
    async with calling(sandbox) as caller:
        first, second = await caller.charge(), await caller.charge()
        received = bytearray()
        await caller.pdf(received, second, HARBOR_ID)
        assert {first, second} <= set(await caller.invoice_ids(HARBOR_ID))
    assert first != second
    assert b"Amount: 13.50 USD" in received


async def test_500_calls_run_at_the_same_time(sandbox: SandboxProcess) -> None:
    """One connection carries 500 concurrent calls."""
    sandbox.control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=4.0))  # to send so many takes time as well
    async with calling(sandbox) as caller:
        await asyncio.gather(*(caller.usage() for _ in range(500)))
    stats = sandbox.control.stats()
    assert (stats.max_in_flight, stats.finished["GetCurrentMonthUsage"]) == (500, 500)


async def test_a_large_fleet_starts_quickly() -> None:
    """10,000 locations under 200 organizations cost no more than a few starts without them."""
    started_s = time.monotonic()
    with SandboxProcess("--quiet"):
        small_s = time.monotonic() - started_s
    started_s = time.monotonic()
    with SandboxProcess("--locations", "10000", "--organizations", "200", "--quiet") as sandbox:
        assert time.monotonic() - started_s < 10 * small_s
        async with viam_client(sandbox.address, insecure=True) as client:
            assert len(await client.app_client.list_locations(DEFAULT_ORG_ID)) == 10_000


async def test_it_dies_and_comes_back_on_the_same_port() -> None:
    """A killed sandbox takes its connections with it, and a new one takes its port."""
    with SandboxProcess() as sandbox:
        async with calling(sandbox) as caller:
            address = sandbox.address
            sandbox.kill()
            with pytest.raises((*CONNECTION_LOST, OSError)):
                await caller.usage(timeout_s=5)
        sandbox.start()
        assert sandbox.address == address
        async with calling(sandbox) as caller:
            assert await caller.usage() > 0


async def test_it_ends_at_once_and_without_noise() -> None:
    """SIGTERM ends it, long before a call under way would, and the log has calls only."""
    with SandboxProcess() as sandbox:
        sandbox.control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=60))
        async with calling(sandbox) as caller:
            usage = asyncio.ensure_future(caller.usage())
            await asyncio.to_thread(sandbox.control.wait_for, lambda now: now.in_flight == 1)
            started_s = time.monotonic()
            assert sandbox.terminate() == 0
            assert time.monotonic() - started_s < 5
            with pytest.raises(CONNECTION_LOST):
                await usage
        rows = [line.split(maxsplit=1)[1] for line in sandbox.log.splitlines()]
    assert rows == ["Authenticate OK", "GetCurrentMonthUsage caller left"]
