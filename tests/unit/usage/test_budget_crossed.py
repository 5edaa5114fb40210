# ruff: noqa: ASYNC240 - the test itself may wait for its own small files
from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from viam_billing.core.money import Cents
from viam_billing.core.times import from_rfc3339
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import FILE_NAME, UsageHistory
from viam_billing.usage.thresholds import CrossedThresholds

NOVEMBER_S = from_rfc3339("2026-11-01T00:00:00Z")
DECEMBER_S = from_rfc3339("2026-12-01T00:00:00Z")
MONTHLY = Cents(100)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def start(state_dir: Path) -> Iterator[Callable[[], CrossedThresholds]]:
    """What a service makes when it starts, each time on the same folder."""
    opened: list[UsageHistory] = []
    disk = Disk()

    def make() -> CrossedThresholds:
        opened.append(UsageHistory(disk, str(state_dir), "https://app.viam.com"))
        return CrossedThresholds(opened[-1])

    yield make
    for each in opened:
        each.close()


async def newly(
    crossed: CrossedThresholds, *thresholds: float, org_id: str = "o", month_s: float = NOVEMBER_S
) -> list[float]:
    """Which of the crossed thresholds are new."""
    return await crossed.newly(org_id, month_s, MONTHLY, thresholds)


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_threshold_is_new_once(start: Callable[[], CrossedThresholds], *, on_disk: bool) -> None:
    """With a disk and without one."""
    crossed = start() if on_disk else CrossedThresholds(None)
    assert await newly(crossed, 0.5) == [0.5]
    assert await newly(crossed, 0.5, 0.8, 1.0) == [0.8, 1.0]
    assert await newly(crossed, 0.5, 0.8, 1.0) == []
    assert await newly(crossed) == []


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_new_month_begins_anew(start: Callable[[], CrossedThresholds], *, on_disk: bool) -> None:
    """As does another organization and another amount."""
    crossed = start() if on_disk else CrossedThresholds(None)
    await newly(crossed, 0.5)
    assert await newly(crossed, 0.5, month_s=DECEMBER_S) == [0.5]
    assert await newly(crossed, 0.5, org_id="p") == [0.5]
    assert await crossed.newly("o", NOVEMBER_S, Cents(99), [0.5]) == [0.5]
    assert await newly(crossed, 0.5) == []


async def test_a_cost_that_fell_and_rises_again_crosses_nothing_new(start: Callable[[], CrossedThresholds]) -> None:
    """A credit in between is no new month."""
    crossed = start()
    assert await newly(crossed, 0.5, 0.8) == [0.5, 0.8]
    assert await newly(crossed) == []
    assert await newly(crossed, 0.5, 0.8) == []


async def test_what_was_found_outlives_the_process(start: Callable[[], CrossedThresholds]) -> None:
    """And is told to no later one."""
    await newly(start(), 0.5)
    assert await newly(start(), 0.5, 0.8) == [0.8]


async def test_two_checks_at_once_find_it_once(start: Callable[[], CrossedThresholds]) -> None:
    """One of them tells it."""
    crossed = start()
    found = await asyncio.gather(*(newly(crossed, 0.5) for _ in range(5)))
    assert sorted(found) == [[], [], [], [], [0.5]]


async def test_a_bad_disk_costs_no_answer(
    start: Callable[[], CrossedThresholds], state_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is remembered in memory, with one warning; and written as soon as the disk can."""
    state_dir.mkdir()
    (state_dir / FILE_NAME).mkdir()
    crossed = start()
    assert await newly(crossed, 0.5) == [0.5]
    assert await newly(crossed, 0.5, 0.8) == [0.8]
    assert caplog.text.count("until the module ends") == 1
    (state_dir / FILE_NAME).rmdir()
    assert await newly(crossed, 0.5, 0.8) == []
    assert await newly(start(), 0.5, 0.8) == []


async def test_a_disk_that_hangs_is_not_waited_for(start: Callable[[], CrossedThresholds], state_dir: Path) -> None:
    """The answer comes from memory; the disk has it later."""
    crossed = start()
    await newly(crossed, 0.5)
    other = sqlite3.connect(state_dir / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await newly(crossed, 0.5, 0.8) == [0.8]
    other.execute("ROLLBACK")
    other.close()
    assert await newly(crossed, 0.5, 0.8) == []
    assert await newly(start(), 0.8) == []
