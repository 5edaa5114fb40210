"""Every command of the command line against the real module, in each form of output."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from support.cli_process import Done, run
from support.machine_process import MachineProcess
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

COMMANDS: list[tuple[tuple[str, ...], str]] = [
    (("usage", "--location", "wh1north01"), "This month so far"),
    (("budget",), "Budget"),
    (("fleet",), "whole month"),
    (("fleet", "--locations"), "Warehouse North"),
    (("fleet", "--location", "wh1north01", "--location", "yard1east1"), "2 locations"),
    (("history", "--by-type", "--since", "2026-01-01"), "by kind of usage"),
    (("history", "--step", "month", "--org", DEFAULT_ORG_ID), "oldest first"),
    (("compare",), "per_machine"),
    (("invoices", "--limit", "3", "--status", "paid"), "Outstanding"),
    (("payer",), "paid by"),
    (("payer", "--org", DEFAULT_ORG_ID), "billing email"),
    (("tiers",), "enterprise"),
    (("charges", "list", "--state", "reserved"), "No charges of the organizations that this service may see."),
    (("charges", "list", "--limit", "3"), "succeeded"),
    (("charges", "show", "job-000119"), "payment status"),
    (("charges", "reconcile"), "Settled"),
    (("audit", "--limit", "2"), "came of it"),
    (("access",), "works"),
    (("status",), "cache hits"),
    (("do", '{"get_status": {}}'), "cloud_calls"),
]


WAYS = "charge_organization (dry run) ", "charge_organization  "
"""A charge in the audit log, tried and made."""


@pytest.fixture(scope="module")
def machine() -> Iterator[MachineProcess]:
    """One machine for the tests of this file."""
    with MachineProcess("--direct") as running:
        yield running


async def ask(machine: MachineProcess, *arguments: str, **more: str) -> Done:
    """Run a command against the machine."""
    return await run(*arguments, "--insecure", "--address", f"localhost:{machine.port}", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("command", "words"), COMMANDS, ids=lambda each: each if isinstance(each, str) else each[0])
async def test_a_command_writes_tables_json_and_csv(
    machine: MachineProcess, command: tuple[str, ...], words: str
) -> None:
    """Figures on stdout; on stderr only, of CSV, that one location of the whole fleet is not known."""
    forms = ("table", "json", "csv")
    table, as_json, as_csv = await asyncio.gather(*(ask(machine, *command, "--output", form) for form in forms))
    assert [(each.code, each.errors) for each in (table, as_json)] == [(0, "")] * 2
    told = "viam-billing: Not complete: 1 row failed.\n" if "Not complete" in table.output else ""
    assert (as_csv.code, as_csv.errors) == (0, told)
    assert words in table.output
    assert isinstance(json.loads(as_json.output), dict)
    header, *rows = csv.reader(io.StringIO(as_csv.output))
    assert len(header) == len(set(header))
    assert {len(row) for row in rows} <= {len(header)}
    assert rows or command in (("charges", "reconcile"), ("charges", "list", "--state", "reserved"))


async def test_json_is_the_modules_own_answer(machine: MachineProcess) -> None:
    usage, asked = await asyncio.gather(
        ask(machine, "usage", "-o", "json"), ask(machine, "do", '{"get_location_usage": {}}')
    )
    assert json.loads(usage.output) == json.loads(asked.output)["get_location_usage"]


async def test_do_reads_a_request_from_stdin(machine: MachineProcess) -> None:
    done = await ask(machine, "do", "-", typed='{"command": "get_available_billing_tiers"}')
    assert json.loads(done.output)["tiers"] == ["standard", "fleet", "enterprise"]


async def test_an_invoice_is_saved_and_no_file_is_replaced_unasked(machine: MachineProcess, tmp_path: Path) -> None:
    folder = str(tmp_path)
    saved = await ask(machine, "invoice", "FW-2026-10", "-o", "json", cwd=folder)
    answer = json.loads(saved.output)
    content = (tmp_path / "FW-2026-10.pdf").read_bytes()
    assert (answer["file"], answer["sha256"]) == ("FW-2026-10.pdf", hashlib.sha256(content).hexdigest())
    assert content.startswith(b"%PDF")
    again = await ask(machine, "invoice", "FW-2026-10", cwd=folder)
    assert (again.code, again.output) == (2, "")
    assert "--force" in again.errors
    forced = await ask(machine, "invoice", "FW-2026-10", "--force", "-o", "csv", cwd=folder)
    assert forced.output.splitlines()[0] == "invoice_id,org_id,size_bytes,sha256,file"
    printed = await ask(machine, "invoice", "FW-2026-10", "--file", "-", cwd=folder)
    assert printed.output.startswith("%PDF")
    assert os.listdir(folder) == ["FW-2026-10.pdf"]


async def test_an_invoices_id_leads_to_no_other_folder(machine: MachineProcess, tmp_path: Path) -> None:
    done = await ask(machine, "invoice", "../../x", cwd=str(tmp_path))
    assert done.code == 1
    assert done.errors.startswith("viam-billing: not_found: ")
    assert os.listdir(tmp_path) == []


async def test_a_key_charges_once_and_the_charge_is_shown(machine: MachineProcess) -> None:
    charge = ("charge", "--org", HARBOR_ID, "--subtotal", "1.10", "--tax", "0.10", "--key", "visit-1", "--yes")
    tried, as_json = await asyncio.gather(
        ask(machine, *charge, "--dry-run"), ask(machine, *charge, "--dry-run", "-o", "json")
    )
    assert re.search(rf"nothing was sent.*{HARBOR_ID}.*\$1\.10.*\$0\.10", tried.output, re.DOTALL)
    assert json.loads(as_json.output)["would_send"]["org_id_to_charge"] == HARBOR_ID
    first = await ask(machine, *charge, "-o", "json")
    again = await ask(machine, *charge, "-o", "json")
    made, repeated = json.loads(first.output), json.loads(again.output)
    assert first.errors == "viam-billing: idempotency key: visit-1\n"
    assert (made["total"], made["replayed"], repeated["replayed"]) == (1.2, False, True)
    assert made["invoice_id"] == repeated["invoice_id"]
    (shown,) = csv.DictReader(io.StringIO((await ask(machine, "charges", "show", "visit-1", "-o", "csv")).output))
    assert (shown["total"], shown["state"]) == ("1.2", "succeeded")
    used = await ask(machine, *charge, "--dry-run")
    assert (used.code, "used for this charge before" in used.errors) == (0, True)
    assert made["invoice_id"] in used.output
    audit = (await ask(machine, "audit", "--limit", "20")).output
    dry, real = (next(line for line in audit.splitlines() if HARBOR_ID in line and words in line) for words in WAYS)
    assert "$1.20" in dry
    assert "$1.20" in real


async def test_focus_has_a_row_for_each_kind_of_a_day(machine: MachineProcess) -> None:
    await ask(machine, "usage")  # which records a figure of today
    done = await ask(machine, "export", "focus", "--since", "2026-06-01", "--account-name", "Fleet Works")
    rows = list(csv.DictReader(io.StringIO(done.output)))
    assert done.code == 0
    assert {row["BillingAccountName"] for row in rows} == {"Fleet Works"}
    assert {"per_machine", "logs_upload"} <= {row["SkuId"] for row in rows}
    assert max(row["ChargePeriodEnd"] for row in rows) <= f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


async def test_focus_months_add_up_to_what_the_months_came_to(machine: MachineProcess) -> None:
    """To the cent: the rows of a month that is over, and the figure that `history` has of it."""
    done = await ask(machine, "export", "focus")
    billed: dict[str, Decimal] = {}
    for row in csv.DictReader(io.StringIO(done.output)):
        month = row["BillingPeriodStart"][:7]
        billed[month] = billed.get(month, Decimal()) + Decimal(row["BilledCost"])
    months = json.loads((await ask(machine, "history", "--step", "month", "-o", "json")).output)["points"][:-1]
    assert len(months) > 3
    assert {each["time"][:7]: Decimal(str(each["month_to_date"])) for each in months}.items() <= billed.items()


async def test_focus_says_why_there_is_no_row(machine: MachineProcess) -> None:
    await ask(machine, "usage")
    done = await ask(machine, "export", "focus", "--since", f"{datetime.now(timezone.utc):%Y-%m-%d}")
    assert (done.code, len(done.output.splitlines())) == (0, 1)
    assert "no whole day" in done.errors


async def test_a_person_settles_an_unknown_charge() -> None:
    with MachineProcess("--direct", "--scene", "unknown-charge") as machine:
        listed = json.loads((await ask(machine, "charges", "list", "--state", "unknown", "-o", "json")).output)
        entry = next(each for each in listed["charges"] if "candidates" in each)
        resolve = ("charges", "resolve", entry["idempotency_key"], "--outcome", "succeeded", "--note", "seen, Ann")
        unasked = await ask(machine, *resolve, "--invoice", entry["candidates"][0])
        assert (unasked.code, "--yes" in unasked.errors) == (2, True)
        settled = await ask(machine, *resolve, "--invoice", entry["candidates"][0], "--yes", "-o", "json")
        assert json.loads(settled.output)["state"] == "succeeded"
