# ruff: noqa: ASYNC240 - the test itself may wait for its own small files
from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from viam_billing.core.errors import NotFoundError, StateUnavailableError
from viam_billing.storage.database import DamagedFileError, Database
from viam_billing.storage.disk import Disk

FIRST = "CREATE TABLE t (x INTEGER) STRICT"
SECOND = "CREATE TABLE u (y INTEGER); INSERT INTO t VALUES (42)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def open_database(folder: Path) -> Iterator[Callable[..., Database]]:
    """Makes databases and closes them."""
    databases: list[Database] = []
    disk = Disk()

    def make(*migrations: str, at: Path = folder) -> Database:
        databases.append(Database(disk, str(at), "x.db", migrations or (FIRST,)))
        return databases[-1]

    yield make
    for database in databases:
        database.close()


def put(number: int) -> Callable[[sqlite3.Connection], object]:
    """A transaction that adds a row."""
    return lambda db: db.execute("INSERT INTO t VALUES (?)", (number,)).rowcount


def rows(db: sqlite3.Connection) -> list[int]:
    """A transaction that reads all rows."""
    return [x for (x,) in db.execute("SELECT x FROM t ORDER BY x")]


def version(path: Path) -> int:
    """What stands in a file."""
    db = sqlite3.connect(path / "x.db")
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()


def test_making_a_store_touches_no_disk(open_database: Callable[..., Database], folder: Path) -> None:
    """A service that never writes leaves nothing behind."""
    open_database()
    assert not folder.exists()


async def test_what_was_written_is_read(open_database: Callable[..., Database]) -> None:
    """By a second database on the same file too."""
    await open_database().run(put(1))
    assert await open_database().run(rows) == [1]


async def test_what_is_begun_right_before_the_end_is_found_by_the_next(
    open_database: Callable[..., Database],
) -> None:
    """A service is closed and recreated within a moment, while a slow disk still writes for the first."""
    disk_works = threading.Event()
    first = open_database()
    first.begin(lambda _: disk_works.wait(30))
    first.begin(put(1))
    first.close()
    found = asyncio.create_task(open_database().run(rows))
    await asyncio.wait({found}, timeout=0.1)
    assert not found.done()
    disk_works.set()
    assert await found == [1]


async def test_a_database_that_is_closed_during_its_first_use_does_not_hold_up_the_next(
    open_database: Callable[..., Database],
) -> None:
    for number in range(3):
        database = open_database()
        database.begin(put(number))
        database.close()
    assert await asyncio.wait_for(open_database().run(rows), 2) == [0, 1, 2]


async def test_the_folder_and_the_file_are_the_owners(open_database: Callable[..., Database], folder: Path) -> None:
    """0700 and 0600, its companions of the write-ahead log included."""
    await open_database().run(put(1))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_every_commit_is_synced(open_database: Callable[..., Database]) -> None:
    """A write-ahead log that is synced in full: what was answered survives a power cut."""
    settings = await open_database().run(
        lambda db: (db.execute("PRAGMA journal_mode").fetchone()[0], db.execute("PRAGMA synchronous").fetchone()[0])
    )
    assert settings == ("wal", 2)


async def test_an_error_undoes_the_whole_transaction(open_database: Callable[..., Database]) -> None:
    """And reaches the caller as it is."""
    database = open_database()

    def half(db: sqlite3.Connection) -> None:
        put(1)(db)
        raise NotFoundError("nothing")

    with pytest.raises(NotFoundError):
        await database.run(half)
    assert await database.run(rows) == []


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("INSRT", sqlite3.OperationalError),
        ("INSERT INTO t VALUES ('text')", sqlite3.IntegrityError),
        ("INSERT INTO t VALUES (?)", sqlite3.ProgrammingError),
    ],
)
async def test_a_wrong_statement_is_a_defect_and_undoes_the_whole_transaction(
    open_database: Callable[..., Database], wrong: str, kind: type[sqlite3.Error]
) -> None:
    database = open_database()

    def half(db: sqlite3.Connection) -> None:
        put(1)(db)
        db.execute(wrong)

    with pytest.raises(kind):
        await database.run(half)
    assert await database.run(rows) == []


@pytest.mark.parametrize(
    "damage",
    [
        *("PRAGMA user_version = -1", "PRAGMA user_version = 2", "PRAGMA user_version = 0", "DROP TABLE t"),
        "ALTER TABLE t RENAME COLUMN x TO y",
    ],
)
async def test_a_file_that_is_not_as_the_module_left_it_is_damaged(
    open_database: Callable[..., Database], folder: Path, damage: str
) -> None:
    """And stays as it is, for a person to look at."""
    await open_database(FIRST).run(put(1))
    with contextlib.closing(sqlite3.connect(folder / "x.db")) as db:
        db.execute(damage)
        db.commit()
    with pytest.raises(DamagedFileError):
        await open_database(FIRST).run(lambda db: db.execute("SELECT x FROM t").fetchall())


@pytest.mark.parametrize("value", [b"\xff", "{", 1.5])
async def test_a_row_that_the_module_never_wrote_is_damage(
    open_database: Callable[..., Database], value: object
) -> None:
    """Whatever a disk has made of it."""

    def work(db: sqlite3.Connection) -> object:
        ((found,),) = db.execute("SELECT CAST(? AS TEXT)", (value,))
        return msgspec.convert(json.loads(found), list[int])

    with pytest.raises(DamagedFileError):
        await open_database(FIRST).run(work)


async def test_a_full_disk_is_told_where_sqlite_has_rolled_back_by_itself(
    open_database: Callable[..., Database],
) -> None:
    database = open_database()

    def full(db: sqlite3.Connection) -> None:
        put(1)(db)
        db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(StateUnavailableError, match="database or disk is full"):
        await database.run(full)
    assert await database.run(rows) == []


@pytest.mark.parametrize("text", ["database is locked", "database table is locked: t", "disk I/O error"])
async def test_an_error_of_the_disk_is_unavailable(open_database: Callable[..., Database], text: str) -> None:
    def fails(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError(text)

    with pytest.raises(StateUnavailableError, match=text):
        await open_database().run(fails)


async def test_a_database_that_may_not_grow_is_a_full_disk(open_database: Callable[..., Database]) -> None:
    database = open_database()

    def too_much(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA max_page_count = 3")
        db.executemany("INSERT INTO t VALUES (?)", ((number,) for number in range(10_000)))

    with pytest.raises(StateUnavailableError, match="disk is full"):
        await database.run(too_much)
    assert await database.run(rows) == []


async def test_a_file_that_another_process_holds_is_unavailable(
    open_database: Callable[..., Database], folder: Path
) -> None:
    database = open_database()
    await database.run(lambda db: db.execute("PRAGMA busy_timeout = 1").fetchall())
    with contextlib.closing(sqlite3.connect(folder / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateUnavailableError, match="locked"):
            await database.run(put(1))


async def test_a_damaged_file_is_known_as_such(open_database: Callable[..., Database], folder: Path) -> None:
    first = open_database()
    await first.run(lambda db: db.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(10_000))).rowcount)
    await first.checkpoint()
    first.close()
    await open_database().run(lambda db: db.execute("PRAGMA page_size").fetchall())
    os.truncate(folder / "x.db", (folder / "x.db").stat().st_size // 2)
    with pytest.raises(DamagedFileError):
        await open_database().run(rows)


async def test_a_file_that_is_removed_begins_anew(open_database: Callable[..., Database], folder: Path) -> None:
    folder.mkdir()
    (folder / "x.db").write_text("no database" * 100)
    database = open_database()
    with pytest.raises(DamagedFileError):
        await database.run(rows)
    database.remove()
    assert await database.run(rows) == []


async def test_a_new_file_gets_every_migration(open_database: Callable[..., Database], folder: Path) -> None:
    """From version 0."""
    assert await open_database(FIRST, SECOND).run(rows) == [42]
    assert version(folder) == 2


async def test_an_older_file_gets_the_missing_migrations(open_database: Callable[..., Database], folder: Path) -> None:
    """What was in it stays, and no migration runs twice."""
    await open_database(FIRST).run(put(1))
    assert version(folder) == 1
    assert await open_database(FIRST, SECOND).run(rows) == [1, 42]
    assert await open_database(FIRST, SECOND).run(rows) == [1, 42]


async def test_a_newer_file_is_refused(open_database: Callable[..., Database], folder: Path) -> None:
    """An older module must not guess; the file stays as it is."""
    await open_database(FIRST, SECOND).run(put(1))
    with pytest.raises(StateUnavailableError, match="newer version"):
        await open_database(FIRST).run(rows)
    assert version(folder) == 2


async def test_a_migration_that_fails_changes_nothing(open_database: Callable[..., Database], folder: Path) -> None:
    """The next version of the module finds what the last one left."""
    await open_database(FIRST).run(put(1))
    with pytest.raises(sqlite3.OperationalError):
        await open_database(FIRST, "INSERT INTO t VALUES (2); INSRT").run(rows)
    assert version(folder) == 1
    assert await open_database(FIRST).run(rows) == [1]


async def test_a_missing_parent_is_unavailable(open_database: Callable[..., Database], tmp_path: Path) -> None:
    """Only the last folder is made."""
    with pytest.raises(StateUnavailableError, match="is not there"):
        await open_database(at=tmp_path / "a" / "b").run(rows)
    assert not (tmp_path / "a").exists()


async def test_a_file_in_place_of_the_folder_is_unavailable(
    open_database: Callable[..., Database], folder: Path
) -> None:
    """And is left alone."""
    folder.write_text("mine")
    with pytest.raises(StateUnavailableError, match="not a folder"):
        await open_database().run(rows)
    assert folder.read_text() == "mine"


async def test_a_folder_in_place_of_the_file_is_unavailable(
    open_database: Callable[..., Database], folder: Path
) -> None:
    """Whoever looks in the message finds the folder's name."""
    (folder / "x.db").mkdir(parents=True)
    with pytest.raises(StateUnavailableError, match="state_dir"):
        await open_database().run(rows)


async def test_a_file_that_is_no_database_is_unavailable(open_database: Callable[..., Database], folder: Path) -> None:
    """And is not written over."""
    folder.mkdir()
    (folder / "x.db").write_text("no database" * 100)
    with pytest.raises(StateUnavailableError, match="not a database"):
        await open_database().run(rows)
    assert (folder / "x.db").read_text().startswith("no database")


async def test_a_folder_that_was_put_right_is_used(open_database: Callable[..., Database], folder: Path) -> None:
    """Without starting the module anew."""
    database = open_database()
    folder.write_text("in the way")
    with pytest.raises(StateUnavailableError):
        await database.run(rows)
    folder.unlink()
    await database.run(put(7))
    assert await database.run(rows) == [7]


async def test_a_caller_that_leaves_does_not_stop_a_transaction(open_database: Callable[..., Database]) -> None:
    """What has begun is written."""
    database = open_database()
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(30)
        put(1)(db)

    caller = asyncio.create_task(database.run(slow))
    await asyncio.to_thread(begun.wait, 30)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await database.run(rows) == [1]


async def test_a_caller_that_leaves_early_does_not_stop_a_transaction(open_database: Callable[..., Database]) -> None:
    """Nor does it while the transaction waits its turn."""
    database = open_database()
    go_on = threading.Event()
    first = asyncio.create_task(database.run(lambda _: go_on.wait(30)))
    second = asyncio.create_task(database.run(put(2)))
    await asyncio.sleep(0)
    second.cancel()
    go_on.set()
    assert await first
    assert await database.run(rows) == [2]


async def test_a_transaction_that_fails_when_all_have_left_is_not_told_as_lost(
    open_database: Callable[..., Database], caplog: pytest.LogCaptureFixture
) -> None:
    """As asyncio does with an error that nobody has asked for."""
    database = open_database()
    go_on = threading.Event()

    def fails(_: sqlite3.Connection) -> None:
        go_on.wait(30)
        raise sqlite3.OperationalError("disk I/O error")

    caller = asyncio.create_task(database.run(fails))
    await asyncio.sleep(0)
    caller.cancel()
    go_on.set()
    assert await database.run(rows) == []
    await asyncio.sleep(0)
    del caller
    gc.collect()
    assert caplog.records == []


async def test_transactions_run_one_after_the_other(open_database: Callable[..., Database]) -> None:
    """A count that many add to at once is exact."""
    database = open_database()
    await database.run(put(0))
    await asyncio.gather(*(database.run(lambda db: db.execute("UPDATE t SET x = x + 1").rowcount) for _ in range(50)))
    assert await database.run(rows) == [50]


async def test_a_store_can_be_closed_twice(open_database: Callable[..., Database]) -> None:
    """What was written before is there."""
    database = open_database()
    await database.run(put(1))
    database.close()
    database.close()
    assert await open_database().run(rows) == [1]


async def test_a_closed_store_is_unavailable(open_database: Callable[..., Database]) -> None:
    """A call that is still under way when its service goes gets an error of the contract."""
    database = open_database()
    database.close()
    with pytest.raises(StateUnavailableError):
        await database.run(rows)


async def test_a_folder_that_was_replaced_is_not_written_to(
    open_database: Callable[..., Database], folder: Path, tmp_path: Path
) -> None:
    """What went into the old file would be lost with the next start."""
    database = open_database()
    await database.run(put(1))
    folder.rename(tmp_path / "old")
    folder.write_text("a file in its place")
    with pytest.raises(StateUnavailableError):
        await database.run(put(2))


async def test_a_folder_that_was_emptied_gets_a_new_file(open_database: Callable[..., Database], folder: Path) -> None:
    """The next transaction is where the next process will look."""
    database = open_database()
    await database.run(put(1))
    for path in folder.iterdir():
        path.unlink()
    await database.run(put(2))
    assert await open_database().run(rows) == [2]


async def test_what_is_synced_reaches_the_disk_on_a_mac_too(open_database: Callable[..., Database]) -> None:
    """There, a plain fsync leaves it in the drive's own memory."""
    names = ("fullfsync", "checkpoint_fullfsync")
    found = await open_database().run(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
    assert found == [1, 1]
