"""A flood of refused requests: what was done stays in the audit log, and the folder stays small."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError

from support.charging import ALDER_ID, RPC, charge, read_journal
from support.module_process import ModuleProcess, refused
from support.sandbox_caller import HARBOR_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 1500
WIDE = "\U0001f600"


def refusals() -> Iterator[dict[str, Any]]:
    """Requests that are refused, none like another: malformed, not allowed, out of scope, above the limit, wide."""
    for i in itertools.count():
        yield {"command": "update_location_billing_organization", "location_id": f"l{i}"}
        yield {"command": "send_payment_required_email", "customer_org_id": f"c{i}"}
        yield charge(f"scope{i}", f"no-such-org-{i}")
        yield charge(f"limit{i}", subtotal=501 + i)
        yield {"charge_organization": {f"{WIDE * 150}{n}-{i}": WIDE * 1000 for n in range(20)}}
        yield {"resolve_charge": {"idempotency_key": f"k{i}", "outcome": "failed", "note": WIDE * 900}}


def size_of(folder: str) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


async def test_a_flood_leaves_what_was_done_and_a_small_folder(charging: dict[str, Any]) -> None:
    """Thousands of refusals are counted; the charge before them, and one among them, keep their entries."""
    folder = charging["state_dir"]
    async with ModuleProcess() as module:
        await module.add(charging)
        await module.do(charge("before"))
        before = size_of(folder)
        for number, request in zip(range(MANY), refusals(), strict=False):
            with pytest.raises(GRPCError):
                await module.do(request)
            if number == MANY // 2:
                await module.do(charge("among", ALDER_ID))
        entries = (await module.ask("get_audit_log", limit=20_000))["entries"]
        assert size_of(folder) - before < 6 * 2**20  # a write-ahead log of 4 MB among it
    assert sum(1 + entry.get("repeats", 0) for entry in entries) == MANY + 2
    assert len(entries) < 600
    done = [entry for entry in entries if entry["allowed"] and "code" not in entry]
    assert [entry["idempotency_key"] for entry in done] == ["among", "before"]
    assert read_journal(folder, "SELECT count(*), max(length(CAST(parameters AS BLOB))) < 2048 FROM audit")[1] == 1
    assert read_journal(folder, "SELECT count(*) FROM charges") == (2,)


async def test_only_what_may_have_been_done_is_in_its_ring(charging: dict[str, Any], control: SandboxControl) -> None:
    """And in the log; not a dry run, an answer from the journal, a change of nothing, what the cloud refused."""
    move = {"command": "update_location_billing_organization", "location_id": DEFAULT_LOCATION_ID}
    async with ModuleProcess() as module:
        await module.add({**charging, "allowed_commands": ["read", "charge", "change"]})
        await module.do(charge("made", description="between us"))
        await module.do(charge("made", description="between us"))
        await module.do(charge("dry", dry_run=True))
        control.set_fault(Fault(RPC, status="NOT_FOUND", count=1))
        await refused(module.do(charge("no")))
        control.set_fault(Fault(RPC, status="INTERNAL", count=1))
        await refused(module.do(charge("lost")))
        for _ in range(2):
            await module.do({**move, "billing_organization_id": HARBOR_ID})
        await module.do({**move, "billing_organization_id": DEFAULT_ORG_ID})
        await module.ask("get_audit_log")
        module.terminate()
        told = [line.partition("executed: ")[2] for line in module.log.splitlines() if "executed: " in line]
    made = "SELECT json_group_array(coalesce(idempotency_key, '') || coalesce(code, '')) FROM audit WHERE executed = ?"
    assert json.loads(read_journal(charging["state_dir"], made.replace("?", "1"))[0]) == [
        "made",
        "lostcharge_outcome_unknown",
        "",
        "",
    ]
    assert sorted(json.loads(read_journal(charging["state_dir"], made.replace("?", "0"))[0])) == [
        "",
        "dry",
        "made",
        "nonot_found",
    ]
    assert [line.partition(" (")[0] for line in told] == ["charge_organization"] * 2 + [move["command"]] * 2
    assert HARBOR_ID in told[0]
    assert "between us" not in "".join(told)


async def test_charges_while_the_cloud_is_away_leave_no_entry_in_the_journal(
    charging: dict[str, Any], cloud: SandboxProcess
) -> None:
    """Their keys stay unused, however many there are, and the audit log counts them."""
    folder = charging["state_dir"]
    async with ModuleProcess() as module:
        await module.add(charging)
        await module.do(charge("before"))
        before = size_of(folder)
        cloud.kill()
        try:
            for i in range(500):
                with pytest.raises(GRPCError, match=r"Nothing was sent|nothing was sent"):
                    await module.do(charge(f"{i}{WIDE * 100}", HARBOR_ID, description=WIDE * 1000))
        finally:
            cloud.start()
        assert (await module.ask("list_charges"))["charges"][0]["idempotency_key"] == "before"
        assert len((await module.ask("get_audit_log"))["entries"]) < 110
        assert size_of(folder) - before < 2 * 2**20
    assert read_journal(folder, "SELECT count(*) FROM charges") == (1,)
