"""Tokens end at any moment: callers get their answers all the same, and the cloud sees few logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.faulty_cloud import CACHED_READS, attributes, outcome, service, until
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")

READS = list(CACHED_READS)


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, tmp_path: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service's attributes; nothing is remembered, so that every read needs a token."""
    return attributes(cloud.address, tmp_path / "state", timeout_s=5, cache_ttl_s=0, max_stale_s=0)


@pytest_asyncio.fixture(loop_scope="module")
async def billing(module: ModuleProcess, block: dict[str, Any]) -> AsyncIterator[Service]:
    """One service with these."""
    async with service(module, block) as made:
        yield made


async def words(billing: Service, count: int) -> set[str]:
    """How so many reads of all kinds end that are made at once."""
    names = [READS[number % len(READS)] for number in range(count)]
    found = await asyncio.gather(*(outcome(billing.ask(name, **CACHED_READS[name])) for name in names))
    return {one.word for one in found}


@pytest.mark.parametrize("calls", [1, 2, 5])
async def test_tokens_of_a_few_calls_serve_32_callers(billing: Service, control: SandboxControl, calls: int) -> None:
    """Again and again, while the callers use them up under each other's hands."""
    control.token_lifetime(calls=calls)
    for _ in range(5):
        assert await words(billing, 32) == {"fresh"}
    stats = control.stats()
    served = sum(stats.finished.values()) - stats.logins
    assert stats.logins <= served


async def test_tokens_of_a_few_calls_serve_calls_of_different_speed(billing: Service, control: SandboxControl) -> None:
    """The slow ones reach the cloud after faster ones have used their token up, which says nothing of the key."""
    control.token_lifetime(calls=2)
    control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=0.05))
    control.set_fault(Fault("GetOrgBillingInformation", latency_before_s=0.02))
    for _ in range(5):
        assert await words(billing, 32) == {"fresh"}


async def test_a_slow_first_call_may_lose_its_token_to_a_fast_one(billing: Service, control: SandboxControl) -> None:
    """A token that another call has used was good: its end is not a rejected key."""
    control.token_lifetime(calls=1)
    control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=0.3, count=1))
    slow = asyncio.create_task(outcome(billing.ask("get_current_month_usage")))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get("GetCurrentMonthUsage") == 1)
    await billing.ask("get_invoices_summary")
    assert (await slow).word == "fresh"


async def test_tokens_that_live_for_a_part_of_a_second(billing: Service, control: SandboxControl) -> None:
    """They end between calls; nobody notices, and no more logins are made than tokens end."""
    control.token_lifetime(seconds=0.2)
    for _ in range(5):
        assert await words(billing, 12) == {"fresh"}

    async def three_logins() -> bool:
        assert await words(billing, 6) == {"fresh"}
        return control.stats().logins >= 3

    time_s = await until(three_logins)
    assert control.stats().logins <= 3 + 5 * (1 + time_s)


async def test_many_callers_renew_a_token_once(billing: Service, control: SandboxControl) -> None:
    """All of them find it expired at the same time."""
    await words(billing, 6)
    control.expire_tokens()
    control.reset_stats()
    assert await words(billing, 32) == {"fresh"}
    assert control.stats().logins == 1


async def test_a_wrong_key_is_told_without_a_storm_of_logins(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """32 callers at once, a login or two; the error says what billing needs."""
    async with service(module, {**block, "api_key": "not-the-key-of-anybody"}) as billing:
        error = await refused(billing.ask("get_invoices_summary"))
        control.reset_stats()
        assert await words(billing, 32) == {"key_rejected"}
        assert (await billing.status())["connected"] is False
    assert "owner" in error.text
    assert control.stats().calls["Authenticate"] <= 2
    assert set(control.stats().calls) == {"Authenticate"}


async def test_a_key_that_is_taken_back_is_told(billing: Service, control: SandboxControl) -> None:
    """Tokens end and new ones are refused; when the key is good again, so is the service."""
    await words(billing, 6)
    control.set_fault(Fault("Authenticate", status="UNAUTHENTICATED"))
    control.expire_tokens()
    assert await words(billing, 32) == {"key_rejected"}
    control.clear_faults()
    assert await words(billing, 32) == {"fresh"}


async def test_a_login_that_fails_for_a_moment_is_repeated(billing: Service, control: SandboxControl) -> None:
    """Within the read's time."""
    control.set_fault(Fault("Authenticate", status="UNAVAILABLE", count=2))
    assert await words(billing, 32) == {"fresh"}


async def test_a_change_with_an_expired_token_is_not_sent_twice(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """It is done once, or refused with the advice to repeat it; the module has logged in anew by then."""
    names = {"organization_id": block["org_id"], "billing_tier": "standard"}
    async with service(module, {**block, "allowed_commands": ["read", "change"]}) as billing:
        await billing.ask("get_available_billing_tiers")
        control.token_lifetime(calls=3)  # used up by the change's own reads
        first = await outcome(billing.ask("update_organization_billing_tier", **names))
        sent = control.stats().calls.get("UpdateOrganizationBillingTier", 0)
        control.token_lifetime(calls=1000)
        second = await outcome(billing.ask("update_organization_billing_tier", **names))
    control.patch_organization(block["org_id"], billing_tier="enterprise")
    assert (first.code, sent) == ("cloud_error", 1)
    assert second.answer["billing_tier"] == "standard"
    assert len(control.stats().changes) == 1
