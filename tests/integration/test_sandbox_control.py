"""The state of a running sandbox is changed, and its control worked by hand."""

from __future__ import annotations

import pytest
from grpclib import Status
from viam.proto.app import ListLocationsRequest
from viam.proto.app.billing import (
    GetCurrentMonthUsageRequest,
    GetOrgBillingInformationRequest,
)

from support.sandbox_caller import (
    HARBOR_ID,
    NORTHWIND_ID,
    calling,
    refused,
)
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import ControlError, main


async def test_costs_can_be_of_an_unknown_kind(sandbox: SandboxProcess) -> None:
    """A number that no build knows reaches the caller as a number."""
    usage = [{"costs": {"99": 4.5, "per_machine": 10}}]
    sandbox.control.patch_organization(NORTHWIND_ID, usage=usage, usage_grows=False)
    request = GetCurrentMonthUsageRequest(org_id=NORTHWIND_ID)
    async with calling(sandbox) as caller:
        answer = await caller.billing.GetCurrentMonthUsage(request, metadata=caller.metadata)
    costs = answer.resource_usage_costs_by_source[0].resource_usage_costs.usage_costs
    assert {int(cost.resource_type): cost.cost for cost in costs} == {99: 4.5, 8: 10.0}


async def test_a_tier_can_be_hidden(sandbox: SandboxProcess) -> None:
    """A hidden tier is absent, not empty."""
    sandbox.control.patch_organization(HARBOR_ID, tells_tier=False)
    async with calling(sandbox) as caller:
        request = GetOrgBillingInformationRequest(org_id=HARBOR_ID)
        answer = await caller.billing.GetOrgBillingInformation(request, metadata=caller.metadata)
    assert not answer.HasField("billing_tier")


async def test_an_invoice_can_turn_up_late(sandbox: SandboxProcess) -> None:
    """An invoice appended from outside is in the next summary."""
    late = {"id": "in_late", "hours_ago": 0.5, "amount": 13.5, "status": "outstanding"}
    sandbox.control.patch_organization(NORTHWIND_ID, add_invoices=[late])
    async with calling(sandbox) as caller:
        assert (await caller.invoice_ids(NORTHWIND_ID))[-1] == "in_late"


async def test_all_invoices_can_be_replaced(sandbox: SandboxProcess) -> None:
    """The summary has those that are given and no other."""
    sandbox.control.patch_organization(NORTHWIND_ID, invoices=[{"id": "in_only", "months_ago": 1, "amount": 13.5}])
    async with calling(sandbox) as caller:
        assert await caller.invoice_ids(NORTHWIND_ID) == ["in_only"]
        sandbox.control.patch_organization(NORTHWIND_ID, invoices=[])
        assert await caller.invoice_ids(NORTHWIND_ID) == []


async def test_a_location_can_move(sandbox: SandboxProcess) -> None:
    """Another organization lists it then, if there is one of that ID."""
    sandbox.control.patch_location("nwlabs0001", organization_id=HARBOR_ID)
    async with calling(sandbox) as caller:
        for org_id, moved in ((HARBOR_ID, True), (NORTHWIND_ID, False)):
            request = ListLocationsRequest(organization_id=org_id)
            answer = await caller.app.ListLocations(request, metadata=caller.metadata)
            assert ("nwlabs0001" in [each.id for each in answer.locations]) == moved
    with pytest.raises(ControlError, match=r"organization_id: 'elsewhere' is none of the organizations"):
        sandbox.control.patch_location("nwlabs0001", organization_id="elsewhere")


async def test_a_person_can_set_a_fault_by_hand(sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """The control's command line does what its client does."""
    fault = '{"rpc": "GetCurrentMonthUsage", "status": "RESOURCE_EXHAUSTED"}'
    assert main([sandbox.control_address, "fault", fault]) == 0
    async with calling(sandbox) as caller:
        with refused(Status.RESOURCE_EXHAUSTED):
            await caller.usage()
    assert main([sandbox.control_address, "stats"]) == 0
    assert '"GetCurrentMonthUsage": 1' in capsys.readouterr().out


def test_a_wrong_fault_is_explained(sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault with a misspelled name is refused with a sentence."""
    assert main([sandbox.control_address, "fault", '{"rpc": "*", "latency": 1}']) == 1
    assert "fault: Object contains unknown field `latency`" in capsys.readouterr().err
