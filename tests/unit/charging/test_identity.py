"""A journal that disappears: nothing is charged or read from an empty one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from support.fake_charges import Scene, request
from unit.charging.scene import code_of, under_way
from unit.cloud_fakes import answer, refused

CHARGE = {"command": "charge_organization", "org_id": "a", "subtotal": 10, "idempotency_key": "k"}
COMMANDS = (
    CHARGE,
    {**CHARGE, "dry_run": True},
    {"command": "get_charge", "idempotency_key": "k"},
    {"command": "list_charges"},
    {"command": "reconcile_charges"},
    {"command": "get_audit_log"},
)


def started(tmp_path: Path, *, accept: str | None = None) -> Scene:
    """A process over the folder and the marks of the test."""
    scene = Scene(str(tmp_path / "state"), marks=str(tmp_path))
    scene.journal.identity.accepted.add(accept)
    scene.cloud.automatic = lambda sending: sending.succeed()
    return scene


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Scene]:
    """A process whose journal is in a folder of its own."""
    scene = started(tmp_path)
    yield scene
    scene.close()


def remove_database(folder: str) -> None:
    """Remove the database and its log, but not the lock beside it."""
    for file in Path(folder).glob("journal.db*"):
        file.unlink()


def is_there(folder: str) -> bool:
    """Whether there is a folder."""
    return Path(folder).exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(map(str, command)))
@pytest.mark.parametrize("restarted", [False, True])
async def test_no_command_is_answered_after_the_folder_was_removed(
    used: Scene,
    tmp_path: Path,
    command: dict[str, object],
    restarted: bool,  # noqa: FBT001 - from the table
) -> None:
    await used.charge()
    shutil.rmtree(used.folder)
    scene = started(tmp_path) if restarted else used
    error = await refused(scene.context(), command)
    assert error.code == "state_unavailable"
    assert "accept_lost_journal" in error.text
    assert len(used.cloud.sendings) == 1
    assert scene.journal.figures is None
    if restarted:
        scene.close()


async def test_reading_creates_no_file(used: Scene) -> None:
    for command in COMMANDS[2:4]:
        await _asked(used, command)
    assert not is_there(used.folder)
    await used.charge()
    shutil.rmtree(used.folder)
    for command in COMMANDS[2:4]:
        assert (await refused(used.context(), command)).code == "state_unavailable"
    assert not is_there(used.folder)


async def _asked(scene: Scene, command: Mapping[str, object]) -> None:
    if command["command"] == "get_charge":
        assert (await refused(scene.context(), command)).code == "not_found"
    else:
        assert await answer(scene.context(), command) == {"charges": []}


async def test_the_log_has_one_error_with_the_id(used: Scene, caplog: pytest.LogCaptureFixture) -> None:
    await used.charge()
    figures = used.journal.figures
    assert figures is not None
    remove_database(used.folder)
    for _ in range(3):
        assert await code_of(used.charge("k2")) == "state_unavailable"
    (told,) = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert figures.journal_id in told


async def test_a_journal_that_is_put_back_is_charged_with_again(used: Scene, tmp_path: Path) -> None:
    await used.charge()
    os.rename(used.folder, tmp_path / "away")
    assert await code_of(used.charge("k2")) == "state_unavailable"
    shutil.rmtree(used.folder, ignore_errors=True)
    os.rename(tmp_path / "away", used.folder)
    assert (await used.charge())[1]
    assert (await used.charge("k2"))[0].state == "succeeded"


async def test_the_owner_accepts_the_loss_of_one_journal(used: Scene, tmp_path: Path) -> None:
    await used.charge()
    figures = used.journal.figures
    assert figures is not None
    remove_database(used.folder)
    used.close()
    other = started(tmp_path, accept="another")
    assert await code_of(other.charge("k2")) == "state_unavailable"
    other.close()
    accepting = started(tmp_path, accept=figures.journal_id)
    assert (await accepting.charge("k2"))[0].state == "succeeded"
    remove_database(used.folder)
    assert await code_of(accepting.charge("k3")) == "state_unavailable"
    accepting.close()


async def test_an_older_copy_is_refused(used: Scene) -> None:
    folder = Path(used.folder)
    await used.charge()
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(folder / "journal.db", folder / "older")
    await used.charge("later")
    remove_database(used.folder)
    (folder / "older").rename(folder / "journal.db")
    with pytest.raises(Exception, match="an older copy of it"):
        await used.charge("later")
    assert len(used.cloud.sendings) == 2


async def test_a_database_that_is_removed_while_invoices_are_read_is_refused(used: Scene) -> None:
    await used.charge()
    used.cloud.reading.clear()
    charging = asyncio.ensure_future(used.charge("next"))
    await used.cloud.asked(2)
    remove_database(used.folder)
    used.cloud.reading.set()
    assert await code_of(charging) == "state_unavailable"
    assert len(used.cloud.sendings) == 1


async def test_the_first_charge_of_all_is_answered_although_its_journal_goes(used: Scene) -> None:
    used.cloud.automatic = None
    charging = await under_way(used)
    remove_database(used.folder)
    assert await code_of(used.charge("other", "b")) == "state_unavailable"
    used.cloud.sendings[0].succeed()
    assert (await charging)[0].state == "succeeded"
    assert await code_of(used.charge("other", "b")) == "state_unavailable"


async def test_an_unused_journal_is_no_loss(used: Scene) -> None:
    await used.recovery.prepare()
    remove_database(used.folder)
    assert (await used.charge())[0].state == "succeeded"


async def test_a_mark_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(str(tmp_path / "state"), marks=str(tmp_path / "none"))
    await scene.journal.reserve(request(), scene.access().limits, [])
    assert "would not be noticed" in caplog.text
    scene.close()
