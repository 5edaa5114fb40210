"""The cache over restarts: `cache.db` in `state_dir`. Whatever is wrong with it costs old answers only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from viam import logging

from viam_billing.cache.readings import MOST_ENTRIES, Entry
from viam_billing.core.digest import digest
from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.times import DAY_S, monotonic_s
from viam_billing.settings.app_address import AppAddress
from viam_billing.storage.database import Connection, DamagedFileError, Database
from viam_billing.storage.disk import Disk

LOGGER: Final = logging.getLogger(__name__)

FILE_NAME: Final = "cache.db"

_MIGRATIONS: Final = (
    (
        "CREATE TABLE answers (cloud TEXT NOT NULL, question TEXT NOT NULL, value TEXT NOT NULL, as_of REAL NOT NULL, "
        "valid_until REAL NOT NULL, PRIMARY KEY (cloud, question)) STRICT"
    ),
)

_UNUSED_S: Final = 31 * DAY_S
_SUM_LENGTH: Final = 8
_TOGETHER_S: Final = 0.005
"""A fleet brings thousands of answers in seconds: a transaction for each would take more time than the answers do."""

_Pending: TypeAlias = dict[str | None, tuple[str, dict[str, Any], float, float] | None]
"""Rows to write by query, None for those to delete; the query None stands for every one."""


def cloud_name(address: AppAddress, key_id: str, key: str) -> str:
    """What keeps the answers of different keys and addresses apart; the key cannot be got back from it."""
    return digest(f"{address.text}\0{key_id}\0{key}")


def _summed(text: str, query: str, as_of_s: float, until_s: float) -> str:
    """A row's text after its sum: a disk that changes a byte costs the answer, which would be taken for the cloud's."""
    summed = f"{query} {as_of_s:.6f} {until_s:.6f} {text}"
    return f"{zlib.crc32(summed.encode(errors='replace')):0{_SUM_LENGTH}x}{text}"


def _checked(text: str, query: str, as_of_s: float, until_s: float) -> dict[str, Any]:
    value = text[_SUM_LENGTH:]
    if text != _summed(value, query, as_of_s, until_s):
        raise ValueError("its sum is wrong")
    found: dict[str, Any] = json.loads(value)
    return found


class CacheFile:
    """The answers of one cloud in the folder's file. No method raises an error of the disk."""

    def __init__(
        self,
        disk: Disk,
        folder: str,
        cloud: str,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = monotonic_s,
    ) -> None:
        """`now_s` is the wall clock, `clock_s` the monotonic one."""
        self._cloud = cloud
        self._now_s = now_s
        self._clock_s = clock_s
        self._newest_s = self._loaded_at_s = math.inf
        self._database = Database(disk, folder, FILE_NAME, _MIGRATIONS, synced=False)
        self._pending: _Pending = {}
        self._writing: asyncio.Task[None] | None = None
        self._warned = self._loaded = False
        self.keep_s = 0.0
        """How old an answer may become before it is deleted: as old as the most patient service accepts."""

    async def clean(self) -> None:
        """Delete the revealed payment details that earlier versions wrote, of all keys: afterwards no file has them."""
        revealed = "FROM answers WHERE question LIKE 'revealed:%'"
        with contextlib.suppress(Exception):  # `load` meets it too, and tells
            if await self._database.run(lambda db: db.execute(f"SELECT 1 {revealed}").fetchone()):
                await self._database.checkpoint(rebuild=True)  # the oldest of them left parts of what they replaced
                await self._database.run(lambda db: db.execute(f"DELETE {revealed}").rowcount)
            await self._database.checkpoint()

    async def load(self) -> Mapping[str, Entry]:
        """The entries of this cloud, by query. Deletes those no longer valid, or of keys not used for a month."""
        now_s = self._now_s()
        self._loaded = True

        def work(db: Connection) -> dict[str, Entry]:
            (newest_s,) = db.execute("SELECT max(as_of) FROM answers WHERE as_of <= ?", (now_s,)).fetchone()
            self._newest_s, self._loaded_at_s = newest_s or now_s, self._clock_s()
            if self._believes(now_s):
                db.execute("DELETE FROM answers WHERE valid_until <= ?", (now_s,))
                db.execute("DELETE FROM answers WHERE cloud <> ? AND as_of < ?", (self._cloud, now_s - _UNUSED_S))
            sql = "SELECT question, value, as_of, valid_until FROM answers WHERE cloud = ? ORDER BY as_of DESC LIMIT ?"
            rows = reversed(db.execute(sql, (self._cloud, MOST_ENTRIES)).fetchall())
            return {
                query: Entry(_checked(text, query, *times_s), times_s[0], None, times_s[1])
                for query, text, *times_s in rows
            }

        try:
            return await self._database.run(work)
        except Exception as error:  # noqa: BLE001 - see the class
            lost = isinstance(error, (DamagedFileError, ValueError))
            why = getattr(error, "text", repr(error))
            if lost and not self._warned:
                LOGGER.warning("remembered answers are lost: %s", why)
            elif not self._warned:
                LOGGER.warning("answers are kept in memory only: %s", why)
            self._warned = True
            if lost:
                self._database.remove()
            return {}

    def _believes(self, now_s: float) -> bool:
        """Whether a time may delete answers: not one that is a month ahead of the newest, and of the time run since.

        Either the clock is wrong, and the answers are good when it is right again, or the module did not run for so
        long: the next start deletes them.
        """
        return now_s - self._newest_s - (self._clock_s() - self._loaded_at_s) <= _UNUSED_S

    async def save(self, query: str, entry: Entry, *, within_s: float) -> None:
        """Write an entry. Returns when it is written, or after `within_s` while the writing goes on."""
        until_s = min(entry.valid_until_s, entry.as_of_s + self.keep_s)
        self._pending[query] = (query, entry.value, entry.as_of_s, until_s)
        await self.written(within_s=within_s)

    async def written(self, *, within_s: float) -> None:
        """Wait until what is pending is written, but not longer than `within_s`: a disk may hang."""
        await asyncio.wait({self._write()}, timeout=within_s)

    def rename(self, cloud: str) -> None:
        """Go on with the answers of another cloud, or key; those so far stay under the name that they have."""
        pending, self._pending = self._pending, {}
        if pending:
            with contextlib.suppress(StateUnavailableError):  # it is closed
                self._database.begin(partial(self._apply, self._cloud, pending))
        self._cloud = cloud

    def delete(self, query: str | None) -> None:
        """Delete an entry, or all of this cloud for None, soon."""
        if query is None:
            self._pending.clear()
        self._pending[query] = None
        self._write()

    def _write(self) -> asyncio.Task[None]:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_pending())
        return self._writing

    async def _write_pending(self) -> None:
        """Write all that is pending in one transaction; again, while more has come meanwhile."""
        while self._pending:
            pending, self._pending = self._pending, {}
            try:
                await self._database.run(partial(self._apply, self._cloud, pending))
            except Exception as error:  # noqa: BLE001 - see the class
                if not self._warned:
                    LOGGER.warning("answers are kept in memory only: %s", getattr(error, "text", repr(error)))
                self._warned = True
                # What was to be deleted would come back with the next start: it is tried again with the next answer.
                deletions: _Pending = {query: row for query, row in pending.items() if row is None}
                self._pending = deletions | self._pending
                return
            self._warned = False
            if self._pending:
                await asyncio.sleep(_TOGETHER_S)

    def _apply(self, cloud: str, pending: _Pending, db: Connection) -> None:
        if None in pending:
            db.execute("DELETE FROM answers WHERE cloud = ?", (cloud,))
        deleted = [(cloud, query) for query, row in pending.items() if row is None]
        db.executemany("DELETE FROM answers WHERE cloud = ? AND question = ?", deleted)
        rows = (
            (cloud, query, _summed(json.dumps(value), query, *times), *times)
            for query, value, *times in filter(None, pending.values())
        )
        db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Write what is pending, delete what is too old for every service, and close the file. May be called twice."""
        pending, self._pending = self._pending, {}

        def work(db: Connection) -> None:
            self._apply(self._cloud, pending, db)
            if self._believes(now_s := self._now_s()):
                oldest = (self._cloud, now_s - self.keep_s)
                db.execute("DELETE FROM answers WHERE cloud = ? AND as_of < ?", oldest)

        if self._loaded or pending:
            with contextlib.suppress(StateUnavailableError):  # it is closed, or the disk hangs
                self._database.begin(work)
        self._database.close()
