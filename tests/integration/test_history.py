"""get_usage_history: what this machine has seen, over restarts, power cuts and bad disks."""

# ruff: noqa: ASYNC240 - the test itself may wait for its own small files
from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.faulty_cloud import attributes, service
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing.core.times import from_rfc3339, month_start_s
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import Point, UsageHistory
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOCATION = "pier7hl001"
"""Harbor Logistics pays for it."""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, state_dir: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service's attributes."""
    return attributes(cloud.address, state_dir, timeout_s=5)


@pytest_asyncio.fixture(loop_scope="module")
async def own() -> AsyncIterator[ModuleProcess]:
    """A module whose log is the test's alone."""
    async with ModuleProcess() as running:
        yield running


async def seen_before(state_dir: Path, address: str, org_id: str, days: dict[str, float]) -> None:
    """What an earlier start of the module saw, at noon of days of 2026, by their costs."""
    state_dir.mkdir()
    history = UsageHistory(Disk(), str(state_dir), address)
    for day, cost in days.items():
        time_s = from_rfc3339(f"2026-{day}T12:00:00Z")
        await history.note(org_id, Point(time_s, month_start_s(time_s), cost))
    history.close()


async def last_point(billing: Service, org_id: str = DEFAULT_ORG_ID) -> dict[str, Any]:
    """The newest of the history, by the hour."""
    found = await billing.ask("get_usage_history", org_id=org_id, step="hour")
    last: dict[str, Any] = found["points"][-1]
    return last


async def test_what_was_seen_outlives_a_power_cut(own: ModuleProcess, block: dict[str, Any]) -> None:
    """Kill -9 right behind the answer: the point is there, with the answer's time and cost."""
    async with service(own, block) as billing:
        usage = await billing.ask("get_current_month_usage")
        own.kill()
    await own.restart()
    async with service(own, block) as billing:
        point = await last_point(billing)
    assert point["time"][:19] == usage["as_of"][:19]
    assert point["month_to_date"] == pytest.approx(usage["subtotal"], abs=0.006)


async def test_every_way_of_asking_leaves_a_point(own: ModuleProcess, block: dict[str, Any]) -> None:
    """A location's usage, the budget's check and the fleet's too."""
    block = {**block, "budget": {"monthly": 100.0}}
    for org_id, command, parameters in (
        (HARBOR_ID, "get_location_usage", {"location_id": LOCATION}),
        (DEFAULT_ORG_ID, "check_budget", {}),
        (NORTHWIND_ID, "get_fleet_usage", {"location_ids": ["nwlabs0001"]}),
    ):
        async with service(own, block) as billing:
            assert (await billing.ask("get_usage_history", org_id=org_id))["points"] == []
            await billing.ask(command, **parameters)
            assert (await last_point(billing, org_id))["month_to_date"] > 0


async def test_the_history_asks_the_cloud_nothing(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """But, for a location, who pays for it."""
    async with service(own, block) as billing:
        for _ in range(3):
            await billing.ask("get_usage_history", org_id=HARBOR_ID)
        assert control.stats().calls == {}
        found = await billing.do({"get_usage_history": {"location_id": LOCATION}})
        assert found["get_usage_history"]["org_id"] == HARBOR_ID
        assert found["get_usage_history"]["stale"] is False
        control.go_dark()
        assert (await billing.ask("get_usage_history", org_id=HARBOR_ID))["points"] == []
        stats = control.stats()
    assert {name: count for name, count in stats.calls.items() if name != "Authenticate"} == {
        "GetLocationBillingOrganization": 1
    }


async def test_steps_are_days_and_hours(own: ModuleProcess, block: dict[str, Any], state_dir: Path) -> None:
    """With what each cost where that is known, over the end of a month and a gap; since and until choose among them."""
    days = {"09-29": 90.0, "09-30": 95.0, "10-01": 3.0, "10-02": 5.5, "10-05": 20.0}
    await seen_before(state_dir, block["app_address"], HARBOR_ID, days)
    async with service(own, block) as billing:

        async def steps(**parameters: object) -> list[tuple[str, float, float | None]]:
            found = await billing.ask("get_usage_history", org_id=HARBOR_ID, **parameters)
            return [(each["time"][5:10], each["month_to_date"], each.get("delta")) for each in found["points"]]

        all_steps = [
            ("09-29", 90.0, None),
            ("09-30", 95.0, 5.0),
            ("10-01", 3.0, 3.0),
            ("10-02", 5.5, 2.5),
            ("10-05", 20.0, None),
        ]
        assert await steps() == await steps(step="day") == all_steps
        assert await steps(since="2026-09-30T12:00:00Z", until="2026-10-05T12:00:00Z") == all_steps[1:4]
        assert await steps(since="2026-10-02T14:00:00+02:00") == all_steps[3:]
        assert [delta for _, _, delta in await steps(step="hour")] == [None] * 5
        assert await steps(until="2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"org_id": HARBOR_ID, "location_id": LOCATION},
        {"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"},
        {"since": "2026-11-02"},
        {"until": 5},
        {"step": "week"},
        {"step": None},
        {"limit": 1},
    ],
)
async def test_wrong_input_is_named(make: Callable[..., Awaitable[Service]], parameters: dict[str, object]) -> None:
    billing = await make()
    refusal = await refused(billing.ask("get_usage_history", **parameters))
    assert refusal.code == "invalid_request"
    assert any(name in refusal.text for name in parameters)


async def test_what_is_outside_the_scope_is_refused(make: Callable[..., Awaitable[Service]]) -> None:
    billing = await make()
    for parameters in ({"org_id": HARBOR_ID}, {"location_id": LOCATION}):
        assert (await refused(billing.ask("get_usage_history", **parameters))).code == "out_of_scope"


async def test_without_a_folder_there_is_no_history(cloud: SandboxProcess, state_dir: Path) -> None:
    """What to configure is said; a folder that is no good is another matter."""
    async with ModuleProcess({"VIAM_MODULE_DATA": ""}) as bare:
        block = {**attributes(cloud.address, state_dir), "state_dir": ""}
        async with service(bare, {name: value for name, value in block.items() if value != ""}) as billing:
            refusal = await refused(billing.ask("get_usage_history"))
            assert (refusal.code, "state_dir" in refusal.text) == ("state_unavailable", True)
        async with service(bare, {**block, "state_dir": str(state_dir / "missing")}) as billing:
            assert (await refused(billing.ask("get_usage_history"))).code == "state_unavailable"


async def test_a_folder_that_is_taken_away_is_made_again(
    own: ModuleProcess, block: dict[str, Any], state_dir: Path
) -> None:
    """The history begins anew with what is seen from then on."""
    async with service(own, block) as billing:
        await billing.ask("get_current_month_usage", org_id=HARBOR_ID)
        shutil.rmtree(state_dir)
        assert (await billing.ask("get_current_month_usage", max_age_s=0))["stale"] is False
        assert (await last_point(billing))["month_to_date"] > 0
        assert (await billing.ask("get_usage_history", org_id=HARBOR_ID))["points"] == []
