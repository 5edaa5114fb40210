"""check_budget: what is crossed, and that it is told once, over restarts and power cuts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.faulty_cloud import attributes, service
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUDGET = {"monthly": 100.0, "warn_at": [0.5, 0.8]}
LOCATION = "pier7hl001"
"""Harbor Logistics pays for it."""

Costs = Callable[[float], None]


@pytest.fixture
def costs(control: SandboxControl) -> Costs:
    """Says what Harbor Logistics has cost this month."""

    def change(dollars: float) -> None:
        usage = [{"costs": {"per_machine": dollars}}]
        control.patch_organization(HARBOR_ID, usage=usage, usage_grows=False)

    return change


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, tmp_path: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service with a budget, and a folder of its own."""
    return attributes(cloud.address, tmp_path / "state", timeout_s=5, location_id=LOCATION, budget=BUDGET)


@pytest_asyncio.fixture(loop_scope="module")
async def own() -> AsyncIterator[ModuleProcess]:
    """A module whose log is the test's alone."""
    async with ModuleProcess() as running:
        yield running


async def check(billing: Service) -> tuple[str, list[float], list[float]]:
    """The status now, what is crossed and what is newly crossed."""
    found = await billing.ask("check_budget", max_age_s=0)
    return found["status"], found["thresholds_crossed"], found["newly_crossed"]


async def test_each_threshold_is_newly_crossed_once(own: ModuleProcess, block: dict[str, Any], costs: Costs) -> None:
    """With one warning that has the figures; the same figures again, fresh or from memory, cross nothing."""
    async with service(own, block) as billing:
        costs(49.99)
        assert await check(billing) == ("ok", [], [])
        costs(50.0)
        assert await check(billing) == ("warning", [0.5], [0.5])
        assert await check(billing) == ("warning", [0.5], [])
        assert (await billing.ask("check_budget"))["newly_crossed"] == []
        costs(123.45)
        assert await check(billing) == ("exceeded", [0.5, 0.8, 1.0], [0.8, 1.0])
        costs(10.0)
        assert await check(billing) == ("ok", [], [])
        costs(60.0)
        assert await check(billing) == ("warning", [0.5], [])
    lines = [line for line in own.log.splitlines() if "threshold" in line]
    assert len(lines) == 3
    assert all("WARNING" in line and HARBOR_ID in line and "100.00" in line for line in lines)
    assert ["0.5 is" in lines[0], "0.8 is" in lines[1], "1 is" in lines[2]] == [True] * 3
    assert "50.00" in lines[0]
    assert "123.45" in lines[1]


async def test_an_answer_has_the_contracts_names(own: ModuleProcess, block: dict[str, Any], costs: Costs) -> None:
    """As the budget block of the location's usage has them, with the same values."""
    costs(80.0)
    async with service(own, block) as billing:
        found = await billing.ask("check_budget")
        usage = await billing.ask("get_location_usage")
        by_organization = await billing.do({"check_budget": {"org_id": HARBOR_ID}})
    assert {name: found[name] for name in usage["budget"]} == usage["budget"]
    assert set(found) - {"projected_status"} == {
        *("location_id", "billing_organization_id", "month_to_date", "status", "monthly_budget", "used_fraction"),
        *("thresholds_crossed", "newly_crossed", "projected_thresholds_crossed", "newly_projected", "as_of", "stale"),
    }
    assert (found["month_to_date"], found["used_fraction"], found["location_id"]) == (80.0, 0.8, LOCATION)
    assert by_organization["check_budget"]["newly_crossed"] == []
    assert by_organization["check_budget"]["org_id"] == HARBOR_ID


@pytest.mark.parametrize("end", ["terminate", "kill"])
async def test_a_restart_crosses_nothing_again(
    own: ModuleProcess, block: dict[str, Any], costs: Costs, end: str
) -> None:
    """Neither after an orderly end nor after a power cut right behind the answer."""
    costs(50.0)
    async with service(own, block) as billing:
        assert await check(billing) == ("warning", [0.5], [0.5])
        getattr(own, end)()
    await own.restart()
    async with service(own, block) as billing:
        assert await check(billing) == ("warning", [0.5], [])
        costs(80.0)
        assert await check(billing) == ("warning", [0.5, 0.8], [0.8])
    assert own.log.count("threshold 0.5") == 1
    assert own.log.count("threshold 0.8") == 1


async def test_reconfiguring_crosses_nothing_again_but_another_budget_does(
    own: ModuleProcess, block: dict[str, Any], costs: Costs
) -> None:
    """The thresholds of another amount are others; those of the old one are still known."""
    costs(50.0)
    for budget, newly in ((BUDGET, [0.5]), (BUDGET, []), ({**BUDGET, "monthly": 60.0}, [0.5, 0.8]), (BUDGET, [])):
        async with service(own, {**block, "budget": budget}) as billing:
            assert (await check(billing))[2] == newly


async def test_stale_figures_cross_nothing(
    own: ModuleProcess, block: dict[str, Any], costs: Costs, control: SandboxControl
) -> None:
    """They are told, and the cloud's return crosses what they reach."""
    costs(50.0)
    async with service(own, block) as billing:
        await billing.ask("get_location_usage")
        control.go_dark()
        found = await billing.ask("check_budget", max_age_s=0)
        assert (found["stale"], found["thresholds_crossed"], found["newly_crossed"]) == (True, [0.5], [])
        assert "threshold" not in own.log
        control.clear_faults()
        await billing.back()
        assert (await check(billing))[2] == [0.5]


async def test_without_a_folder_it_is_told_once_in_a_service(
    own: ModuleProcess, block: dict[str, Any], costs: Costs
) -> None:
    costs(50.0)
    bad = Path(block["state_dir"]) / "missing"
    async with service(own, {**block, "state_dir": str(bad)}) as billing:
        assert [(await check(billing))[2] for _ in range(3)] == [[0.5], [], []]
    assert own.log.count("until the module ends") == 1
    assert own.log.count("threshold 0.5") == 1


async def test_without_a_budget_it_says_what_to_configure(make: Callable[..., Awaitable[Service]]) -> None:
    """Not before the call is known to be a good one."""
    billing = await make()
    refusal = await refused(billing.ask("check_budget"))
    assert (refusal.code, "budget" in refusal.text) == ("not_configured", True)
    assert (await refused(billing.ask("check_budget", location_id="pier7hl001"))).code == "out_of_scope"
    assert (await refused(billing.ask("check_budget", org_id="a", location_id="b"))).code == "invalid_request"
    assert (await refused(billing.ask("check_budget", org_id=None))).code == "invalid_request"
