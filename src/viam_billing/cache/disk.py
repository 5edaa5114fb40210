"""The cache over restarts: `cache.db` in `state_dir`. Whatever is wrong with it costs old answers only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.cache.memory import Entry, Memory, StoredEntry
from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.tasks import wait_shared
from viam_billing.core.times import DAY_S
from viam_billing.storage.database import DamagedFileError, Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from viam_billing.settings.app_address import AppAddress
    from viam_billing.storage.disk import Disk

LOGGER: Final = logging.getLogger(__name__)

FILE_NAME: Final = "cache.db"

_MIGRATIONS: Final = (
    """
    CREATE TABLE answers (
        cloud TEXT NOT NULL,
        question TEXT NOT NULL,
        value TEXT NOT NULL,
        as_of REAL NOT NULL,
        valid_until REAL NOT NULL,
        PRIMARY KEY (cloud, question)
    ) STRICT
    """,
)

_UNUSED_S: Final = 31 * DAY_S
_RESTORE_S: Final = 1.0
_PURGE_AFTER_S: Final = 5.0
_TRY_AGAIN_S: Final = 600.0
_TOGETHER_S: Final = 0.005
"""A fleet brings thousands of answers in seconds: a transaction for each would take more time than the answers do."""
_FAR_FUTURE_S: Final = 1e18
_ALL: Final = ""

Pending = dict[str, tuple[str, str, str, float, float] | None]
"""Rows to write by query, None for those to delete; the query `_ALL` stands for every one."""


def cloud_name(address: AppAddress, key_id: str, key: str) -> str:
    """What keeps the answers of different keys and addresses apart; the key cannot be got back from it."""
    import hashlib  # noqa: PLC0415 - not needed to start

    return hashlib.sha256(f"{address.text}\0{key_id}\0{key}".encode()).hexdigest()[:32]


class CacheFile:
    """The answers of one cloud in the folder's file. No method raises an error of the disk."""

    def __init__(self, disk: Disk, folder: str, cloud: str, now_s: Callable[[], float] = time.time) -> None:
        self._cloud = cloud
        self._now_s = now_s
        self._database = Database(disk, folder, FILE_NAME, _MIGRATIONS, synced=False)
        self._pending: Pending = {}
        self._writing: asyncio.Task[None] | None = None
        self._paused_until_s = 0.0
        self._warned = False
        self._keep_s = 0.0
        self._restoring: asyncio.Task[None] | None = None
        self._purge_timer: asyncio.TimerHandle | None = None
        self.restored = False
        """Whether there is nothing more to wait for before the first read."""

    def restore(self, memory: Memory, keep_s: float) -> None:
        """Bring the entries of an earlier process into memory, once, in the background.

        What is older than the largest `keep_s` is deleted soon after: not before all services of the configuration are
        there.
        """
        self._keep_s = max(self._keep_s, keep_s)
        if self._restoring is None:
            self._restoring = asyncio.create_task(self._restore(memory))

    async def wait_restored(self, closed: asyncio.Future[None]) -> None:
        """Wait for the entries, once and not for long: a disk that does not answer costs the old ones.

        Raises:
            CloudUnreachableError: when `closed` is done.
        """
        try:
            if self._restoring is not None:
                await wait_shared(self._restoring, _RESTORE_S, closed)
        except asyncio.TimeoutError:
            self.restored = True

    async def _restore(self, memory: Memory) -> None:
        memory.restore(await self.load())
        self.restored = True
        self._purge_timer = asyncio.get_running_loop().call_later(_PURGE_AFTER_S, self.purge)

    async def load(self) -> list[StoredEntry]:
        """The entries of this cloud.

        Deletes those that are no longer valid, those of keys that were not used for a month, and the revealed payment
        details that earlier versions wrote: afterwards no file has them.
        """
        now_s = self._now_s()

        def work(db: sqlite3.Connection) -> list[StoredEntry]:
            db.execute("DELETE FROM answers WHERE valid_until <= ? OR question LIKE 'revealed:%'", (now_s,))
            db.execute("DELETE FROM answers WHERE cloud <> ? AND as_of < ?", (self._cloud, now_s - _UNUSED_S))
            rows = db.execute("SELECT question, value, as_of, valid_until FROM answers WHERE cloud = ?", (self._cloud,))
            return [StoredEntry(query, json.loads(value), as_of_s, until_s) for query, value, as_of_s, until_s in rows]

        try:
            entries = await self._database.run(work)
            await self._database.checkpoint()
        except Exception as error:  # noqa: BLE001 - see the class
            if not self._warned:
                LOGGER.warning("remembered answers are lost: %s", _why(error))
            self._warned = True
            if isinstance(error, (DamagedFileError, ValueError)):
                self._database.remove()
            return []
        return entries

    def purge(self) -> None:
        """Delete, soon, the entries of this cloud that are too old for every service."""
        oldest_s = self._now_s() - self._keep_s
        with contextlib.suppress(StateUnavailableError):
            self._database.begin(
                lambda db: db.execute("DELETE FROM answers WHERE cloud = ? AND as_of < ?", (self._cloud, oldest_s))
            )

    async def save(self, query: str, entry: Entry, *, within_s: float) -> None:
        """Write an entry. Returns when it is written, or after `within_s` while the writing goes on."""
        until_s = min(entry.valid_until_s, _FAR_FUTURE_S)
        self._pending[query] = (self._cloud, query, json.dumps(entry.value), entry.as_of_s, until_s)
        await self.written(within_s=within_s)

    async def written(self, *, within_s: float) -> None:
        """Wait until what is pending is written, but not longer than `within_s`: a disk may hang."""
        await asyncio.wait({self._write()}, timeout=within_s)

    def delete(self, query: str) -> None:
        """Delete an entry, soon."""
        self._pending[query] = None
        self._write()

    def delete_all(self) -> None:
        """Delete all entries of this cloud, soon."""
        self._pending = {_ALL: None}
        self._write()

    def _write(self) -> asyncio.Task[None]:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_pending())
        return self._writing

    async def _write_pending(self) -> None:
        """Write all that is pending in one transaction; again, while more has come meanwhile."""
        while self._pending:
            pending, self._pending = self._pending, {}
            if time.monotonic() < self._paused_until_s:
                self._pending = _deletions(pending)
                return
            try:
                await self._database.run(self._writer(pending))
                self._warned = False
            except Exception as error:  # noqa: BLE001 - see the class
                self._paused_until_s = time.monotonic() + _TRY_AGAIN_S
                self._pending = _deletions(pending) | self._pending
                if not self._warned:
                    LOGGER.warning("answers are kept in memory only: %s", _why(error))
                self._warned = True
            if self._pending:
                await asyncio.sleep(_TOGETHER_S)

    def _writer(self, pending: Pending) -> Callable[[sqlite3.Connection], None]:
        def work(db: sqlite3.Connection) -> None:
            if _ALL in pending:
                db.execute("DELETE FROM answers WHERE cloud = ?", (self._cloud,))
            deleted = [(self._cloud, query) for query, row in pending.items() if row is None]
            db.executemany("DELETE FROM answers WHERE cloud = ? AND question = ?", deleted)
            rows = [row for row in pending.values() if row is not None]
            db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

        return work

    def close(self) -> None:
        """Close the file after what is under way, what is pending, and a purge. May be called twice."""
        if self._restoring is not None:
            self._restoring.cancel()
        if self._purge_timer is not None:
            self._purge_timer.cancel()
            self.purge()
        pending, self._pending = self._pending, {}
        if pending:
            with contextlib.suppress(StateUnavailableError):
                self._database.begin(self._writer(pending))
        self._database.close()


def _why(error: Exception) -> str:
    return error.text if isinstance(error, StateUnavailableError) else f"{type(error).__name__}: {error}"


def _deletions(pending: Pending) -> Pending:
    """What a full disk must not lose: an answer that was to be deleted would come back with the next start."""
    return {query: row for query, row in pending.items() if row is None}
