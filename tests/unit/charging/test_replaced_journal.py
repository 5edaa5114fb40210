"""A journal that is replaced under the running module: what it charged stands in the other one."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from support.fake_charges import Scene
from unit.charging.charges_scene import code_of, under_way


def remove_files(folder: Path) -> None:
    """The database and its log are gone; the lock beside it stays."""
    for file in folder.glob("journal.db*"):
        file.unlink()


async def test_a_removed_database_is_refused(scene: Scene, tmp_path: Path) -> None:
    """The same key would charge again."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k")
    remove_files(tmp_path)
    assert await code_of(scene.charge("k")) == "state_unavailable"
    assert len(scene.cloud.sendings) == 1


async def test_an_older_copy_is_refused(scene: Scene, tmp_path: Path) -> None:
    """It has the same number and fewer entries."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k")
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(tmp_path / "journal.db", tmp_path / "older.db")
    await scene.charge("later")
    remove_files(tmp_path)
    (tmp_path / "older.db").rename(tmp_path / "journal.db")
    with pytest.raises(Exception, match="an older copy of it"):
        await scene.charge("later")
    assert len(scene.cloud.sendings) == 2


async def test_a_database_that_is_replaced_while_invoices_are_read_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Right before the reservation too: the day's sum would begin anew."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k")
    scene.cloud.reading.clear()
    charging = asyncio.ensure_future(scene.charge("next"))
    await scene.cloud.asked(2)
    remove_files(tmp_path)
    scene.cloud.reading.set()
    assert await code_of(charging) == "state_unavailable"
    assert len(scene.cloud.sendings) == 1


async def test_it_is_refused_while_the_first_charge_of_all_is_under_way(scene: Scene, tmp_path: Path) -> None:
    """That one counts in the limits from its reservation on; its outcome is written into what is there."""
    charging = await under_way(scene)
    remove_files(tmp_path)
    assert await code_of(scene.charge("other", "b")) == "state_unavailable"
    scene.cloud.sendings[0].succeed()
    assert (await charging)[0].state == "succeeded"
    assert await code_of(scene.charge("other", "b")) == "state_unavailable"
    assert (await scene.entry("k")).state == "succeeded"


async def test_an_unused_journal_is_no_loss(scene: Scene, tmp_path: Path) -> None:
    """Nothing was charged with it."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charger.prepare()
    remove_files(tmp_path)
    assert (await scene.charge("k"))[0].state == "succeeded"
