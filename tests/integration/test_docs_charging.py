"""The worked example of the page on charging: its program, run against the sandbox with the page's configuration."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from viam.services.generic import Generic
from viam.services.generic.client import GenericClient

from support.docs_pages import ATTRIBUTE_NAMES, ROOT, blocks
from support.module_process import ModuleProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = blocks("charging.md")
CONFIGURATION = next(b.value for b in PAGE if b.language == "json" and set(b.value) <= ATTRIBUTE_NAMES)
PROGRAM = ROOT / "docs" / "charge_per_job.py"
SHOWN = next(b.text for b in PAGE if b.language == "text" and "payment_status" in b.text)
CUSTOMER = CONFIGURATION["allowed_org_ids"][0]
PRICE = 42.5


class Robot:
    """The page's program, its folder of jobs and the service that it asks."""

    def __init__(self, billing: Generic, jobs: Path) -> None:
        program = runpy.run_path(str(PROGRAM))
        self._job_done: Callable[[Path, int, str, float], None] = program["job_done"]
        self._charge: Callable[[Generic, Path], Coroutine[Any, Any, None]] = program["charge_what_is_due"]
        self._billing = billing
        self._jobs = jobs

    def works(self, *numbers: int) -> None:
        """Jobs are done."""
        for number in numbers:
            self._job_done(self._jobs, number, CUSTOMER, PRICE)

    async def charges(self) -> None:
        """One round."""
        await self._charge(self._billing, self._jobs)

    def files(self, ending: str) -> list[str]:
        """The jobs whose files end so."""
        return sorted(file.stem for file in self._jobs.glob(f"*.{ending}"))


@pytest_asyncio.fixture(loop_scope="module")
async def module(control: SandboxControl, attributes: dict[str, Any]) -> AsyncIterator[ModuleProcess]:  # noqa: ARG001 - without faults
    """A module with the page's service."""
    here = {"app_address": attributes["app_address"], "api_key": DEFAULT_API_KEY, "state_dir": attributes["state_dir"]}
    async with ModuleProcess() as running:
        await running.add({**CONFIGURATION, **here})
        yield running


@pytest.fixture
def robot(module: ModuleProcess, tmp_path: Path) -> Robot:
    """A robot without jobs."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    return Robot(GenericClient("billing", module.channel), jobs)


def charged(control: SandboxControl) -> list[tuple[str, float]]:
    """What the cloud has charged: description and amount."""
    return sorted((charge["description"], charge["amount"]) for charge in control.stats().charges)


async def test_every_job_is_charged_once(
    robot: Robot, control: SandboxControl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when the rounds go on. What it prints tells the charge from the payment."""
    robot.works(1, 2)
    await robot.charges()
    await robot.charges()
    said = capsys.readouterr().out
    assert [re.sub(r"in_\w+", "ID", line) for line in said.splitlines()[:2]] == [
        re.sub(r"in_\w+", "ID", line) for line in SHOWN.splitlines()
    ]
    assert charged(control) == [("Cleaning (robot7-job-000001)", PRICE), ("Cleaning (robot7-job-000002)", PRICE)]
    assert robot.files("charged") == ["robot7-job-000001", "robot7-job-000002"]
    assert robot.files("json") == robot.files("part") == []


async def test_a_job_that_is_noted_again_is_not_charged_again(robot: Robot, control: SandboxControl) -> None:
    """A robot that dies between the charge and its own note of it repeats itself."""
    robot.works(1)
    await robot.charges()
    robot.works(1)
    await robot.charges()
    assert len(charged(control)) == 1
    assert robot.files("json") == []


async def test_a_lost_answer_is_settled_and_then_charged(
    robot: Robot, control: SandboxControl, module: ModuleProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """The jobs stay until the invoice is found; none is charged twice."""
    control.set_fault(Fault("ChargeOrganization", drop_connection=True, when="after", count=1))
    robot.works(1, 2)
    await robot.charges()
    said = capsys.readouterr().out
    assert "robot7-job-000001 is not charged yet, or not known to be: charge_outcome_unknown: " in said
    assert "robot7-job-000002 is not charged yet, or not known to be: charge_blocked: " in said
    assert robot.files("json") == ["robot7-job-000001", "robot7-job-000002"]
    assert len((await module.ask("reconcile_charges"))["settled"]) == 1
    await robot.charges()
    assert charged(control) == [("Cleaning (robot7-job-000001)", PRICE), ("Cleaning (robot7-job-000002)", PRICE)]
    assert robot.files("json") == []


async def test_a_cloud_that_is_away_costs_time_and_nothing_else(robot: Robot, control: SandboxControl) -> None:
    """A refused charge's job stays, and is charged when the cloud answers again."""
    control.set_fault(Fault("GetInvoicesSummary", status="INTERNAL", count=1))
    robot.works(1)
    await robot.charges()
    assert (charged(control), robot.files("json")) == ([], ["robot7-job-000001"])
    await robot.charges()
    assert charged(control) == [("Cleaning (robot7-job-000001)", PRICE)]


async def test_the_file_of_a_job_is_the_whole_request(robot: Robot, module: ModuleProcess, tmp_path: Path) -> None:
    """What the page says of it: with the idempotency key in the description."""
    robot.works(7)
    request = json.loads((tmp_path / "jobs" / "robot7-job-000007.json").read_text())
    assert request["idempotency_key"] in request["description"]
    shown = await module.do({**request, "dry_run": True})
    assert shown["would_send"] == {
        "org_id_to_charge": CUSTOMER,
        "subtotal": PRICE,
        "description": request["description"],
    }
