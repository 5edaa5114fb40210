"""Services side by side in one module share a connection where they may, and nothing that they should not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.faulty_cloud import attributes, outcome, service
from support.module_process import ModuleProcess, refused
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

HARBOR = {"api_key_id": HARBOR_KEY[0], "api_key": HARBOR_KEY[1]}
USAGE = "get_current_month_usage"
PAYER = "get_location_billing_organization"
SET_PAYER = "update_location_billing_organization"
TIER = "update_organization_billing_tier"
CHARGE = "charge_organization"


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, tmp_path: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service's attributes."""
    return attributes(cloud.address, tmp_path / "state", timeout_s=1)


@pytest.mark.parametrize("folder", ["same", "other"])
async def test_one_key_needs_one_login_and_one_connection(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl, folder: str
) -> None:
    """For any number of services, whatever their folders."""
    other = block if folder == "same" else {**block, "state_dir": f"{block['state_dir']}-of-another"}
    async with service(module, block) as one, service(module, other) as two:
        await asyncio.gather(*(made.ask(name) for made in (one, two) for name in (USAGE, PAYER)))
        stats = control.stats()
    assert (stats.logins, stats.open_connections) == (1, 1)


async def test_two_keys_have_a_login_each(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """And see what their own key may see, of the same question."""
    async with service(module, block) as one, service(module, {**block, **HARBOR}) as two:
        found = await asyncio.gather(*(outcome(made.ask(USAGE, org_id=NORTHWIND_ID)) for made in (one, two)))
        again = await asyncio.gather(*(outcome(made.ask(USAGE, org_id=NORTHWIND_ID)) for made in (one, two)))
        stats = control.stats()
    assert [one.word for one in found] == ["fresh", "key_lacks_permission"]
    assert [one.word for one in again] == ["fresh", "key_lacks_permission"]
    assert (stats.logins, stats.open_connections) == (2, 2)


async def test_a_scope_is_each_service_s_own(module: ModuleProcess, block: dict[str, Any]) -> None:
    """What one may see is in the other's memory too, and still out of its scope."""
    narrow = {name: value for name, value in block.items() if name not in {"allowed_org_ids", "allowed_location_ids"}}
    async with service(module, block) as wide, service(module, narrow) as other:
        await wide.ask(USAGE, org_id=HARBOR_ID)
        assert (await refused(other.ask(USAGE, org_id=HARBOR_ID))).code == "out_of_scope"
        assert (await other.ask(USAGE))["org_id"] == DEFAULT_ORG_ID


async def test_counters_are_each_service_s_own(module: ModuleProcess, block: dict[str, Any]) -> None:
    """Hits and misses of one are not told by the other."""
    async with service(module, block) as one, service(module, block) as two:
        await one.ask(USAGE)
        await one.ask(USAGE)
        statuses = [await made.status() for made in (one, two)]
    assert [status["cache_hits"] + status["cache_misses"] for status in statuses] == [2, 0]
    assert [status["cloud_calls"] for status in statuses] == [1, 0]


async def test_a_rejected_key_is_one_service_s_affair(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """The other goes on, with what it knows."""
    async with service(module, block) as one, service(module, {**block, "api_key": "wrong-for-everybody"}) as two:
        await one.ask(USAGE)
        assert (await refused(two.ask(USAGE))).code == "key_rejected"
        assert (await one.ask(USAGE))["stale"] is False
    assert control.stats().calls["GetCurrentMonthUsage"] == 1


async def test_an_outage_is_one_address_s_affair(module: ModuleProcess, block: dict[str, Any], tmp_path: Path) -> None:
    """A cloud that is away says nothing about another one."""
    async with service(module, block) as one, service(module, {**block, "app_address": str(tmp_path / "x")}) as two:
        assert (await refused(two.ask(USAGE))).code == "cloud_unreachable"
        assert (await one.ask(USAGE))["stale"] is False
        assert [(await made.status())["connected"] for made in (one, two)] == [True, False]


async def test_what_one_lets_age_the_other_may_not(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """Each has its own `cache_ttl_s` and `max_stale_s` for the answers that they share."""
    async with (
        service(module, block) as patient,
        service(module, {**block, "cache_ttl_s": 0, "max_stale_s": 0}) as strict,
    ):
        await patient.ask(USAGE)
        await strict.ask(USAGE)
        control.go_dark()
        found = [(await outcome(made.ask(USAGE, max_age_s=0))).word for made in (patient, strict, patient)]
    assert control.stats().calls["GetCurrentMonthUsage"] == 2
    assert found == ["stale because of cloud_unreachable", "cloud_unreachable", "stale because of cloud_unreachable"]


@pytest.mark.parametrize("keys", ["same", "different"])
async def test_a_small_limit_of_one_leaves_the_other_s_answers_on_disk(
    block: dict[str, Any], control: SandboxControl, keys: str
) -> None:
    """After a start without a network, the strict one is asked first; the patient one still has its answer."""
    strict = {**block, "max_stale_s": 0.01, **(HARBOR if keys == "different" else {})}
    async with ModuleProcess() as own:
        async with service(own, block) as patient:
            await patient.ask(USAGE)
            control.go_dark()
            own.kill()
            await own.restart()
        async with service(own, strict) as first, service(own, block) as patient:
            await outcome(first.ask(USAGE, max_age_s=0))
            assert (await outcome(patient.ask(USAGE, max_age_s=0))).word == "stale because of cloud_unreachable"


@pytest.mark.parametrize("folder", ["same", "other"])
async def test_a_change_through_one_is_seen_through_the_other(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl, folder: str
) -> None:
    """They have one key, so what the change outdates is dropped for both."""
    other = block if folder == "same" else {**block, "state_dir": f"{block['state_dir']}-of-another"}
    names = {"location_id": DEFAULT_LOCATION_ID, "billing_organization_id": NORTHWIND_ID}
    async with service(module, {**block, "allowed_commands": ["read", "change"]}) as one, service(module, other) as two:
        await two.ask(PAYER)
        await one.ask("update_location_billing_organization", **names)
        answer = await two.ask(PAYER)
    control.patch_location(DEFAULT_LOCATION_ID, billing_organization_id=DEFAULT_ORG_ID)
    assert answer["billing_organization_id"] == NORTHWIND_ID


async def test_removing_one_leaves_the_other_its_connection(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """Also a call that is under way."""
    async with service(module, block) as one:
        async with service(module, block) as two:
            await two.ask(USAGE)
            control.set_fault(Fault("GetInvoicesSummary", latency_before_s=0.3))
            call = asyncio.create_task(one.ask("get_invoices_summary"))
            await asyncio.to_thread(control.wait_for, lambda stats: stats.in_flight == 1)
        assert (await call)["stale"] is False
        stats = control.stats()
    assert (stats.logins, stats.open_connections) == (1, 1)


@pytest.mark.parametrize(
    "fault", [Fault("GetInvoicesSummary", never_answer=True), Fault("Authenticate", never_answer=True)]
)
async def test_a_call_whose_service_is_removed_ends_well(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl, fault: Fault
) -> None:
    """viam-server reconfigures while a caller waits: it gets the contract's error, at once, and no connection stays."""
    control.set_fault(fault)
    async with service(module, {**block, "timeout_s": 25}) as one:
        call = asyncio.create_task(outcome(one.do({"get_invoices_summary": {}}, timeout_s=30)))
        await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(fault.rpc) == 1)
    found = await call
    assert (found.code, found.time_s < 10) == ("cloud_unreachable", True)
    await asyncio.to_thread(control.wait_for, lambda stats: stats.open_connections == 0)


@pytest.mark.parametrize("how", ["removed", "reconfigured"])
@pytest.mark.parametrize(
    "command", ["get_invoice_pdf", "check_access", "get_fleet_usage", "get_org_billing_information"]
)
async def test_a_read_whose_service_ends_ends_at_once_while_another_keeps_the_connection(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl, command: str, how: str
) -> None:
    block = {**block, "timeout_s": 25}
    async with service(module, block) as staying:
        invoices = await staying.ask("get_invoices_summary")
        parameters = {"id": invoices["invoices"][0]["id"]} if command == "get_invoice_pdf" else {}
        async with service(module, block) as ending:
            control.set_fault(Fault(never_answer=True))
            call = asyncio.create_task(outcome(ending.ask(command, **parameters)))
            await asyncio.to_thread(control.wait_for, lambda stats: stats.in_flight >= 1)
            if how == "reconfigured":
                await module.reconfigure(block, ending.name)
                found = await asyncio.wait_for(call, 5)
        if how == "removed":
            found = await asyncio.wait_for(call, 5)
        control.clear_faults()
        assert (await staying.ask("get_available_billing_tiers"))["stale"] is False
        stats = control.stats()
    assert (found.code, found.text) == (
        "cloud_unreachable",
        "the service was closed while the call was under way. Repeat it.",
    )
    assert (stats.logins, stats.open_connections) == (1, 1)


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        (TIER, {"organization_id": NORTHWIND_ID, "billing_tier": "any"}),
        (SET_PAYER, {"location_id": DEFAULT_LOCATION_ID, "billing_organization_id": NORTHWIND_ID}),
        (SET_PAYER, {"location_id": DEFAULT_LOCATION_ID, "billing_organization_id": NORTHWIND_ID, "dry_run": True}),
        ("send_payment_required_email", {"customer_org_id": NORTHWIND_ID}),
        ("send_payment_required_email", {"customer_org_id": NORTHWIND_ID, "dry_run": True}),
        (CHARGE, {"org_id": NORTHWIND_ID, "subtotal": 1, "idempotency_key": "a", "dry_run": True}),
    ],
)
async def test_what_has_not_been_sent_ends_at_once_when_its_service_is_removed(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl, command: str, parameters: dict[str, Any]
) -> None:
    """Also a dry run. The audit log has its end, with the error that the caller got."""
    able = ["read", "change", "send_payment_required_email", CHARGE]
    scope = {"allowed_org_ids": [NORTHWIND_ID], "charge_limits": {"per_charge": 10, "per_day": 10}}
    block = {**block, **scope, "timeout_s": 25, "allowed_commands": able}
    control.set_fault(Fault(never_answer=True))
    async with service(module, block) as one:
        call = asyncio.create_task(outcome(one.do({command: parameters}, timeout_s=30)))
        await asyncio.to_thread(control.wait_for, lambda stats: stats.in_flight >= 1)
    found = await call
    assert (found.code, found.time_s < 10) == ("cloud_unreachable", True)
    control.clear_faults()
    async with service(module, block) as again:
        (entry,) = (await again.ask("get_audit_log"))["entries"]
    assert (entry["command"], entry["code"]) == (command, "cloud_unreachable")


async def test_a_change_goes_on_when_its_service_is_removed(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    names = {"location_id": DEFAULT_LOCATION_ID, "billing_organization_id": NORTHWIND_ID}
    rpc = "UpdateLocationBillingOrganization"
    async with service(module, {**block, "timeout_s": 25, "allowed_commands": ["read", "change"]}) as one:
        control.set_fault(Fault(rpc, latency_before_s=0.5))
        call = asyncio.create_task(outcome(one.ask("update_location_billing_organization", **names)))
        await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(rpc) == 1)
    found = await call
    control.patch_location(DEFAULT_LOCATION_ID, billing_organization_id=DEFAULT_ORG_ID)
    assert found.answer["billing_organization_id"] == NORTHWIND_ID
