"""Looking at the journal and the audit log: get_charge, list_charges, get_audit_log, get_status, each in its scope."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.charging import ALDER_ID, INVOICES, RPC, charge, keys, sent
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_get_charge_tells_the_payment_status(charger: Service, control: SandboxControl) -> None:
    """Of its invoice, when the cloud can say it; else the entry alone."""
    answer = await charger.do(charge("a"))
    entry = await charger.ask("get_charge", idempotency_key="a", max_age_s=0)
    assert entry["payment_status"] == "paid"
    assert entry["stale"] is False
    assert {name: entry[name] for name in answer if name != "replayed"} == {
        name: value for name, value in answer.items() if name != "replayed"
    }
    control.set_fault(Fault(INVOICES, status="PERMISSION_DENIED"))
    assert "payment_status" not in await charger.ask("get_charge", idempotency_key="a", max_age_s=0)


async def test_get_charge_of_no_charge(charger: Service) -> None:
    """Not of one that was refused before its reservation; a key is needed."""
    await refused(charger.do(charge("a", subtotal=501)))
    for key in ("a", "never"):
        assert (await refused(charger.ask("get_charge", idempotency_key=key))).code == "not_found"
    assert (await refused(charger.ask("get_charge"))).code == "invalid_request"


async def test_list_charges_is_newest_first_and_filtered(charger: Service, control: SandboxControl) -> None:
    """By state, and cut to the limit."""
    await charger.do(charge("a"))
    control.set_fault(Fault(RPC, status="NOT_FOUND", count=1))
    await refused(charger.do(charge("b")))
    await charger.do(charge("c", NORTHWIND_ID))
    control.set_fault(Fault(RPC, status="INTERNAL", count=1))
    await refused(charger.do(charge("d", NORTHWIND_ID)))
    control.set_fault(Fault(RPC, latency_before_s=1, count=1))
    call = asyncio.create_task(charger.do(charge("e")))
    await sent(control, 5)

    async def listed(**filters: object) -> list[str]:
        return [each["idempotency_key"] for each in (await charger.ask("list_charges", **filters))["charges"]]

    assert await listed() == ["e", "d", "c", "b", "a"]
    assert await listed(limit=2) == ["e", "d"]
    states = {state: await listed(state=state) for state in ("sent", "unknown", "succeeded", "failed", "reserved")}
    assert states == {"sent": ["e"], "unknown": ["d"], "succeeded": ["c", "a"], "failed": ["b"], "reserved": []}
    for wrong in ({"state": "lost"}, {"limit": 0}, {"org_id": HARBOR_ID}):
        assert (await refused(charger.ask("list_charges", **wrong))).code == "invalid_request"
    await call


async def test_the_status_tells_of_charges(charger: Service, control: SandboxControl) -> None:
    """From memory, without a call to the cloud."""
    await charger.do(charge("a", subtotal=100, tax=1.5))
    control.set_fault(Fault(RPC, status="INTERNAL", count=1))
    await refused(charger.do(charge("b", subtotal=20)))
    calls = dict(control.stats().calls)
    status = await charger.status()
    assert (status["unknown_charges"], status["charged_last_24h"]) == (1, 121.5)
    assert status["journal"].keys() == {"id", "created", "entries"}
    assert status["journal"]["entries"] == 2
    assert status["journal"]["created"].endswith("Z")
    assert control.stats().calls == calls
    await charger.ask("resolve_charge", idempotency_key="b", outcome="failed", note="n")
    status = await charger.status()
    assert (status["unknown_charges"], status["charged_last_24h"]) == (0, 101.5)


async def test_each_service_sees_what_is_in_its_scope(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any], control: SandboxControl
) -> None:
    """Of one journal: entries, single charges, what reconciling answers and what can be resolved."""
    harbor = await make(**{**charging, "allowed_org_ids": [HARBOR_ID]})
    north = await make(**{**charging, "allowed_org_ids": [NORTHWIND_ID, ALDER_ID]})
    await harbor.do(charge("h"))
    control.set_fault(Fault(RPC, status="INTERNAL", when="after", count=1))
    await refused(north.do(charge("n", NORTHWIND_ID)))
    assert [e["idempotency_key"] for e in (await harbor.ask("list_charges"))["charges"]] == ["h"]
    assert [e["idempotency_key"] for e in (await north.ask("list_charges", limit=1))["charges"]] == ["n"]
    for service, key in ((harbor, "n"), (north, "h")):
        assert (await refused(service.ask("get_charge", idempotency_key=key))).code == "not_found"
    resolved = harbor.ask("resolve_charge", idempotency_key="n", outcome="failed", note="not mine")
    assert (await refused(resolved)).code == "not_found"
    assert await harbor.ask("reconcile_charges") == {"settled": [], "still_unknown": []}
    assert [e["idempotency_key"] for e in (await north.ask("reconcile_charges"))["settled"]] == ["n"]


async def test_a_key_of_another_service_is_a_conflict(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any], control: SandboxControl
) -> None:
    """Keys belong to the folder: the same charge through the other service is answered, another is refused."""
    one, two = await make(**charging), await make(**charging)
    first = await one.do(charge("a"))
    assert await two.do(charge("a")) == {**first, "replayed": True}
    assert (await refused(two.do(charge("a", NORTHWIND_ID)))).code == "idempotency_conflict"
    found = await asyncio.gather(*(service.do(charge("b")) for service in (one, two) for _ in range(5)))
    assert sum(not answer["replayed"] for answer in found) == 1
    assert keys(control.stats()) == ["a", "b"]


async def test_the_audit_log_has_every_attempt(charger: Service, control: SandboxControl) -> None:
    """Charges that were made, refused or unknown, looks and decisions; newest first, with their keys and codes."""
    await charger.do(charge("a"))
    await refused(charger.do(charge("b", subtotal=501)))
    await refused(charger.do(charge("c", "no-such-org")))
    control.set_fault(Fault(RPC, status="INTERNAL", count=1))
    await refused(charger.do(charge("d")))
    await charger.ask("reconcile_charges")
    await charger.ask("resolve_charge", idempotency_key="d", outcome="failed", note="n")
    entries = (await charger.ask("get_audit_log"))["entries"]
    found = [(e["command"], e.get("idempotency_key"), e["allowed"], e.get("code")) for e in reversed(entries)]
    assert found == [
        ("charge_organization", "a", True, None),
        ("charge_organization", "b", True, "charge_limit_exceeded"),
        ("charge_organization", "c", False, "out_of_scope"),
        ("charge_organization", "d", True, "charge_outcome_unknown"),
        ("reconcile_charges", None, True, None),
        ("resolve_charge", "d", True, None),
    ]
    assert entries[-1]["parameters"]["subtotal"] == 12.5
    since = entries[1]["time"]
    assert (await charger.ask("get_audit_log", since=since, limit=1))["entries"] == entries[:1]
    assert len((await charger.ask("get_audit_log", since=since))["entries"]) == 2


async def test_the_audit_log_counts_repeats(charger: Service) -> None:
    """A robot that asks for the same refused charge all night fills one entry."""
    for _ in range(5):
        await refused(charger.do(charge("b", subtotal=501)))
    (entry,) = (await charger.ask("get_audit_log"))["entries"]
    assert (entry["idempotency_key"], entry["repeats"]) == ("b", 4)


async def test_the_audit_log_is_in_scope_too(make: Callable[..., Awaitable[Service]], charging: dict[str, Any]) -> None:
    """A service sees its own attempts, and of others those about what it sees."""
    harbor = await make(**{**charging, "allowed_org_ids": [HARBOR_ID]})
    wide = await make(**{**charging, "allowed_org_ids": [HARBOR_ID, NORTHWIND_ID]})
    await wide.do(charge("n", NORTHWIND_ID))
    await wide.do(charge("h"))
    await refused(harbor.do(charge("own", NORTHWIND_ID)))

    async def seen(service: Service) -> list[str]:
        return [each["idempotency_key"] for each in (await service.ask("get_audit_log"))["entries"]]

    assert await seen(harbor) == ["own", "h"]
    assert await seen(wide) == ["own", "h", "n"]


async def test_a_service_that_may_not_charge_reads_the_journal(
    charging: dict[str, Any], control: SandboxControl
) -> None:
    """Beside a process that charges, and without keeping it from that."""
    async with ModuleProcess() as reading, ModuleProcess() as module:
        await reading.add({**charging, "allowed_commands": ["read"]})
        await reading.ask("list_charges")
        await module.add(charging)
        await module.do(charge("a"))
        assert [e["idempotency_key"] for e in (await reading.ask("list_charges"))["charges"]] == ["a"]
        for command in ("reconcile_charges", "charge_organization"):
            block = charge("b") if command == "charge_organization" else {"command": command}
            assert (await refused(reading.do(block))).code == "command_not_allowed"
        assert (await module.do(charge("b")))["state"] == "succeeded"
    assert keys(control.stats()) == ["a", "b"]


async def test_resolving_needs_its_name(make: Callable[..., Awaitable[Service]], charging: dict[str, Any]) -> None:
    """The group of all charges does not include a person's decision."""
    service = await make(**{**charging, "allowed_commands": ["read", "charge"]})
    refusal = await refused(service.ask("resolve_charge", idempotency_key="a", outcome="failed", note="n"))
    assert (refusal.code, "resolve_charge" in refusal.text) == ("command_not_allowed", True)


async def test_charges_and_the_cooldown_of_emails_do_not_meet(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any], control: SandboxControl
) -> None:
    """One folder keeps both: a charge starts no cooldown, an unknown one blocks no e-mail."""
    service = await make(**{**charging, "allowed_commands": ["read", "notify", "charge"]})
    email = {"command": "send_payment_required_email", "customer_org_id": HARBOR_ID}
    control.set_fault(Fault(RPC, status="INTERNAL", count=1))
    await refused(service.do(charge("a")))
    assert (await service.do(email))["sent"] is True
    assert (await refused(service.do(email))).code == "cooldown_active"
    assert (await refused(service.do(charge("b")))).code == "charge_blocked"
    assert (await service.do(charge("c", NORTHWIND_ID)))["state"] == "succeeded"


async def test_a_folder_that_cannot_be_there_is_no_empty_journal(
    service: Service, make: Callable[..., Awaitable[Service]], tmp_path: Path
) -> None:
    """For a service that only reads, too: its path may be misspelt, or its disk not mounted. An empty one is."""
    assert (await service.ask("list_charges"))["charges"] == []
    away = await make(state_dir=str(tmp_path / "not" / "there"))
    for command in (
        {"command": "list_charges"},
        {"command": "get_audit_log"},
        {"get_charge": {"idempotency_key": "a"}},
    ):
        refusal = await refused(away.do(command))
        assert (refusal.code, "is not there" in refusal.text) == ("state_unavailable", True)
    assert {"unknown_charges", "charged_last_24h"}.isdisjoint(await away.ask("get_status"))
