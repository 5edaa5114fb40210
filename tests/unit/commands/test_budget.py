from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from msgspec import structs
from typing_extensions import override

from support.conditions import holds
from unit.fleet_scene import NOVEMBER_S, Fleet
from viam_billing.audit.alerts import Alerts
from viam_billing.audit.events import Event
from viam_billing.core.errors import CloudUnreachableError
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339
from viam_billing.usage.history import FILE_NAME, UsageHistory
from viam_billing.usage.thresholds import CrossedThresholds

CHECK = "check_budget"
BUDGET = {"monthly": 100.0, "warn_at": [0.8, 0.5]}


def fleet(cost: float, folder: Path | None = None, **attributes: object) -> Fleet:
    """The own location and its payer, with a budget of 100."""
    made = Fleet(str(folder) if folder else None, **{"budget": BUDGET, **attributes})
    made.bill("p", cost, "own-loc")
    return made


class WatchedThresholds(CrossedThresholds):
    """Tells when it is asked."""

    def __init__(self, history: UsageHistory | None) -> None:
        super().__init__(history)
        self.asked = asyncio.Event()

    @override
    async def newly(
        self,
        org_id: str,
        month_start_s: float,
        monthly: Cents,
        thresholds: Iterable[float],
        *,
        projected: bool = False,
    ) -> list[float]:
        self.asked.set()
        return await super().newly(org_id, month_start_s, monthly, thresholds, projected=projected)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines about thresholds."""
    return [record.getMessage() for record in caplog.records if "threshold" in record.getMessage()]


async def test_a_check_says_where_the_month_stands() -> None:
    """Of the own location's payer: 41 after 0.683333 of the month makes 60."""
    assert await fleet(41.0).ask(CHECK) == {
        "location_id": "own-loc",
        "billing_organization_id": "p",
        "month_to_date": 41.0,
        "status": "ok",
        "monthly_budget": 100.0,
        "used_fraction": 0.41,
        "projected_status": "warning",
        "thresholds_crossed": [],
        "newly_crossed": [],
        "projected_thresholds_crossed": [0.5],
        "newly_projected": [],
        "as_of": "2026-11-21T12:00:00Z",
        "stale": False,
    }


async def test_an_organization_is_checked_by_itself() -> None:
    """Without a location, and without asking for one."""
    scene = fleet(41.0)
    found = await scene.ask(CHECK, org_id="p")
    assert (found["org_id"], "location_id" in found, "billing_organization_id" in found) == ("p", False, False)
    assert scene.gateway.asked == [("usage", "p")]


async def test_a_new_month_begins_anew(tmp_path: Path) -> None:
    """It is the one that the cloud tells, not the robot's clock's."""
    scene = fleet(50.0, tmp_path / "state")
    await scene.ask(CHECK)
    scene.clock.now_s += 12 * DAY_S
    assert (await scene.ask(CHECK, max_age_s=0))["newly_crossed"] == []
    scene.gateway.month_start_s = NOVEMBER_S + 30 * DAY_S
    scene.bill("p", 10.0)
    assert (await scene.ask(CHECK, max_age_s=0))["thresholds_crossed"] == []
    scene.bill("p", 80.0)
    assert (await scene.ask(CHECK, max_age_s=0))["newly_crossed"] == [0.5, 0.8]
    scene.close()


class NotedAlerts(Alerts):
    """Keeps the names of what it is to tell."""

    def __init__(self) -> None:
        super().__init__([], None, str)
        self.names: set[str] = set()

    @override
    def note(self, events: Sequence[Event]) -> None:
        self.names |= {event.name for event in events}


@pytest.mark.parametrize("start", [None, "0001-01-01T00:00:00Z", "2026-05-01T00:00:00Z"])
async def test_without_a_start_that_makes_sense_the_calendar_months_counts(start: str | None) -> None:
    """Or the thresholds of one month would be those of all, in answers and in alerts."""
    scene, alerts = fleet(50.0), NotedAlerts()
    scene.context = structs.replace(scene.context, alerts=alerts)
    scene.gateway.month_start_s = None if start is None else from_rfc3339(start)
    assert (await scene.ask(CHECK))["newly_crossed"] == [0.5]
    assert (await scene.ask(CHECK, max_age_s=0))["newly_crossed"] == []
    assert len(alerts.names) == 1
    scene.clock.now_s += 12 * DAY_S
    assert (await scene.ask(CHECK))["newly_crossed"] == [0.5]
    assert len(alerts.names) == 2


async def test_a_payer_that_is_not_known_to_pay_now_crosses_nothing() -> None:
    """The answer is stale although the figures are not: the warning could be about somebody else's."""
    scene = fleet(50.0)
    await scene.ask("get_location_billing_organization")
    scene.clock.now_s += 1000
    await scene.ask("get_current_month_usage", org_id="p")
    scene.gateway.away = CloudUnreachableError("no route.")
    found = await scene.ask(CHECK)
    assert (found["stale"], found["newly_crossed"]) == (True, [])


async def test_a_caller_that_leaves_does_not_take_the_warning_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is remembered as told, so it is told."""
    scene = fleet(50.0, tmp_path / "state")
    crossings = WatchedThresholds(scene.history)
    scene.context = structs.replace(scene.context, crossed=crossings)
    await scene.ask("get_location_usage")
    busy = sqlite3.connect(tmp_path / "state" / FILE_NAME, isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    checking = asyncio.create_task(scene.ask(CHECK))
    await crossings.asked.wait()
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    busy.close()
    await holds(lambda: bool(warnings(caplog)))
    assert (await scene.ask(CHECK))["newly_crossed"] == []
    assert len(warnings(caplog)) == 1
    scene.close()


async def seen_daily(scene: Fleet, days: int, until: float) -> None:
    """Let the month's cost be seen once a day, rising evenly to a sum today."""
    for back in range(days - 1, -1, -1):
        scene.clock.now_s -= back * DAY_S
        scene.bill("p", until * (20.5 - back) / 20.5)
        await scene.ask("get_current_month_usage", org_id="p", max_age_s=0)
        scene.clock.now_s += back * DAY_S


async def test_a_projection_is_told_ahead_once_a_month(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of what the cost has not reached; over restarts, and once more for another month."""
    folder = tmp_path / "state"
    scene = fleet(60.0, folder)
    await seen_daily(scene, 10, 60.0)
    found = await scene.ask(CHECK)
    assert (found["thresholds_crossed"], found["projected_thresholds_crossed"]) == ([0.5], [0.5, 0.8])
    assert (found["newly_crossed"], found["newly_projected"]) == ([0.5], [0.8])
    assert (await scene.ask(CHECK, max_age_s=0))["newly_projected"] == []
    scene.close()
    again = fleet(60.0, folder)
    found = await again.ask(CHECK)
    assert (found["projected_thresholds_crossed"], found["newly_projected"]) == ([0.5, 0.8], [])
    again.bill("p", 80.0)
    assert (await again.ask(CHECK, max_age_s=0))["newly_crossed"] == [0.8]
    again.close()
    (line,) = [line for line in warnings(caplog) if "0.8 is projected" in line]
    assert '"p"' in line


@pytest.mark.parametrize(("days", "newly"), [(1, []), (4, []), (5, [0.8])])
async def test_the_first_days_of_a_history_tell_nothing_ahead(tmp_path: Path, days: int, newly: list[float]) -> None:
    """Five do, also where the projection's own `low` stays below the threshold."""
    scene = fleet(54.8, tmp_path / "state")
    await seen_daily(scene, days, 54.8)
    found = await scene.ask(CHECK)
    usage = await scene.ask("get_location_usage")
    assert usage["projection"]["total"] >= 80 > usage["projection"].get("low", 0)
    assert (found["projected_thresholds_crossed"], found["newly_projected"]) == ([0.5, 0.8], newly)
    scene.close()


async def test_a_low_above_a_threshold_tells_it_ahead_before_five_days(tmp_path: Path) -> None:
    scene = fleet(99.0, tmp_path / "state")
    await seen_daily(scene, 4, 99.0)
    assert (await scene.ask("get_location_usage"))["projection"]["low"] >= 100
    assert (await scene.ask(CHECK))["newly_projected"] == [1.0]
    scene.close()


async def test_stale_figures_project_nothing_new(tmp_path: Path) -> None:
    scene = fleet(60.0, tmp_path / "state")
    await seen_daily(scene, 10, 60.0)
    await scene.ask("get_location_usage")
    scene.gateway.away = CloudUnreachableError("no route.")
    found = await scene.ask(CHECK, max_age_s=0)
    assert (found["stale"], found["newly_projected"]) == (True, [])
    scene.close()


async def test_without_an_estimate_there_is_no_projected_status() -> None:
    scene = fleet(41.0)
    scene.gateway.month_start_s = scene.clock.now_s - HOUR_S
    assert "projected_status" not in await scene.ask(CHECK)


@pytest.mark.parametrize("parameters", [{"location_id": "x"}, {"org_id": "x"}])
async def test_what_is_outside_the_scope_is_refused(parameters: dict[str, object]) -> None:
    scene = fleet(1.0, allowed_location_ids=["own-loc"], allowed_org_ids=["own-org"])
    assert ((await scene.refused(CHECK, **parameters)).code, scene.gateway.asked) == ("out_of_scope", [])


async def test_a_location_without_a_payer_has_no_budget() -> None:
    scene = fleet(1.0)
    scene.gateway.payers["own-loc"] = ""
    assert (await scene.refused(CHECK)).code == "not_found"


@pytest.mark.parametrize(
    "parameters",
    [
        {"org_id": "p", "location_id": "own-loc"},
        *({name: value} for name in ("org_id", "location_id") for value in ("", " ", None, 1, True, ["p"], "x" * 129)),
        *({"max_age_s": value} for value in (-1, "1", None, True)),
        {"budget": 100},
    ],
)
async def test_wrong_input_is_named(parameters: dict[str, object]) -> None:
    scene = fleet(50.0)
    error = await scene.refused(CHECK, **parameters)
    assert (error.code, scene.gateway.asked) == ("invalid_request", [])
    assert any(name in error.text for name in parameters)
