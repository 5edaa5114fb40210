"""compare_usage, and the history that it is made of: also one that an earlier version of the module has left."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.faulty_cloud import attributes, service
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID
from support.sandbox_process import SandboxProcess
from viam_billing.core.times import DAY_S, HOUR_S
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import FILE_NAME, MIGRATIONS, Point, UsageHistory
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.months import month_start, utc_now

pytestmark = pytest.mark.asyncio(loop_scope="module")


def month_before() -> tuple[float, float, float]:
    """When last month and this one began, and how long the shorter of last month and this month's past is."""
    start_s, next_s = month_start(utc_now(), -1).timestamp(), month_start(utc_now()).timestamp()
    return start_s, next_s, min(utc_now().timestamp() - next_s, next_s - start_s)


def ten_an_hour(start_s: float, next_s: float) -> list[tuple[float, float]]:
    """A point an hour of last month: 10 dollars for each."""
    return [(start_s + hour * HOUR_S - 1, 10.0 * hour) for hour in range(1, round((next_s - start_s) / HOUR_S) + 1)]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


async def test_this_month_is_set_against_the_one_before(
    module: ModuleProcess, cloud: SandboxProcess, control: SandboxControl, state_dir: Path
) -> None:
    """At the same elapsed time, by type with the largest change first; the last month's total too."""
    start_s, next_s, elapsed_s = month_before()
    history = UsageHistory(Disk(), str(state_dir), cloud.address)
    for time_s, cost in ten_an_hour(start_s, next_s):
        by_type = {"per_machine": 0.75 * cost, "logs_upload": 0.25 * cost}
        await history.note(HARBOR_ID, Point(time_s, start_s, cost, by_type))
    history.close()
    usage = [{"costs": {"per_machine": 0.0, "data_egress": 1.25}}]
    control.patch_organization(HARBOR_ID, usage=usage, usage_grows=False)
    async with service(module, attributes(cloud.address, state_dir, timeout_s=5)) as billing:
        answer = await billing.ask("compare_usage", org_id=HARBOR_ID, max_age_s=0)
        months = await billing.ask("get_usage_history", org_id=HARBOR_ID, step="month", by="type")
    before = elapsed_s / HOUR_S * 10
    assert answer["org_id"] == HARBOR_ID
    assert answer["month_to_date"] == 1.25
    assert answer["previous_month_to_date"] == pytest.approx(before, abs=0.1)
    assert answer["change"] == pytest.approx(1.25 - before, abs=0.1)
    assert answer["change_fraction"] == pytest.approx(answer["change"] / before, abs=0.01)
    total = round((next_s - start_s) / HOUR_S) * 10.0
    assert answer["previous_total"] == total
    rows = {row["type"]: (row["now"], row["before"], row["change"]) for row in answer["by_type"]}
    assert rows["per_machine"] == pytest.approx((0.0, 0.75 * before, -0.75 * before), abs=0.1)
    assert rows["logs_upload"] == pytest.approx((0.0, 0.25 * before, -0.25 * before), abs=0.1)
    assert rows["data_egress"] == (1.25, 0.0, 1.25)
    changes = [abs(row["change"]) for row in answer["by_type"]]
    assert changes == sorted(changes, reverse=True)
    assert [(point["delta"], point["delta_by_type"]) for point in months["points"]] == [
        (total, {"logs_upload": total / 4, "per_machine": total * 3 / 4}),
        (1.25, {"data_egress": 1.25, "per_machine": 0.0}),
    ]


async def test_what_an_earlier_version_has_seen_is_taken_over(
    module: ModuleProcess, cloud: SandboxProcess, control: SandboxControl, state_dir: Path
) -> None:
    """Its points stay, without the types that they never had."""
    start_s, next_s, elapsed_s = month_before()
    old = sqlite3.connect(state_dir / FILE_NAME)
    old.executescript(MIGRATIONS[0])
    old.execute("INSERT INTO series VALUES (1, ?, ?)", (cloud.address, HARBOR_ID))
    points = ((time_s // HOUR_S, time_s, start_s, cost) for time_s, cost in ten_an_hour(start_s, next_s))
    old.executemany("INSERT INTO points VALUES (1, ?, ?, ?, ?)", points)
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    (state_dir / FILE_NAME).chmod(0o600)
    control.patch_organization(HARBOR_ID, usage=[{"costs": {"per_machine": 1.25}}], usage_grows=False)
    async with service(module, attributes(cloud.address, state_dir, timeout_s=5)) as billing:
        answer = await billing.ask("compare_usage", org_id=HARBOR_ID, max_age_s=0)
        days = (await billing.ask("get_usage_history", org_id=HARBOR_ID, by="type"))["points"]
        hours = await billing.ask("get_usage_history", org_id=HARBOR_ID, step="hour", by="type")
    assert answer["previous_month_to_date"] == pytest.approx(elapsed_s / HOUR_S * 10, abs=0.1)
    assert answer["by_type"] == [{"type": "per_machine", "now": 1.25}]
    assert len(days) == round((next_s - start_s) / DAY_S) + 1
    assert [day["delta"] for day in days[:-1]] == [240.0] * (len(days) - 1)
    assert not any("delta_by_type" in day for day in days[:-1])
    assert len(hours["points"]) == round((next_s - start_s) / HOUR_S) + 1


async def test_without_a_month_before_there_is_nothing_to_compare(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """What this month has cost is told, by type, and as old as it is."""
    billing = await make(allowed_org_ids=["*"])
    control.patch_organization(HARBOR_ID, usage=[{"costs": {"logs_upload": 1.0, "per_machine": 2.0}}])
    answer = await billing.ask("compare_usage", org_id=HARBOR_ID)
    assert answer.keys() == {"org_id", "month_to_date", "by_type", "as_of", "stale"}
    assert [row.keys() for row in answer["by_type"]] == [{"type", "now"}] * 2
    assert [row["type"] for row in answer["by_type"]] == ["per_machine", "logs_upload"]
    control.go_dark()
    stale = await billing.ask("compare_usage", org_id=HARBOR_ID, max_age_s=0)
    assert (stale["stale"], stale["as_of"], stale["by_type"]) == (True, answer["as_of"], answer["by_type"])


@pytest.mark.parametrize("parameters", [{"org_id": HARBOR_ID, "location_id": "pier7hl001"}, {"step": "day"}])
async def test_wrong_input_is_named(make: Callable[..., Awaitable[Service]], parameters: dict[str, object]) -> None:
    refusal = await refused((await make()).ask("compare_usage", **parameters))
    assert refusal.code == "invalid_request"
    assert any(name in refusal.text for name in parameters)


async def test_what_is_outside_the_scope_is_refused(
    cloud: SandboxProcess, module: ModuleProcess, state_dir: Path
) -> None:
    block = attributes(cloud.address, state_dir, allowed_org_ids=None, allowed_location_ids=None)
    async with service(module, block) as billing:
        for parameters in ({"org_id": HARBOR_ID}, {"location_id": "pier7hl001"}):
            assert (await refused(billing.ask("compare_usage", **parameters))).code == "out_of_scope"
