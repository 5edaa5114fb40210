from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import FILE_NAME, Point, StepName, UsageHistory

OCTOBER_S, NOVEMBER_S = (from_rfc3339(f"2026-{month}-01T00:00:00Z") for month in ("10", "11"))
NOON_S = NOVEMBER_S + 20.5 * DAY_S
CLOUD = "https://app.viam.com"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[UsageHistory]:
    made = UsageHistory(Disk(), str(tmp_path), CLOUD)
    yield made
    made.close()


async def all_of(history: UsageHistory, step: StepName = "hour") -> list[Point]:
    """Every point of the organization o."""
    return await history.points("o", 0, 1e11, step)


async def test_a_points_costs_by_type_are_kept_unrounded(history: UsageHistory) -> None:
    """Each point's own types, and no costs where they are not known."""
    points = [
        Point(NOON_S + hour * HOUR_S, NOVEMBER_S, 3.0, by_type)
        for hour, by_type in enumerate(
            [{"per_machine": 1.0 / 3, "logs_upload": -0.001}, {"unknown_31": 2.5}, {}, None, {"per_machine": 9e11}]
        )
    ]
    for point in points:
        await history.note("o", point)
    assert await all_of(history) == points


async def test_a_later_point_of_an_hour_takes_the_types_of_the_earlier_one_with_it(history: UsageHistory) -> None:
    await history.note("o", Point(NOON_S, NOVEMBER_S, 1.0, {"per_machine": 1.0}))
    await history.note("o", Point(NOON_S + 60, NOVEMBER_S, 2.0, None))
    assert [point.by_type for point in await all_of(history)] == [None]


async def test_the_last_point_of_each_step_is_told(history: UsageHistory) -> None:
    """Of a day of UTC, or of a billing month, wherever that begins."""
    months = (OCTOBER_S - 10 * HOUR_S, NOVEMBER_S - 10 * HOUR_S)
    for time_s in (NOVEMBER_S - 12 * HOUR_S, NOVEMBER_S - 11 * HOUR_S, NOVEMBER_S - HOUR_S, NOVEMBER_S + HOUR_S):
        await history.note("o", Point(time_s, months[time_s >= months[1]], time_s))
    assert [point.time_s - NOVEMBER_S for point in await all_of(history, "day")] == [-HOUR_S, HOUR_S]
    assert [point.time_s - NOVEMBER_S for point in await all_of(history, "month")] == [-11 * HOUR_S, HOUR_S]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE points SET type_costs = x'00'",
        "UPDATE points SET type_costs = NULL",
        "UPDATE points SET type_list = 77",
        "UPDATE points SET type_costs = x'000000000000f87f000000000000f87f'",
        "UPDATE type_lists SET types = 'per_machine'",
        "DELETE FROM type_lists",
    ],
)
async def test_types_that_a_disk_has_changed_are_not_known(history: UsageHistory, tmp_path: Path, damage: str) -> None:
    """The point's cost is."""
    await history.note("o", Point(NOON_S, NOVEMBER_S, 3.0, {"per_machine": 1.0, "logs_upload": 2.0}))
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute(damage)
    db.close()
    assert await all_of(history) == [Point(NOON_S, NOVEMBER_S, 3.0, None)]


async def test_many_points_share_one_list_of_types(history: UsageHistory, tmp_path: Path) -> None:
    """A name takes no room in each of a million points."""
    for hour in range(5):
        await history.note("o", Point(NOON_S + hour * HOUR_S, NOVEMBER_S, 3.0, {"a": float(hour), "b": 1.0}))
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        assert db.execute("SELECT count(*) FROM type_lists").fetchone() == (1,)
    db.close()
