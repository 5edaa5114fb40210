"""Reads are answered from memory when they may be; what the cloud sees of it, and what a change drops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.faulty_cloud import CACHED_READS, PAYER_LOCATION, attributes, outcome, service, until
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGES = ["read", "change"]


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, tmp_path: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service's attributes."""
    return attributes(cloud.address, tmp_path / "state", timeout_s=5, allowed_commands=CHANGES)


@pytest_asyncio.fixture(loop_scope="module")
async def billing(module: ModuleProcess, block: dict[str, Any]) -> AsyncIterator[Service]:
    """One service with these."""
    async with service(module, block) as made:
        yield made


async def counted(billing: Service) -> dict[str, float]:
    """The counters of get_status that a read changes."""
    status = await billing.status()
    return {name: status[name] for name in ("cloud_calls", "logins", "cache_hits", "cache_misses", "stale_answers")}


@pytest.mark.parametrize("command", CACHED_READS)
async def test_a_repeated_question_is_answered_from_memory(
    billing: Service, control: SandboxControl, command: str
) -> None:
    """Word for word the same, and the cloud is not asked again."""
    answers = [await billing.ask(command, **CACHED_READS[command]) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["stale"] is False
    assert set(control.stats().calls.values()) == {1}


async def test_get_status_counts(billing: Service, control: SandboxControl) -> None:
    """Hits, misses, calls and logins, and answers that are stale."""
    for _ in range(3):
        await billing.ask("get_current_month_usage")
    before = await counted(billing)
    control.set_fault(Fault("GetCurrentMonthUsage", status="RESOURCE_EXHAUSTED"))
    await billing.do({"command": "get_current_month_usage", "max_age_s": 0}, timeout_s=2.5)
    after = await counted(billing)
    assert before == {"cloud_calls": 1, "logins": 1, "cache_hits": 2, "cache_misses": 1, "stale_answers": 0}
    assert (after["cache_hits"], after["cache_misses"], after["stale_answers"]) == (2, 2, 1)
    assert (await billing.status())["retries"] >= 1


async def test_zero_asks_the_cloud(billing: Service, control: SandboxControl) -> None:
    """And what it says is then known to who asks without it."""
    first = await billing.ask("get_org_billing_information")
    control.patch_organization(DEFAULT_ORG_ID, billing_tier="fleet")
    second = await billing.ask("get_org_billing_information")
    third = await billing.ask("get_org_billing_information", max_age_s=0)
    fourth = await billing.ask("get_org_billing_information")
    control.patch_organization(DEFAULT_ORG_ID, billing_tier="enterprise")
    assert [answer["billing_tier"] for answer in (first, second, third, fourth)] == [
        "enterprise",
        "enterprise",
        "fleet",
        "fleet",
    ]
    assert fourth["as_of"] == third["as_of"] > second["as_of"] == first["as_of"]


async def test_an_answer_expires(module: ModuleProcess, block: dict[str, Any], control: SandboxControl) -> None:
    """After `cache_ttl_s`; a caller may ask for less or be content with more."""
    ttl_s = 0.4
    async with service(module, {**block, "cache_ttl_s": ttl_s}) as billing:
        started_s = time.monotonic()
        await billing.ask("get_available_billing_tiers")

        async def asked_again() -> bool:
            await billing.ask("get_available_billing_tiers")
            return control.stats().calls["GetAvailableBillingTiers"] == 2

        await until(asked_again)
        assert 0.8 * ttl_s < time.monotonic() - started_s < 10 * ttl_s
        await billing.ask("get_available_billing_tiers", max_age_s=60)
        assert control.stats().calls["GetAvailableBillingTiers"] == 2


async def test_without_a_ttl_every_question_is_asked(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """`cache_ttl_s` of 0."""
    async with service(module, {**block, "cache_ttl_s": 0}) as billing:
        for _ in range(3):
            await billing.ask("get_available_billing_tiers")
    assert control.stats().calls["GetAvailableBillingTiers"] == 3


async def test_many_cold_callers_make_one_call(billing: Service, control: SandboxControl) -> None:
    """200 at once: one login, one call of each of the two RPCs, 200 equal answers."""
    calls = (billing.ask("get_location_usage", location_id=PAYER_LOCATION) for _ in range(200))
    answers = await asyncio.gather(*calls)
    stats = control.stats()
    assert dict(stats.calls) == {"Authenticate": 1, "GetLocationBillingOrganization": 1, "GetCurrentMonthUsage": 1}
    assert len({str(answer) for answer in answers}) == 1
    assert answers[0]["billing_organization_id"] == HARBOR_ID


async def test_a_fetch_survives_its_first_caller(billing: Service, control: SandboxControl) -> None:
    """Its caller hangs up; another one gets the answer of the same call."""
    control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=0.4))
    first = asyncio.create_task(billing.ask("get_current_month_usage"))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get("GetCurrentMonthUsage", 0) == 1)
    second = asyncio.create_task(billing.ask("get_current_month_usage"))
    first.cancel()
    assert (await second)["stale"] is False
    assert control.stats().calls["GetCurrentMonthUsage"] == 1


async def test_a_caller_with_little_time_leaves_the_fetch_running(billing: Service, control: SandboxControl) -> None:
    """It is told while the cloud still works on it; the answer is there for the next one."""
    control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=3.5))
    hasty = await outcome(billing.do({"command": "get_current_month_usage"}, timeout_s=2))
    assert (hasty.word, control.stats().in_flight) == ("cloud_timeout", 1)
    assert (await billing.ask("get_current_month_usage"))["stale"] is False
    assert control.stats().calls["GetCurrentMonthUsage"] == 1


async def change_payer(billing: Service, org_id: str) -> dict[str, Any]:
    """Have another organization pay for the location."""
    return await billing.ask(
        "update_location_billing_organization", location_id=DEFAULT_LOCATION_ID, billing_organization_id=org_id
    )


@pytest.fixture
def payer_put_back(control: SandboxControl) -> Iterator[None]:
    """Who pays is the same afterwards."""
    yield
    control.patch_location(DEFAULT_LOCATION_ID, billing_organization_id=DEFAULT_ORG_ID)


@pytest.mark.usefixtures("payer_put_back")
async def test_a_change_drops_what_it_outdates(billing: Service, control: SandboxControl) -> None:
    """The next question gets the new state, and what the change has nothing to do with stays known."""
    await billing.ask("get_location_usage")
    await change_payer(billing, NORTHWIND_ID)
    answer = await billing.ask("get_location_usage")
    await billing.ask("get_current_month_usage")
    assert answer["billing_organization_id"] == NORTHWIND_ID
    assert control.stats().calls["GetCurrentMonthUsage"] == 2


@pytest.mark.usefixtures("payer_put_back")
async def test_a_change_drops_what_is_being_fetched(billing: Service, control: SandboxControl) -> None:
    """A fetch that the cloud answered before the change and that arrives after it is not kept."""
    control.set_fault(Fault("GetLocationBillingOrganization", latency_after_s=0.6, count=1))
    early = asyncio.create_task(billing.ask("get_location_billing_organization"))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.finished.get("GetLocationBillingOrganization") == 1)
    await change_payer(billing, NORTHWIND_ID)
    await early
    answer = await billing.ask("get_location_billing_organization")
    assert answer["billing_organization_id"] == NORTHWIND_ID


@pytest.mark.usefixtures("payer_put_back")
async def test_a_change_whose_answer_is_lost_drops_too(billing: Service, control: SandboxControl) -> None:
    """It may have been done."""
    await billing.ask("get_location_billing_organization")
    control.set_fault(Fault("UpdateLocationBillingOrganization", drop_connection=True, when="after", count=1))
    assert (await outcome(change_payer(billing, NORTHWIND_ID))).code == "cloud_unreachable"
    answer = await billing.ask("get_location_billing_organization")
    assert answer["billing_organization_id"] == NORTHWIND_ID


async def test_a_rejected_key_drops_all(billing: Service, control: SandboxControl) -> None:
    """What is known is not told any more, not even while the cloud is away."""
    await billing.ask("get_current_month_usage")
    await billing.ask("get_invoices_summary")
    control.set_fault(Fault("Authenticate", status="UNAUTHENTICATED"))
    control.expire_tokens()
    first = await refused(billing.ask("get_current_month_usage", max_age_s=0))
    control.go_dark()
    second = await outcome(billing.ask("get_invoices_summary"))
    assert (first.code, second.word) == ("key_rejected", "cloud_unreachable")


async def test_a_lacking_permission_drops_what_it_is_about(billing: Service, control: SandboxControl) -> None:
    """What the key may still read stays known."""
    await billing.ask("get_current_month_usage")
    await billing.ask("get_invoices_summary")
    control.set_fault(Fault("GetCurrentMonthUsage", status="PERMISSION_DENIED"))
    first = await refused(billing.ask("get_current_month_usage", max_age_s=0))
    control.go_dark()
    found = [(await outcome(billing.ask(name))).word for name in ("get_current_month_usage", "get_invoices_summary")]
    assert (first.code, found) == ("key_lacks_permission", ["cloud_unreachable", "fresh"])
