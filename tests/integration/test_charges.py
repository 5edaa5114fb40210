"""Both charging commands: what they take, what they send, what they answer, and the same key again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.charging import INVOICES, RPC, charge
from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE = "create_invoice_and_charge_immediately"
CREATE_RPC = "CreateInvoiceAndChargeImmediately"


async def test_a_charge_is_sent_and_answered_with_its_entry(charger: Service, control: SandboxControl) -> None:
    """Every field of the answer; the cloud has one charge of the whole amount."""
    answer = await charger.do(charge("a", subtotal=12.5, tax=1.25))
    (charged,) = control.stats().charges
    assert charged == {"org_id": HARBOR_ID, "amount": 13.75, "description": "a", "invoice_id": answer["invoice_id"]}
    times = {name: answer.pop(name) for name in ("created_at", "sent_at")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", time) for time in times.values())
    assert times["created_at"] <= times["sent_at"]
    assert answer == {
        "idempotency_key": "a",
        "command": "charge_organization",
        "state": "succeeded",
        "org_id": HARBOR_ID,
        "total": 13.75,
        "invoice_id": charged["invoice_id"],
        "attempts": 1,
        "reconcilable": True,
        "replayed": False,
    }


async def test_the_other_command_charges_too(charger: Service, control: SandboxControl) -> None:
    """With its own name of the amount; its invoices are read first, as for the other."""
    command = {"org_id_to_charge": HARBOR_ID, "amount": 7.07, "description": "b", "idempotency_key": "b"}
    answer = (await charger.do({CREATE: command}))[CREATE]
    assert (answer["state"], answer["total"], answer["command"]) == ("succeeded", 7.07, CREATE)
    stats = control.stats()
    assert [each["amount"] for each in stats.charges] == [7.07]
    assert (stats.calls[CREATE_RPC], stats.calls[INVOICES]) == (1, 1)
    assert (await charger.ask(CREATE, **command))["replayed"] is True


async def test_an_alias_is_the_same_charge(charger: Service, control: SandboxControl) -> None:
    """`org_id`, `amount_owed` and a default that is written out change nothing: the key is answered again."""
    first = await charger.do(charge("a"))
    named = {"org_id": HARBOR_ID, "amount_owed": 12.5, "tax": 0, "disable_confirmation_email": False}
    again = await charger.ask("charge_organization", **named, description="a", idempotency_key="a")
    assert again == {**first, "replayed": True}
    assert len(control.stats().charges) == 1


@pytest.mark.parametrize(
    "changes",
    [{"subtotal": 12.51}, {"tax": 1}, {"org_id_to_charge": NORTHWIND_ID}, {"description": "other"}],
    ids=lambda changes: next(iter(changes)),
)
async def test_other_parameters_are_a_conflict(
    charger: Service, control: SandboxControl, changes: dict[str, object]
) -> None:
    """A key stands for one charge; also in a dry run."""
    await charger.do(charge("a"))
    for more in ({}, {"dry_run": True}):
        assert (await refused(charger.do({**charge("a"), **changes, **more}))).code == "idempotency_conflict"
    assert len(control.stats().charges) == 1


async def test_the_other_command_with_the_key_is_a_conflict(charger: Service, control: SandboxControl) -> None:
    """Also while the first one is under way."""
    control.set_fault(Fault(RPC, latency_before_s=0.4))
    first = asyncio.create_task(charger.do(charge("a")))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(RPC) == 1)
    other = charger.ask(CREATE, org_id=HARBOR_ID, amount=12.5, description="a", idempotency_key="a")
    assert (await refused(other)).code == "idempotency_conflict"
    assert (await first)["state"] == "succeeded"
    assert CREATE_RPC not in control.stats().calls


async def test_a_dry_run_sends_nothing(charger: Service, control: SandboxControl) -> None:
    """It tells what would be sent and leaves no entry; of a key that was charged, nothing would be."""
    answer = await charger.do(charge("a", tax=1, dry_run=True))
    would_send = {"org_id_to_charge": HARBOR_ID, "subtotal": 12.5, "tax": 1, "description": "a"}
    assert answer == {"dry_run": True, "would_send": would_send, "reconcilable": True}
    assert RPC not in control.stats().calls
    assert (await charger.ask("list_charges"))["charges"] == []
    await charger.do(charge("a", tax=1))
    assert (await charger.do(charge("a", tax=1, dry_run=True)))["would_send"] == {}


async def test_a_dry_run_checks_as_a_charge_does(charger: Service, control: SandboxControl) -> None:
    """Limits, the key's access to the invoices, and the block after a charge with a lost answer."""
    assert (await refused(charger.do(charge("a", subtotal=501, dry_run=True)))).code == "charge_limit_exceeded"
    control.set_fault(Fault(INVOICES, status="PERMISSION_DENIED", count=1))
    assert (await charger.do(charge("a", dry_run=True)))["reconcilable"] is False
    control.set_fault(Fault(RPC, status="INTERNAL", when="after"))
    await refused(charger.do(charge("a")))
    assert (await refused(charger.do(charge("a", dry_run=True)))).code == "charge_outcome_unknown"
    assert (await refused(charger.do(charge("b", dry_run=True)))).code == "charge_blocked"
    assert "would_send" in await charger.do(charge("c", NORTHWIND_ID, dry_run=True))


WRONG: dict[str, dict[str, Any]] = {
    "no key": {"idempotency_key": None},
    "an empty key": {"idempotency_key": ""},
    "a blank key": {"idempotency_key": "  "},
    "a long key": {"idempotency_key": "k" * 201},
    "nothing": {"subtotal": 0},
    "less than nothing": {"subtotal": -1},
    "half a cent": {"subtotal": 1.005},
    "a text": {"subtotal": "12.5"},
    "infinity": {"subtotal": float("inf")},
    "NaN": {"subtotal": float("nan")},
    "a negative tax": {"tax": -0.01},
    "a tax of half a cent": {"tax": 0.005},
    "a long description": {"description": "d" * 1001},
    "an alias beside its name": {"amount_owed": 12.5},
    "the other command's name": {"amount": 12.5},
    "no organization": {"org_id_to_charge": ""},
    "a flag that is none": {"dry_run": "yes"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
async def test_a_wrong_parameter_is_refused(
    charger: Service, control: SandboxControl, changes: dict[str, object]
) -> None:
    """With its name in the message, before anything is read or sent, and its key unused."""
    refusal = await refused(charger.do({**charge("a"), **changes}))
    assert refusal.code == "invalid_request"
    assert next(iter(changes)) in refusal.text
    assert not set(control.stats().calls) & {RPC, INVOICES}
    assert (await charger.do(charge("a")))["replayed"] is False


async def test_there_is_no_default_organization(charger: Service) -> None:
    """Who is charged is said in the call."""
    command = {name: value for name, value in charge("a").items() if name != "org_id_to_charge"}
    refusal = await refused(charger.do(command))
    assert refusal.code == "invalid_request"
    assert "org_id_to_charge" in refusal.text


async def test_scope_and_permission_come_before_the_journal(
    make: Callable[..., Awaitable[Service]], charging: dict[str, Any], control: SandboxControl
) -> None:
    """An organization that is not named, one for the branding, and a service that may not charge."""
    narrow = await make(**{**charging, "allowed_org_ids": [HARBOR_ID]})
    reading = await make(**{**charging, "allowed_commands": ["read"]})
    for command in (charge("a", NORTHWIND_ID), charge("a", org_id_for_branding=NORTHWIND_ID)):
        assert (await refused(narrow.do(command))).code == "out_of_scope"
    assert (await refused(reading.do(charge("a")))).code == "command_not_allowed"
    assert (await refused(reading.do({**charge("a"), "subtotal": 0}))).code == "invalid_request"
    assert RPC not in control.stats().calls
    assert (await narrow.do(charge("a", org_id_for_branding=DEFAULT_ORG_ID)))["state"] == "succeeded"
