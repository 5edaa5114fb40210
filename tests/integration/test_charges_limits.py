"""charge_limits: per charge, per day, in a race, with what failed and what is unknown, beside another service's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.charging import INVOICES, ORGS, RPC, change_journal, charge, keys, sent
from support.faulty_cloud import outcome
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_per_charge_is_with_the_tax(charger: Service, control: SandboxControl) -> None:
    """500.00 fit, a cent more does not; the message names both figures, and the key stays unused."""
    refusal = await refused(charger.do(charge("a", subtotal=490, tax=10.01)))
    assert refusal.code == "charge_limit_exceeded"
    assert "500.01" in refusal.text
    assert "charge_limits.per_charge" in refusal.text
    assert not set(control.stats().calls) & {RPC, INVOICES}
    assert (await refused(charger.ask("get_charge", idempotency_key="a"))).code == "not_found"
    assert (await charger.do(charge("a", subtotal=490, tax=10)))["total"] == 500


async def test_the_other_command_has_the_same_limits(charger: Service, control: SandboxControl) -> None:
    """They are of the amount, however it is charged."""
    call = charger.ask("create_invoice_and_charge_immediately", org_id=HARBOR_ID, amount=500.01, idempotency_key="a")
    assert (await refused(call)).code == "charge_limit_exceeded"
    assert control.stats().charges == []


async def test_the_day_is_full_to_the_cent(charger: Service, control: SandboxControl) -> None:
    """Of all organizations together; what was charged is still replayed then."""
    await charger.do(charge("a", subtotal=500))
    await charger.do(charge("b", NORTHWIND_ID, subtotal=499.99))
    for org_id in ORGS:
        refusal = await refused(charger.do(charge("c", org_id, subtotal=0.02)))
        assert refusal.code == "charge_limit_exceeded"
        assert "charge_limits.per_day" in refusal.text
    assert (await charger.do(charge("d", subtotal=0.01)))["state"] == "succeeded"
    assert (await charger.do(charge("a", subtotal=500)))["replayed"] is True
    assert (await charger.status())["charged_last_24h"] == 1000
    assert keys(control.stats()) == ["a", "b", "d"]


async def test_callers_that_race_for_the_limit(charger: Service, control: SandboxControl) -> None:
    """Thirty keys of four organizations, of which ten fit: ten are charged."""
    calls = [charger.do(charge(f"k{number}", ORGS[number % 4], subtotal=100)) for number in range(30)]
    found = Counter(each.code for each in await asyncio.gather(*map(outcome, calls)))
    assert found == {"": 10, "charge_limit_exceeded": 20}
    assert sum(each["amount"] for each in control.stats().charges) == 1000


async def test_what_is_under_way_counts(charger: Service, control: SandboxControl) -> None:
    """Before anybody knows how it ends."""
    control.set_fault(Fault(RPC, latency_before_s=0.5, count=2))
    calls = [
        asyncio.create_task(charger.do(charge(org_id, org_id, subtotal=500))) for org_id in (HARBOR_ID, NORTHWIND_ID)
    ]
    await sent(control, 2)
    assert (await refused(charger.do(charge("c", ORGS[2], subtotal=1)))).code == "charge_limit_exceeded"
    assert (await charger.status())["charged_last_24h"] == 1000
    await asyncio.gather(*calls)


async def test_what_failed_does_not_count(charger: Service, control: SandboxControl) -> None:
    """Its amount is free again at once."""
    control.set_fault(Fault(RPC, status="NOT_FOUND", count=3))
    for key in "abc":
        assert (await refused(charger.do(charge(key, subtotal=500)))).code == "not_found"
    assert (await charger.status())["charged_last_24h"] == 0
    await asyncio.gather(*(charger.do(charge(key, subtotal=500)) for key in "de"))
    assert keys(control.stats()) == ["d", "e"]


@pytest.mark.parametrize(("hours", "free"), [(23, 100), (25, 400)])
async def test_a_day_is_24_hours(charging: dict[str, Any], hours: int, free: int) -> None:
    """What succeeded counts for so long; what is unknown counts until it is settled, however old."""
    async with ModuleProcess() as module:
        block = {**charging, "charge_limits": {"per_charge": 500, "per_day": 700}}
        await module.add(block)
        await module.do(charge("a", subtotal=300))
        await module.do(charge("b", NORTHWIND_ID, subtotal=300))
        module.kill()
        earlier = (
            "UPDATE charges SET created_at = created_at - ?1, sent_at = sent_at - ?1, journal_time = journal_time - ?1"
        )
        change_journal(charging["state_dir"], earlier, hours * 3600)
        change_journal(charging["state_dir"], "UPDATE charges SET state = 'unknown', invoice_id = NULL WHERE key = 'b'")
        await module.restart()
        await module.add(block)
        assert (await refused(module.do(charge("c", subtotal=free + 0.01)))).code == "charge_limit_exceeded"
        assert (await module.status())["charged_last_24h"] == 700 - free
        assert (await module.do(charge("c", subtotal=free)))["state"] == "succeeded"


async def test_services_share_the_sum_and_have_their_own_limits(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any], control: SandboxControl
) -> None:
    """The one with the small limit is full by what the other has charged, and the other goes on."""
    large = await make(**charging)
    small = await make(**{**charging, "charge_limits": {"per_charge": 50, "per_day": 100}})
    await large.do(charge("a", subtotal=80))
    assert (await refused(small.do(charge("b", subtotal=20.01)))).code == "charge_limit_exceeded"
    assert (await small.do(charge("b", subtotal=20)))["state"] == "succeeded"
    assert (await refused(small.do(charge("c", subtotal=50.01)))).code == "charge_limit_exceeded"
    assert (await large.do(charge("c", subtotal=50.01)))["state"] == "succeeded"
    assert keys(control.stats()) == ["a", "b", "c"]


async def test_another_folder_is_another_journal(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any], control: SandboxControl
) -> None:
    """With its own keys, limits and blocks: what belongs together is put into one folder."""
    one, two = await make(**charging), await make(**{**charging, "state_dir": f"{charging['state_dir']}2"})
    for service in (one, two):
        assert (await service.do(charge("a", subtotal=500)))["replayed"] is False
        assert (await service.status())["charged_last_24h"] == 500
    assert keys(control.stats()) == ["a", "a"]
