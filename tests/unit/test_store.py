# ruff: noqa: ASYNC240 - the test itself may wait for its own small files
from __future__ import annotations

import asyncio
import gc
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from viam_billing.core.errors import NotFoundError, StateUnavailableError
from viam_billing.storage.database import Store

FIRST = "CREATE TABLE t (x INTEGER) STRICT"
SECOND = "CREATE TABLE u (y INTEGER); INSERT INTO t VALUES (42)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Callable[..., Store]]:
    """Makes stores and closes them."""
    stores: list[Store] = []

    def make(*migrations: str, at: Path = folder) -> Store:
        stores.append(Store(str(at), "x.db", migrations or (FIRST,)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


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


def test_making_a_store_touches_no_disk(open_store: Callable[..., Store], folder: Path) -> None:
    """A service that never writes leaves nothing behind."""
    open_store()
    assert not folder.exists()


async def test_what_was_written_is_read(open_store: Callable[..., Store]) -> None:
    """By a second store on the same file too."""
    await open_store().run(put(1))
    assert await open_store().run(rows) == [1]


async def test_what_is_written_right_before_the_end_is_found_by_the_next(open_store: Callable[..., Store]) -> None:
    """A service is closed and made anew within a moment, while a slow disk still writes for the first."""
    disk_works = threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        db.execute("COMMIT")  # the thread is kept and the file is free: the next does not wait for a lock
        disk_works.wait(30)
        db.execute("BEGIN IMMEDIATE")

    first = open_store()
    await first.run(put(1))
    first.run_unwatched(slow)
    first.run_unwatched(put(2))
    first.close()
    found = asyncio.create_task(open_store().run(rows))
    await asyncio.wait({found}, timeout=0.3)
    assert not found.done()
    disk_works.set()
    assert await found == [1, 2]


async def test_the_folder_and_the_file_are_the_owners(open_store: Callable[..., Store], folder: Path) -> None:
    """0700 and 0600, its companions of the write-ahead log included."""
    await open_store().run(put(1))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_every_commit_is_synced(open_store: Callable[..., Store]) -> None:
    """A write-ahead log that is synced in full: what was answered survives a power cut."""
    settings = await open_store().run(
        lambda db: (db.execute("PRAGMA journal_mode").fetchone()[0], db.execute("PRAGMA synchronous").fetchone()[0])
    )
    assert settings == ("wal", 2)


async def test_an_error_undoes_the_whole_transaction(open_store: Callable[..., Store]) -> None:
    """And reaches the caller as it is."""
    store = open_store()

    def half(db: sqlite3.Connection) -> None:
        put(1)(db)
        raise NotFoundError("nothing")

    with pytest.raises(NotFoundError):
        await store.run(half)
    assert await store.run(rows) == []


async def test_a_wrong_statement_undoes_the_whole_transaction(open_store: Callable[..., Store]) -> None:
    """And the store is good for the next one."""
    store = open_store()

    def half(db: sqlite3.Connection) -> None:
        put(1)(db)
        db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StateUnavailableError):
        await store.run(half)
    assert await store.run(rows) == []


async def test_a_new_file_gets_every_migration(open_store: Callable[..., Store], folder: Path) -> None:
    """From version 0."""
    assert await open_store(FIRST, SECOND).run(rows) == [42]
    assert version(folder) == 2


async def test_an_older_file_gets_the_missing_migrations(open_store: Callable[..., Store], folder: Path) -> None:
    """What was in it stays, and no migration runs twice."""
    await open_store(FIRST).run(put(1))
    assert version(folder) == 1
    assert await open_store(FIRST, SECOND).run(rows) == [1, 42]
    assert await open_store(FIRST, SECOND).run(rows) == [1, 42]


async def test_a_newer_file_is_refused(open_store: Callable[..., Store], folder: Path) -> None:
    """An older module must not guess; the file stays as it is."""
    await open_store(FIRST, SECOND).run(put(1))
    with pytest.raises(StateUnavailableError, match="newer version"):
        await open_store(FIRST).run(rows)
    assert version(folder) == 2


async def test_a_migration_that_fails_changes_nothing(open_store: Callable[..., Store], folder: Path) -> None:
    """The next version of the module finds what the last one left."""
    await open_store(FIRST).run(put(1))
    with pytest.raises(StateUnavailableError):
        await open_store(FIRST, "INSERT INTO t VALUES (2); INSERT INTO nowhere VALUES (1)").run(rows)
    assert version(folder) == 1
    assert await open_store(FIRST).run(rows) == [1]


async def test_a_missing_parent_is_unavailable(open_store: Callable[..., Store], tmp_path: Path) -> None:
    """Only the last folder is made."""
    with pytest.raises(StateUnavailableError, match="No such file"):
        await open_store(at=tmp_path / "a" / "b").run(rows)
    assert not (tmp_path / "a").exists()


async def test_a_file_in_place_of_the_folder_is_unavailable(open_store: Callable[..., Store], folder: Path) -> None:
    """And is left alone."""
    folder.write_text("mine")
    with pytest.raises(StateUnavailableError, match="not a folder"):
        await open_store().run(rows)
    assert folder.read_text() == "mine"


async def test_a_folder_in_place_of_the_file_is_unavailable(open_store: Callable[..., Store], folder: Path) -> None:
    """Whoever looks in the message finds the folder's name."""
    (folder / "x.db").mkdir(parents=True)
    with pytest.raises(StateUnavailableError, match="state_dir"):
        await open_store().run(rows)


async def test_a_file_that_is_no_database_is_unavailable(open_store: Callable[..., Store], folder: Path) -> None:
    """And is not written over."""
    folder.mkdir()
    (folder / "x.db").write_text("no database" * 100)
    with pytest.raises(StateUnavailableError, match="not a database"):
        await open_store().run(rows)
    assert (folder / "x.db").read_text().startswith("no database")


async def test_a_folder_that_was_put_right_is_used(open_store: Callable[..., Store], folder: Path) -> None:
    """Without starting the module anew."""
    store = open_store()
    folder.write_text("in the way")
    with pytest.raises(StateUnavailableError):
        await store.run(rows)
    folder.unlink()
    await store.run(put(7))
    assert await store.run(rows) == [7]


async def test_a_caller_that_leaves_does_not_stop_a_transaction(open_store: Callable[..., Store]) -> None:
    """What has begun is written."""
    store = open_store()
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(30)
        put(1)(db)

    caller = asyncio.create_task(store.run(slow))
    await asyncio.to_thread(begun.wait, 30)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await store.run(rows) == [1]


async def test_a_caller_that_leaves_early_does_not_stop_a_transaction(open_store: Callable[..., Store]) -> None:
    """Nor does it while the transaction waits its turn."""
    store = open_store()
    go_on = threading.Event()
    first = asyncio.create_task(store.run(lambda _: go_on.wait(30)))
    second = asyncio.create_task(store.run(put(2)))
    await asyncio.sleep(0)
    second.cancel()
    go_on.set()
    assert await first
    assert await store.run(rows) == [2]


async def test_a_transaction_that_fails_when_all_have_left_is_not_told_as_lost(
    open_store: Callable[..., Store], caplog: pytest.LogCaptureFixture
) -> None:
    """As asyncio does with an error that nobody has asked for."""
    store = open_store()
    go_on = threading.Event()

    def fails(_: sqlite3.Connection) -> None:
        go_on.wait(30)
        raise sqlite3.OperationalError("disk I/O error")

    caller = asyncio.create_task(store.run(fails))
    await asyncio.sleep(0)
    caller.cancel()
    go_on.set()
    assert await store.run(rows) == []
    await asyncio.sleep(0)
    del caller
    gc.collect()
    assert caplog.records == []


async def test_transactions_run_one_after_the_other(open_store: Callable[..., Store]) -> None:
    """A count that many add to at once is exact."""
    store = open_store()
    await store.run(put(0))
    await asyncio.gather(*(store.run(lambda db: db.execute("UPDATE t SET x = x + 1").rowcount) for _ in range(50)))
    assert await store.run(rows) == [50]


async def test_a_store_can_be_closed_twice(open_store: Callable[..., Store]) -> None:
    """What was written before is there."""
    store = open_store()
    await store.run(put(1))
    store.close()
    store.close()
    assert await open_store().run(rows) == [1]


async def test_a_closed_store_is_unavailable(open_store: Callable[..., Store]) -> None:
    """A call that is still under way when its service goes gets an error of the contract."""
    store = open_store()
    store.close()
    with pytest.raises(StateUnavailableError):
        await store.run(rows)


async def test_a_folder_that_was_replaced_is_not_written_to(
    open_store: Callable[..., Store], folder: Path, tmp_path: Path
) -> None:
    """What went into the old file would be lost with the next start."""
    store = open_store()
    await store.run(put(1))
    folder.rename(tmp_path / "old")
    folder.write_text("a file in its place")
    with pytest.raises(StateUnavailableError):
        await store.run(put(2))


async def test_a_folder_that_was_emptied_gets_a_new_file(open_store: Callable[..., Store], folder: Path) -> None:
    """The next transaction is where the next process will look."""
    store = open_store()
    await store.run(put(1))
    for path in folder.iterdir():
        path.unlink()
    await store.run(put(2))
    assert await open_store().run(rows) == [2]


async def test_what_is_synced_reaches_the_disk_on_a_mac_too(open_store: Callable[..., Store]) -> None:
    """There, a plain fsync leaves it in the drive's own memory."""
    names = ("fullfsync", "checkpoint_fullfsync")
    found = await open_store().run(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
    assert found == [1, 1]
