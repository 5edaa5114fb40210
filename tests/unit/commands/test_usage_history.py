from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from support.fake_parts import NOON_S
from support.held_file import held
from unit.fleet_scene import NOVEMBER_S, Fleet
from viam_billing.core.errors import CloudUnreachableError, StateUnavailableError
from viam_billing.core.times import DAY_S, HOUR_S, month_start_s
from viam_billing.usage.history import FILE_NAME, KEPT_S, Point

HISTORY = "get_usage_history"
OCTOBER_S, DECEMBER_S = NOVEMBER_S - 31 * DAY_S, NOVEMBER_S + 30 * DAY_S


@pytest_asyncio.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A service that has seen nothing yet."""
    made = Fleet(str(tmp_path / "state"))
    made.bill("p", 10.0, "own-loc")
    yield made
    made.close()


async def seen(
    fleet: Fleet, *points: tuple[float, float], month_start_s: float = NOVEMBER_S, org_id: str = "p"
) -> None:
    """What this machine saw: time and cost."""
    assert fleet.history is not None
    for time_s, cost in points:
        await fleet.history.note(org_id, Point(time_s, month_start_s, cost))


async def points(fleet: Fleet, **parameters: object) -> list[dict[str, Any]]:
    """Of the organization p."""
    found: list[dict[str, Any]] = (await fleet.ask(HISTORY, org_id="p", **parameters))["points"]
    return found


async def test_every_fresh_answer_leaves_a_point(fleet: Fleet) -> None:
    """Of each command that asks the cloud for usage; an answer from memory leaves none."""
    for hour, command in enumerate(
        ("get_location_usage", "get_fleet_usage", "get_current_month_usage", "get_location_usage")
    ):
        fleet.clock.now_s = NOON_S + hour * HOUR_S
        fleet.bill("p", 10.0 + hour)
        parameters: dict[str, object] = {"org_id": "p"} if command == "get_current_month_usage" else {}
        await fleet.ask(command, max_age_s=0, **parameters)
        fleet.clock.now_s += 60
        await fleet.ask(command, **parameters)
    assert await points(fleet, step="hour") == [
        {"time": "2026-11-21T12:00:00Z", "month_to_date": 10.0},
        {"time": "2026-11-21T13:00:00Z", "month_to_date": 11.0, "delta": 1.0},
        {"time": "2026-11-21T14:00:00Z", "month_to_date": 12.0, "delta": 1.0},
        {"time": "2026-11-21T15:00:00Z", "month_to_date": 13.0, "delta": 1.0},
    ]


async def test_the_projection_learns_from_what_was_seen(fleet: Fleet) -> None:
    """A flat fee of the first day is not multiplied by those who saw that it stands still."""
    straight = (await fleet.ask("get_current_month_usage", org_id="p"))["projection"]
    await seen(fleet, *((NOVEMBER_S + (day + 0.5) * DAY_S, 10.0) for day in range(20)))
    learned = (await fleet.ask("get_current_month_usage", org_id="p", max_age_s=0))["projection"]
    assert straight["method"] == "straight_line" != learned["method"]
    assert learned["total"] < straight["total"]
    assert learned["low"] <= learned["total"] <= learned["high"]
    assert straight.keys() == {"total", "method", "elapsed_fraction"}


async def test_the_projection_learns_from_the_months_before(fleet: Fleet) -> None:
    """There is one in a month's first hour, when its own cost says nothing."""
    fleet.clock.now_s, fleet.gateway.month_start_s = DECEMBER_S + 60, DECEMBER_S
    fleet.bill("p", 0.01)
    assert "projection" not in await fleet.ask("get_current_month_usage", org_id="p", max_age_s=0)
    await seen(fleet, *((NOVEMBER_S + day * DAY_S, 7.0 * day) for day in range(1, 30)))
    projection = (await fleet.ask("get_current_month_usage", org_id="p", max_age_s=0))["projection"]
    assert projection["total"] == pytest.approx(31 * 7.0, rel=0.01)
    assert projection["method"] == "history"


async def test_a_step_is_a_day_unless_asked_otherwise(fleet: Fleet) -> None:
    await seen(fleet, (NOON_S - DAY_S, 8.0), (NOON_S - HOUR_S, 9.0), (NOON_S, 10.004))
    assert await fleet.ask(HISTORY, org_id="p") == {
        "org_id": "p",
        "points": [
            {"time": "2026-11-20T12:00:00Z", "month_to_date": 8.0},
            {"time": "2026-11-21T12:00:00Z", "month_to_date": 10.0, "delta": 2.0},
        ],
    }


async def test_the_own_organization_is_the_default(fleet: Fleet) -> None:
    """As for any other question about an organization."""
    await seen(fleet, (NOON_S, 1.0), org_id="own-org")
    found = await fleet.ask(HISTORY)
    assert (found["org_id"], len(found["points"])) == ("own-org", 1)


async def test_a_locations_history_is_its_payers(fleet: Fleet) -> None:
    """Who that is, is all that is asked."""
    await seen(fleet, (NOON_S, 1.0))
    assert await fleet.ask(HISTORY, location_id="own-loc") == {
        "org_id": "p",
        "location_id": "own-loc",
        "points": [{"time": "2026-11-21T12:00:00Z", "month_to_date": 1.0}],
        "as_of": "2026-11-21T12:00:00Z",
        "stale": False,
    }
    assert fleet.gateway.asked == [("payer", "own-loc")]


async def test_a_last_known_payer_will_do(fleet: Fleet) -> None:
    await fleet.ask("get_location_billing_organization")
    fleet.clock.now_s += 1000
    fleet.gateway.away = CloudUnreachableError("no route.")
    assert (await fleet.ask(HISTORY, location_id="own-loc"))["stale_reason"] == "cloud_unreachable"


async def test_since_and_until_choose_steps_by_their_time(fleet: Fleet) -> None:
    """Since is included, until is not, and the first step still has its cost."""
    await seen(fleet, *((NOON_S - days * DAY_S, 10.0 - days) for days in (3, 2, 1, 0)))
    found = await points(fleet, since="2026-11-19T12:00:00Z", until="2026-11-21T12:00:00Z")
    assert [(point["time"][8:10], point["delta"]) for point in found] == [("19", 1.0), ("20", 1.0)]
    assert len(await points(fleet, since="2026-11-19T12:00:01Z", until="2026-11-21T12:00:01Z")) == 2
    assert len(await points(fleet, since="2026-11-19T13:00:00+01:00")) == 3
    assert await points(fleet, since="2026-11-21T12:00:01Z") == []


async def test_until_may_cut_a_step(fleet: Fleet) -> None:
    """It is then what was seen before that."""
    await seen(fleet, (NOON_S - DAY_S, 1.0), (NOON_S - 2 * HOUR_S, 2.0), (NOON_S, 5.0))
    assert (await points(fleet, until="2026-11-21T11:00:00Z"))[-1] == {
        "time": "2026-11-21T10:00:00Z",
        "month_to_date": 2.0,
        "delta": 1.0,
    }


async def test_a_month_ends(fleet: Fleet) -> None:
    """The new one's first day costs what the new month has cost."""
    await seen(fleet, (NOVEMBER_S - HOUR_S, 95.0), month_start_s=OCTOBER_S)
    await seen(fleet, (NOVEMBER_S + HOUR_S, 2.0), (NOVEMBER_S + 25 * HOUR_S, 3.0))
    assert [point.get("delta") for point in await points(fleet)] == [None, 2.0, 1.0]


async def test_what_a_clock_saw_that_ran_ahead_is_not_told(fleet: Fleet) -> None:
    """Now that it is right again, until asked how it may be."""
    await seen(fleet, (NOON_S, 1.0), (NOON_S + 5 * DAY_S, 2.0))
    assert len(await points(fleet)) == 1
    assert len(await points(fleet, until="2030-01-01T00:00:00Z")) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"until": "2020-01-01T00:00:00Z"},
        {"since": "2030-01-01T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"},
        {"since": "0001-01-01T00:00:00Z", "until": "0001-01-02T00:00:00Z"},
        {"since": "9999-12-31T00:00:00Z", "until": "9999-12-31T23:59:59Z"},
        {"since": "2026-11-21T12:00:00Z", "until": "2026-11-21T12:00:00Z"},
    ],
)
async def test_a_time_in_which_nothing_was_seen_has_no_points(fleet: Fleet, parameters: dict[str, object]) -> None:
    await seen(fleet, (NOON_S, 1.0))
    assert await points(fleet, **parameters) == []


async def test_what_is_older_than_13_months_is_not_told(fleet: Fleet) -> None:
    await seen(fleet, (NOON_S - KEPT_S + HOUR_S, 1.0), month_start_s=month_start_s(NOON_S - KEPT_S))
    await seen(fleet, (NOON_S, 2.0))
    assert len(await points(fleet, since="2020-01-01T00:00:00Z")) == 2
    fleet.clock.now_s += DAY_S
    assert len(await points(fleet, since="2020-01-01T00:00:00Z")) == 1


async def test_without_a_key_there_is_none_either(fleet: Fleet) -> None:
    fleet.context = structs.replace(fleet.context, history=None)
    assert (await fleet.refused(HISTORY)).code == "not_configured"


@pytest.mark.parametrize(("configured_s", "caller_s"), [(0.05, 60.0), (20.0, 0.05)])
async def test_a_disk_that_hangs_is_waited_for_as_long_as_the_cloud(
    tmp_path: Path, configured_s: float, caller_s: float
) -> None:
    """`timeout_s` or the caller's own time; the error says that it is the disk."""
    fleet = Fleet(str(tmp_path / "state"), timeout_s=configured_s)
    await seen(fleet, (NOON_S, 1.0))
    late = pytest.raises(StateUnavailableError, match=r"disk does not answer in time.*state_dir")
    with held(tmp_path / "state" / FILE_NAME), late:
        await fleet.ask_within(caller_s, HISTORY, org_id="p")
    fleet.close()
