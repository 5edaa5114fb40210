"""The script of the guide: fleet software that reads all of it, over a real connection to a machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.docs_pages import blocks
from support.parent import Machine
from support.sandbox_caller import HARBOR_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

(WHOLE_FLEET,) = (
    block.value for block in blocks("ways-in.md") if block.language == "json" and "allowed_location_ids" in block.value
)
SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "fleet_report.py"


@pytest_asyncio.fixture
async def machine() -> AsyncIterator[Machine]:
    """A machine that can be reached over TCP, as fleet software reaches it."""
    async with Machine() as running:
        await running.parent.listen()
        yield running


async def run(machine: Machine, *options: str) -> tuple[int, str, str]:
    """Run the script. Returns its exit code, what it printed and what it complained of."""
    return await run_at(f"127.0.0.1:{machine.parent.port}", "--insecure", *options)


async def run_at(*arguments: str) -> tuple[int, str, str]:
    """Run the script with any arguments."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, printed.decode(), complained.decode()


def rows(printed: str, beginning: str) -> list[str]:
    """The lines that begin with a text."""
    return [line for line in printed.splitlines() if line.startswith(beginning)]


async def test_the_fleet_its_budget_and_its_days_are_printed(machine: Machine, attributes: dict[str, Any]) -> None:
    """Each organization once; the budget; a day of the history, seen by the question before."""
    scope = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"], "budget": {"monthly": 2500}}
    await machine.add_service({**attributes, **scope})
    code, printed, complained = await run(machine)
    assert code == 0, complained
    assert len(rows(printed, f"  {DEFAULT_ORG_ID}")) == len(rows(printed, f"  {HARBOR_ID}")) == 1
    assert len(rows(printed, "Budget: ")) == 1
    assert "so far this month" in printed.splitlines()[-1]


async def test_a_location_without_a_payer_is_named(
    machine: Machine, attributes: dict[str, Any], cloud: SandboxProcess
) -> None:
    """And the sum says that it is not the whole."""
    await machine.add_service({**attributes, "allowed_org_ids": ["*"], "allowed_location_ids": ["*"]})
    cloud.control.patch_location("yard1east1", billing_organization_id="")
    _, printed, _ = await run(machine)
    assert len(rows(printed, "  location yard1east1  not known: ")) == 1
    assert "so the sum is not the whole" in printed
    (budget,) = rows(printed, "Budget: ")
    assert budget.startswith("Budget: not_configured: no budget is known.")


@pytest.mark.parametrize("scope", [{}, WHOLE_FLEET], ids=["by default", "a fleet"])
async def test_what_is_left_out_is_told(machine: Machine, attributes: dict[str, Any], scope: dict[str, Any]) -> None:
    """Only the own location is in scope by default, and the page of ways in has what adds all."""
    await machine.add_service({**attributes, **scope})
    code, printed, complained = await run(machine)
    assert code == 0, complained
    left_out = [line for line in printed.splitlines() if "left out: not in the service's allowed_location_ids" in line]
    assert len(left_out) == (0 if scope else 1)
    assert bool(rows(printed, f"  {HARBOR_ID}")) is bool(scope)
    assert any(line.endswith(", 1 location") for line in rows(printed, f"  {DEFAULT_ORG_ID}")) is not bool(scope)


async def test_an_error_is_told_and_ends_the_script(machine: Machine, attributes: dict[str, Any]) -> None:
    await machine.add_service({**attributes, "allowed_commands": ["check_access"]})
    code, _, complained = await run(machine)
    assert code == 1
    assert "command_not_allowed" in complained


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("localhost:1 --insecure", "the machine at localhost:1 cannot be reached ("),
        ("nowhere.invalid:80 --insecure", "the machine at nowhere.invalid:80 cannot be reached ("),
        ("localhost:port --insecure", "the machine at localhost:port cannot be reached ("),
        ("localhost:1", "the machine at localhost:1 cannot be reached ("),
        ("localhost:1 --api-key-id no-uuid --api-key k", "no-uuid is not a valid UUID"),
        ("http:// --insecure", "address: found 'http://', expected a machine's, such as "),
        ("localhost:1 --api-key k", "api_key and api_key_id: found one of them"),
    ],
)
async def test_a_wrong_address_or_key_is_told_in_a_line(arguments: str, told: str) -> None:
    code, printed, complained = await run_at(*arguments.split())
    assert code == 1
    assert "Fleet" not in printed  # the SDK's native library writes its logs there
    assert complained.splitlines()[-1].startswith(f"no answer: {told}")
    assert "Traceback" not in complained


async def test_a_wrong_service_name_is_told_in_a_line(machine: Machine, attributes: dict[str, Any]) -> None:
    await machine.add_service(attributes)
    code, _, complained = await run(machine, "--service", "biling")
    assert code == 1
    assert complained.splitlines()[-1].startswith('no answer: the machine has no service "biling".')
    assert "Traceback" not in complained


pytestmark = pytest.mark.usefixtures("control")
