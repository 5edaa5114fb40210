"""update_organization_billing_tier and update_location_billing_organization: done once, told truly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from support.faulty_cloud import back
from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID, MACHINE_KEY, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl, Stats
from viam_billing_sandbox.faults import When
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIER_RPC = "UpdateOrganizationBillingTier"
PAYER_RPC = "UpdateLocationBillingOrganization"
LOCATION = "pier7hl001"


class Change(NamedTuple):
    """One of the two commands, with a request that changes something."""

    command: str
    rpc: str
    request: dict[str, str]


TIER = Change("update_organization_billing_tier", TIER_RPC, {"organization_id": HARBOR_ID, "billing_tier": "standard"})
PAYER = Change(
    "update_location_billing_organization",
    PAYER_RPC,
    {"location_id": LOCATION, "billing_organization_id": DEFAULT_ORG_ID},
)
BOTH = pytest.mark.parametrize("change", [TIER, PAYER], ids=lambda change: change.command)


@pytest_asyncio.fixture(loop_scope="module")
async def service(make: Callable[..., Awaitable[Service]], control: SandboxControl) -> Service:
    """A service that may change everything, with little patience, and a cloud as it was at its start."""
    control.patch_organization(HARBOR_ID, billing_tier="fleet")
    control.patch_location(LOCATION, billing_organization_id=HARBOR_ID)
    control.patch_location("newsite001", billing_organization_id="")
    return await make(
        allowed_commands=["read", "change"], allowed_org_ids=["*"], allowed_location_ids=["*"], timeout_s=1
    )


async def test_a_tier_is_changed(service: Service, control: SandboxControl) -> None:
    """The answer names the old tier and the one read back."""
    answer = await service.ask(TIER.command, org_id=HARBOR_ID, billing_tier="standard")
    assert answer == {
        "organization_id": HARBOR_ID,
        "billing_tier": "standard",
        "previous_billing_tier": "fleet",
        "changed": True,
    }
    assert control.stats().changes == [TIER.request]


async def test_a_changed_tier_is_visible_at_once(service: Service) -> None:
    """Also to a caller that takes a remembered answer."""
    assert (await service.ask("get_org_billing_information", org_id=HARBOR_ID))["billing_tier"] == "fleet"
    await service.ask(TIER.command, **TIER.request)
    assert (await service.ask("get_org_billing_information", org_id=HARBOR_ID))["billing_tier"] == "standard"


async def test_a_tier_that_was_changed_elsewhere_is_visible_at_once(service: Service, control: SandboxControl) -> None:
    """Nothing is left to send, and what was remembered is forgotten."""
    await service.ask("get_org_billing_information", org_id=HARBOR_ID)
    control.patch_organization(HARBOR_ID, billing_tier="standard")
    assert (await service.ask(TIER.command, **TIER.request))["changed"] is False
    assert (await service.ask("get_org_billing_information", org_id=HARBOR_ID))["billing_tier"] == "standard"


async def test_a_payer_is_changed(service: Service, control: SandboxControl) -> None:
    """The answer names the old payer and the one read back."""
    answer = await service.ask(PAYER.command, **PAYER.request)
    assert answer == {
        "location_id": LOCATION,
        "billing_organization_id": DEFAULT_ORG_ID,
        "previous_billing_organization_id": HARBOR_ID,
        "changed": True,
    }
    assert control.stats().changes == [PAYER.request]


async def test_a_changed_payer_is_visible_at_once(service: Service) -> None:
    """In the location's usage too."""
    assert (await service.ask("get_location_usage", location_id=LOCATION))["billing_organization_id"] == HARBOR_ID
    await service.ask(PAYER.command, **PAYER.request)
    for command in ("get_location_usage", "get_location_billing_organization"):
        assert (await service.ask(command, location_id=LOCATION))["billing_organization_id"] == DEFAULT_ORG_ID


async def test_a_payer_that_was_changed_elsewhere_is_visible_at_once(service: Service, control: SandboxControl) -> None:
    """Nothing is left to send, and what was remembered is forgotten."""
    read = {"get_location_billing_organization": {"location_id": LOCATION}}
    await service.do(read)
    control.patch_location(LOCATION, billing_organization_id=DEFAULT_ORG_ID)
    assert (await service.ask(PAYER.command, **PAYER.request))["changed"] is False
    assert DEFAULT_ORG_ID in str(await service.do(read))


async def test_a_first_payer_has_none_before_it(service: Service) -> None:
    """Where the API named nobody, the old payer is left out."""
    answer = await service.ask(PAYER.command, location_id="newsite001", billing_organization_id=HARBOR_ID)
    assert answer == {"location_id": "newsite001", "billing_organization_id": HARBOR_ID, "changed": True}


async def test_an_unchanged_tier_sends_nothing(service: Service, control: SandboxControl) -> None:
    """The same tier again is an answer, not a change."""
    answer = await service.ask(TIER.command, organization_id=HARBOR_ID, billing_tier="fleet")
    assert answer["changed"] is False
    assert answer["billing_tier"] == answer["previous_billing_tier"] == "fleet"
    assert TIER_RPC not in control.stats().calls


async def test_an_unchanged_payer_sends_nothing(service: Service, control: SandboxControl) -> None:
    """The same payer again is an answer, not a change."""
    answer = await service.ask(PAYER.command, location_id=LOCATION, billing_organization_id=HARBOR_ID)
    assert answer["changed"] is False
    assert answer["billing_organization_id"] == answer["previous_billing_organization_id"] == HARBOR_ID
    assert PAYER_RPC not in control.stats().calls


async def test_a_tier_that_is_not_told_is_sent(service: Service, control: SandboxControl) -> None:
    """Without the old tier nobody can say whether it changed."""
    answer = await service.ask(TIER.command, organization_id=NORTHWIND_ID, billing_tier="fleet")
    assert answer == {"organization_id": NORTHWIND_ID, "billing_tier": "fleet"}
    assert len(control.stats().changes) == 1


async def test_an_unavailable_tier_is_refused(service: Service, control: SandboxControl) -> None:
    """The error lists those that are available, and nothing is sent."""
    refusal = await refused(service.ask(TIER.command, organization_id=HARBOR_ID, billing_tier="golden"))
    assert refusal.code == "invalid_request"
    assert all(tier in refusal.text for tier in ("golden", "standard", "fleet", "enterprise"))
    assert TIER_RPC not in control.stats().calls


@BOTH
async def test_a_dry_run_sends_nothing(service: Service, control: SandboxControl, change: Change) -> None:
    """It tells what would be sent."""
    answer = await service.ask(change.command, **change.request, dry_run=True)
    assert answer == {"dry_run": True, "would_send": change.request}
    assert change.rpc not in control.stats().calls


@BOTH
async def test_a_dry_run_checks_the_key(
    make: Callable[..., Awaitable[Service]], control: SandboxControl, change: Change
) -> None:
    """A key that may not do it is found out without doing it."""
    scope = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]}
    key_id, key = MACHINE_KEY
    service = await make(allowed_commands=["change"], api_key_id=key_id, api_key=key, **scope)
    refusal = await refused(service.ask(change.command, **change.request, dry_run=True))
    assert refusal.code == "key_lacks_permission"
    assert change.rpc not in control.stats().calls


@BOTH
async def test_what_is_changed_has_no_default(service: Service, control: SandboxControl, change: Change) -> None:
    """Leaving out what to change is an error, although there is an own organization and location."""
    for missing in change.request:
        request = {name: value for name, value in change.request.items() if name != missing}
        assert (await refused(service.ask(change.command, **request))).code == "invalid_request"
    assert control.stats().calls == {}


ENDS: dict[str, dict[str, Any]] = {
    "unavailable": {"status": "UNAVAILABLE"},
    "internal": {"status": "INTERNAL"},
    "rate limit": {"status": "RESOURCE_EXHAUSTED"},
    "deadline": {"status": "DEADLINE_EXCEEDED"},
    "expired token": {"status": "UNAUTHENTICATED"},
    "no answer": {"never_answer": True},
    "lost connection": {"drop_connection": True},
}
LOST = {"unavailable": "cloud_unreachable", "no answer": "cloud_timeout", "lost connection": "cloud_unreachable"}


def sent_at_most_once(stats: Stats, rpc: str) -> bool:
    """Whether the cloud met the call once, and did it at most once."""
    return stats.calls.get(rpc, 0) == 1 and len(stats.changes) <= 1


@BOTH
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_change_is_never_sent_twice(
    service: Service, control: SandboxControl, change: Change, when: When, end: str
) -> None:
    """Whatever becomes of its answer; and where nobody can know, the error says that it may have been done."""
    control.set_fault(Fault(rpc=change.rpc, when=when, **ENDS[end]))
    refusal = await refused(service.ask(change.command, **change.request))
    if end in LOST:
        assert refusal.code == LOST[end]
        assert "may have been done" in refusal.text
    assert sent_at_most_once(control.stats(), change.rpc)


@BOTH
async def test_a_refused_change_was_not_done(service: Service, control: SandboxControl, change: Change) -> None:
    """The cloud's own no leaves no doubt, and has the cloud's words."""
    control.set_fault(Fault(rpc=change.rpc, status="FAILED_PRECONDITION", message="a contract is running"))
    refusal = await refused(service.ask(change.command, **change.request))
    assert refusal.code == "cloud_rejected"
    assert "a contract is running" in refusal.text
    assert "may have been done" not in refusal.text


@BOTH
async def test_a_failed_read_sends_nothing(service: Service, control: SandboxControl, change: Change) -> None:
    """Without the old value nothing is sent, and the error raises no doubt."""
    for rpc in ("GetOrgBillingInformation", "GetLocationBillingOrganization"):
        control.set_fault(Fault(rpc=rpc, status="UNAVAILABLE"))
    refusal = await refused(service.ask(change.command, **change.request))
    assert refusal.code == "cloud_unreachable"
    assert "may have been done" not in refusal.text
    assert change.rpc not in control.stats().calls
    control.clear_faults()
    await back(service)


@BOTH
async def test_a_failed_read_back_does_not_hide_the_change(
    service: Service, control: SandboxControl, change: Change
) -> None:
    """The change is done: its answer is not the error of the question after it."""
    for rpc in ("GetOrgBillingInformation", "GetLocationBillingOrganization"):
        control.set_fault(Fault(rpc=rpc, status="INTERNAL", skip=1))
    assert (await service.ask(change.command, **change.request))["changed"] is True


@BOTH
async def test_a_caller_that_leaves_repeats_nothing(service: Service, control: SandboxControl, change: Change) -> None:
    """A change whose caller hung up is not sent again on its own."""
    control.set_fault(Fault(rpc=change.rpc, latency_before_s=0.2))
    call = asyncio.create_task(service.ask(change.command, **change.request))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(change.rpc) == 1)
    call.cancel()
    await asyncio.to_thread(control.wait_for, lambda stats: stats.finished.get(change.rpc) == 1)
    await service.ask("check_access")
    assert sent_at_most_once(control.stats(), change.rpc)
