"""The journal's versions: an older file is brought up to date with what is in it, a newer one is left alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.fake_charges import APP, Scene
from viam_billing.audit.audit_log import AuditLog
from viam_billing.audit.email_cooldown import EmailCooldown
from viam_billing.core.errors import CooldownActiveError, StateUnavailableError
from viam_billing.storage.journal_schema import MIGRATIONS

VERSION_1 = """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_address TEXT NOT NULL, time REAL NOT NULL, command TEXT NOT NULL,
        parameters TEXT NOT NULL, allowed INTEGER NOT NULL, code TEXT, idempotency_key TEXT,
        repeats INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE email_cooldown (
        app_address TEXT NOT NULL, customer_org_id TEXT NOT NULL, sent_at REAL NOT NULL,
        PRIMARY KEY (app_address, customer_org_id)
    ) STRICT;
    INSERT INTO audit (app_address, time, command, parameters, allowed)
        VALUES ('https://app.viam.com', 1795262399, 'send_payment_required_email', '{"customer_org_id": "a"}', 1);
    INSERT INTO email_cooldown VALUES ('https://app.viam.com', 'a', 1795262399);
    PRAGMA user_version = 1
"""
"""A file as the version before charging left it."""

HOW_FILES_ARE_OPENED = """
import asyncio, os, sys
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk

opened = []
sys.addaudithook(lambda name, details: opened.append(details) if name == "open" else None)

async def use():
    store = Database(Disk(), sys.argv[1], "x.db", ("CREATE TABLE t (x INTEGER) STRICT",))
    await store.run(lambda db: db.execute("SELECT * FROM t").fetchall())
    store.close()

for _ in range(2):
    asyncio.run(use())
    for path, _, flags in opened:
        if path == "x.db" or str(path).startswith(os.path.dirname(sys.argv[1])):
            print(os.path.basename(path), "new" if flags & os.O_EXCL else "there")
    print("--")
    opened.clear()
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A process over a file of version 1."""
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.executescript(VERSION_1)
    made = Scene(str(tmp_path))
    made.cloud.automatic = lambda sending: sending.succeed()
    yield made
    made.close()


def version(folder: str) -> int:
    """Of the file."""
    with closing(sqlite3.connect(f"{folder}/journal.db")) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


async def test_an_older_journal_gets_what_charges_need(scene: Scene) -> None:
    """And charges."""
    assert (await scene.charge())[0].state == "succeeded"
    assert version(scene.folder) == len(MIGRATIONS) == 3


async def test_what_an_older_journal_has_is_kept(scene: Scene) -> None:
    """The audit log, whose service nobody knows, and the cooldowns."""
    log = AuditLog(scene.journal, APP, scene.clock, "billing")
    (attempt,) = await log.entries(lambda *_: True, since_s=0, limit=10)
    assert (attempt.command, attempt.parameters) == ("send_payment_required_email", {"customer_org_id": "a"})
    assert not await log.entries(lambda *_: False, since_s=0, limit=10)
    with pytest.raises(CooldownActiveError):
        await EmailCooldown(scene.journal, APP, scene.clock, {}).check("a")


async def test_old_entries_keep_their_place_and_get_their_ring(tmp_path: Path) -> None:
    """What may have been done is in the ring of its own; what was refused, or only tried, is not."""
    ends = {
        "done": None,
        "lost": "cloud_timeout",
        "died": "unfinished",
        "no": "out_of_scope",
        "limit": "charge_blocked",
    }
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for script in MIGRATIONS[:2]:
            db.executescript(script)
        insert = "INSERT INTO audit (app_address, time, command, parameters, allowed, code) VALUES (?, 1, ?, ?, 1, ?)"
        db.executemany(insert, [(APP, name, "{}", code) for name, code in ends.items()])
        db.execute(insert, (APP, "dry", '{"org_id": "a", "dry_run": true}', None))
        db.execute("PRAGMA user_version = 2")
        db.commit()
    scene = Scene(str(tmp_path))
    log = AuditLog(scene.journal, APP, scene.clock)
    assert [e.command for e in await log.entries(lambda *_: True, since_s=0, limit=10)] == [*ends, "dry"][::-1]
    scene.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        executed = db.execute("SELECT command FROM audit WHERE executed ORDER BY id").fetchall()
    assert executed == [("done",), ("lost",), ("died",)]


async def test_a_journal_of_a_newer_version_is_refused_and_left_alone(scene: Scene) -> None:
    """Nothing is charged with it."""
    path = Path(scene.folder, "journal.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 4")
    with pytest.raises(StateUnavailableError, match="newer version"):
        await scene.charge()
    assert (version(scene.folder), scene.cloud.sendings, scene.cloud.lists) == (4, [], 0)


def test_a_file_is_made_once_and_its_folder_synced(tmp_path: Path) -> None:
    """One that is there is never opened beside SQLite, whose locks that would end; a new one is in a synced folder."""
    folder = tmp_path / "state"
    command = [sys.executable, "-c", HOW_FILES_ARE_OPENED, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": _source()})  # noqa: S603 - our own script
    first, second, _ = found.stdout.split("--\n")
    assert first.splitlines() == ["state there", "x.db new", f"{tmp_path.name} there"]
    assert second.splitlines() == ["state there", "state there", "x.db new"]


def _source() -> str:
    return str(Path(__file__).resolve().parents[3] / "src")
