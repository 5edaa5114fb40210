# ruff: noqa: ASYNC240 - the test itself may wait for its own small files
from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339, month_start_s
from viam_billing.storage.disk import Disk
from viam_billing.usage.days import SEEN_DAYS
from viam_billing.usage.history import FILE_NAME, KEPT_S, MIGRATIONS, Point, UsageHistory

NOVEMBER_S = from_rfc3339("2026-11-01T00:00:00Z")
DECEMBER_S = from_rfc3339("2026-12-01T00:00:00Z")
NOON_S = NOVEMBER_S + 20.5 * DAY_S
CLOUD = "https://app.viam.com"


@pytest.fixture
def open_history(tmp_path: Path) -> Iterator[Callable[..., UsageHistory]]:
    """Opens histories of one folder and closes them."""
    opened: list[UsageHistory] = []
    disk = Disk()

    def make(cloud: str = CLOUD) -> UsageHistory:
        opened.append(UsageHistory(disk, str(tmp_path / "state"), cloud))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def history(open_history: Callable[..., UsageHistory]) -> UsageHistory:
    """One of a folder that is not there yet."""
    return open_history()


def seen(time_s: float, cost: float, month_start_s: float = NOVEMBER_S) -> Point:
    """What was seen."""
    return Point(time_s, month_start_s, cost)


async def all_of(history: UsageHistory, org_id: str = "o") -> list[Point]:
    """Every point of an organization."""
    return await history.points(org_id, 0, 1e11)


async def test_what_was_seen_is_kept(history: UsageHistory) -> None:
    """As it was, unrounded; oldest first."""
    points = [seen(NOON_S + hour * HOUR_S, 1.001 + hour) for hour in range(3)]
    for point in reversed(points[:1]):
        await history.note("o", point)
    for point in points[1:]:
        await history.note("o", point)
    assert await all_of(history) == points


async def test_the_last_of_an_hour_is_kept(history: UsageHistory) -> None:
    """One point for each hour, aligned to UTC."""
    for minute in (0, 20, 59.9):
        await history.note("o", seen(NOON_S + minute * 60, minute))
    await history.note("o", seen(NOON_S + HOUR_S, 60))
    assert [point.cost for point in await all_of(history)] == [59.9, 60]


async def test_organizations_and_clouds_are_kept_apart(open_history: Callable[..., UsageHistory]) -> None:
    """Although they share a file."""
    first, second = open_history(), open_history("https://other.example")
    await first.note("o", seen(NOON_S, 1))
    await first.note("p", seen(NOON_S, 2))
    await second.note("o", seen(NOON_S, 3))
    assert [point.cost for point in await all_of(first)] == [1]
    assert [point.cost for point in await all_of(first, "p")] == [2]
    assert [point.cost for point in await all_of(second)] == [3]
    assert await all_of(second, "p") == []


async def test_since_is_included_and_until_is_not(history: UsageHistory) -> None:
    """To the second, inside an hour too."""
    times = [NOON_S + 100, NOON_S + HOUR_S + 100, NOON_S + 2 * HOUR_S + 100]
    for time_s in times:
        await history.note("o", seen(time_s, 1))
    assert [point.time_s for point in await history.points("o", times[0], times[2])] == times[:2]
    assert [point.time_s for point in await history.points("o", times[0] + 1, times[2] + 1)] == times[1:]


async def test_what_was_seen_is_told_by_the_last_of_each_24_hours_back_from_now(history: UsageHistory) -> None:
    """What the projection learns from. Where a month ends in between, its last one is told too."""
    october_s = NOVEMBER_S - 31 * DAY_S
    for hour in (-60, -37, -36, -35, -13, -12, -1):
        await history.note("o", seen(NOVEMBER_S + hour * HOUR_S, 100 + hour, october_s))
    for hour in (1, 11, 12, 13, 35):
        await history.note("o", seen(NOVEMBER_S + hour * HOUR_S, hour))
    told = await history.note("o", seen(NOVEMBER_S + 36 * HOUR_S, 36))
    hours = sorted((round((time_s - NOVEMBER_S) / HOUR_S), month_s == NOVEMBER_S) for time_s, month_s, _ in told)
    assert hours == [(-60, False), (-36, False), (-12, False), (-1, False), (12, True), (36, True)]


async def test_half_a_year_is_told(history: UsageHistory) -> None:
    """More, the projection does not use."""
    times = [NOON_S - SEEN_DAYS * DAY_S - HOUR_S, NOON_S - SEEN_DAYS * DAY_S, NOON_S]
    for time_s in times:
        told = await history.note("o", seen(time_s, 1, month_start_s(time_s)))
    assert sorted(time_s for time_s, _, _ in told) == times[1:]


async def test_points_are_kept_for_13_months(history: UsageHistory) -> None:
    """No longer, and no shorter."""
    for time_s in (NOON_S - KEPT_S - 2 * HOUR_S, NOON_S - KEPT_S + HOUR_S, NOON_S):
        await history.note("o", seen(time_s, 1, month_start_s(time_s)))
    assert [point.time_s for point in await all_of(history)] == [NOON_S - KEPT_S + HOUR_S, NOON_S]


async def test_what_is_no_longer_asked_for_ends_too(history: UsageHistory) -> None:
    """An organization that is gone does not stay on the disk for ever."""
    await history.note("gone", seen(time_s := NOON_S - KEPT_S - 2 * HOUR_S, 1, month_start_s(time_s)))
    await history.note("o", seen(NOON_S, 1))
    assert await all_of(history, "gone") == []


async def test_points_of_a_clock_that_ran_ahead_do_not_count(history: UsageHistory) -> None:
    """As soon as it is right again; each is replaced when its hour comes."""
    await history.note("o", seen(NOON_S, 1))
    await history.note("o", seen(NOON_S + 5 * DAY_S, 2))
    assert await history.note("o", seen(NOON_S + DAY_S, 3)) == [
        (NOON_S + DAY_S, NOVEMBER_S, 3),
        (NOON_S, NOVEMBER_S, 1),
    ]
    await history.note("o", seen(NOON_S + 5 * DAY_S, 4))
    assert [point.cost for point in await all_of(history)] == [1, 3, 4]


async def test_a_time_after_the_month_that_the_cloud_tells_is_no_point(history: UsageHistory) -> None:
    """A clock that is so far ahead would leave what is taken for true months later."""
    await history.note("o", seen(NOON_S, 1))
    assert await history.note("o", seen(NOON_S + 50 * DAY_S, 2)) == []
    assert [point.cost for point in await all_of(history)] == [1]


async def test_a_clock_that_is_years_ahead_makes_no_point_old(history: UsageHistory) -> None:
    """The month that the cloud tells says how late it can be."""
    await history.note("o", seen(NOON_S - 300 * DAY_S, 1, month_start_s(NOON_S - 300 * DAY_S)))
    await history.note("o", seen(NOON_S + 3000 * DAY_S, 2))
    await history.note("o", seen(NOON_S, 3))
    assert [point.cost for point in await all_of(history)] == [1, 3]


async def test_a_clock_that_is_behind_takes_nothing_away(history: UsageHistory) -> None:
    """A robot without a battery for its clock starts in the past: before the month that the cloud tells."""
    await history.note("o", seen(NOON_S, 1))
    assert await history.note("o", seen(DAY_S, 2)) == []
    assert [point.cost for point in await all_of(history)] == [1]


async def test_a_clock_that_is_behind_in_the_same_month_takes_nothing_away(history: UsageHistory) -> None:
    """What lies ahead of it is true: it counts again as soon as the clock is right."""
    for day in range(1, 21):
        await history.note("o", seen(NOVEMBER_S + day * DAY_S, day))
    month = await history.note("o", seen(NOVEMBER_S + 5.5 * DAY_S, 20))
    assert sorted(cost for _, _, cost in month) == [1, 2, 3, 4, 20]
    month = await history.note("o", seen(NOON_S, 21))
    assert sorted(cost for _, _, cost in month) == [1, 2, 3, 4, *range(6, 22)]
    assert len(await all_of(history)) == 22


async def test_a_history_that_was_never_written_is_empty(history: UsageHistory) -> None:
    """And no error."""
    assert await all_of(history) == []


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The file is no database."""
    (tmp_path / "state").mkdir()
    file = tmp_path / "state" / FILE_NAME
    file.write_bytes(b"no database at all" * 1000)
    return file


async def test_a_damaged_file_costs_no_answer(
    history: UsageHistory, damaged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning until it works again; it is written to then."""
    with caplog.at_level(logging.WARNING):
        assert await history.note("o", seen(NOON_S, 1)) == []
        assert await history.note("o", seen(NOON_S + HOUR_S, 1)) == []
        assert caplog.text.count("not noted") == 1
        damaged.unlink()
        assert await history.note("o", seen(NOON_S + HOUR_S, 1)) == [(NOON_S + HOUR_S, NOVEMBER_S, 1)]
        for file in damaged.parent.glob(f"{FILE_NAME}-*"):
            file.unlink()  # SQLite's log, which alone would make the file whole again
        other = tmp_path / "other"
        other.write_bytes(b"again no database" * 1000)
        other.replace(damaged)
        await history.note("o", seen(NOON_S + HOUR_S, 1))
        await history.note("o", seen(NOON_S + HOUR_S, 1))
    assert caplog.text.count("not noted") == 2


@pytest.mark.usefixtures("damaged")
async def test_a_damaged_file_is_the_answer_of_who_asks_for_its_points(history: UsageHistory) -> None:
    """With what to do about it."""
    with pytest.raises(StateUnavailableError, match="state_dir"):
        await all_of(history)
    with pytest.raises(StateUnavailableError, match="state_dir"):
        await history.cross("o", NOVEMBER_S, 100, [1.0])


async def test_a_disk_that_is_busy_is_not_waited_for(history: UsageHistory, tmp_path: Path) -> None:
    """The answer goes out without what is seen of the month; the point is written when the disk is free."""
    await history.note("o", seen(NOON_S, 1))
    other = sqlite3.connect(tmp_path / "state" / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await history.note("o", seen(NOON_S + HOUR_S, 2)) == []
    other.execute("ROLLBACK")
    other.close()
    assert [point.cost for point in await all_of(history)] == [1, 2]


async def test_a_threshold_is_crossed_once(history: UsageHistory, open_history: Callable[..., UsageHistory]) -> None:
    """Of a month, an organization, a budget and a cloud; the process may have ended in between."""
    assert await history.cross("o", NOVEMBER_S, 100, [0.5]) == [0.5]
    assert await history.cross("o", NOVEMBER_S, 100, [0.5, 0.8]) == [0.8]
    history.close()
    again = open_history()
    assert await again.cross("o", NOVEMBER_S, 100, [0.5, 0.8, 1.0]) == [1.0]
    assert await again.cross("p", NOVEMBER_S, 100, [0.5]) == [0.5]
    assert await again.cross("o", NOVEMBER_S, 200, [0.5]) == [0.5]
    assert await again.cross("o", DECEMBER_S, 100, [0.5]) == [0.5]
    assert await open_history("https://other.example").cross("o", NOVEMBER_S, 100, [0.5]) == [0.5]


async def test_crossings_of_old_months_go(history: UsageHistory, tmp_path: Path) -> None:
    """After the time for which points are kept."""
    await history.cross("o", NOVEMBER_S - KEPT_S - DAY_S, 100, [0.5])
    await history.cross("o", NOVEMBER_S - KEPT_S, 100, [0.5])
    await history.cross("o", NOVEMBER_S, 100, [0.5])
    history.close()
    db = sqlite3.connect(tmp_path / "state" / FILE_NAME)
    assert db.execute("SELECT count(*) FROM crossed").fetchone() == (2,)
    db.close()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
async def test_a_file_of_an_earlier_version_keeps_its_points_and_crossings(
    tmp_path: Path, open_history: Callable[..., UsageHistory], version: int
) -> None:
    """Without types where it knew none; what is projected is remembered beside what is crossed, and apart."""
    (tmp_path / "state").mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / FILE_NAME)) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute("INSERT INTO series VALUES (1, 'https://app.viam.com', 'o')")
        insert = "INSERT INTO points (series, hour, time, month_start, cost) VALUES (1, ?, ?, ?, 5)"
        db.execute(insert, (int(NOON_S // HOUR_S), NOON_S, NOVEMBER_S))
        db.execute("INSERT INTO crossed VALUES ('https://app.viam.com', 'o', ?, 100, 0.5)", (NOVEMBER_S,))
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    history = open_history()
    new = Point(NOON_S + 25 * HOUR_S, NOVEMBER_S, 8.0, {"per_machine": 8.0})
    assert (NOON_S, NOVEMBER_S, 5.0) in await history.note("o", new)
    assert await all_of(history) == [Point(NOON_S, NOVEMBER_S, 5.0, None), new]
    assert await history.cross("o", NOVEMBER_S, 100, [0.5, 0.8]) == [0.8]
    assert await history.cross("o", NOVEMBER_S, 100, [0.5], projected=True) == [0.5]
    assert await history.cross("o", NOVEMBER_S, 100, [0.5], projected=True) == []
    assert await history.days_seen("o") == 2
