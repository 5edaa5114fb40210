"""The cache's memory over restarts: `cache.db` in `state_dir`. Whatever is wrong with it costs old answers only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

from viam import logging

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.times import DAY_S
from viam_billing.storage.database import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from viam_billing.cache.memory import Entry
    from viam_billing.settings.app_address import AppAddress

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

_PURGE: Final = "DELETE FROM answers WHERE cloud = ? AND as_of < ?"
_UNUSED_S: Final = 31 * DAY_S
_TRY_AGAIN_S: Final = 600.0
_TOGETHER_S: Final = 0.005
"""A fleet brings thousands of answers in seconds: a transaction for each would take more time than the answers do."""
_FAR_FUTURE_S: Final = 1e18

Pending = dict[str, tuple[str, str, str, float, float] | None]
"""Rows to write by question, None for those to remove; the question "" stands for all."""

Row = tuple[str, dict[str, Any], float, float]


def cloud_name(address: AppAddress, key_id: str, key: str) -> str:
    """What keeps the answers of different keys and addresses apart; the key cannot be got back from it."""
    import hashlib  # noqa: PLC0415 - not needed to start

    return hashlib.sha256(f"{address.text}\0{key_id}\0{key}".encode()).hexdigest()[:32]


class CacheFile:
    """The answers of one cloud in the folder's file. No method raises for the disk's sake."""

    def __init__(self, folder: str, cloud: str) -> None:
        self._folder = folder
        self._cloud = cloud
        self._store = Store(folder, FILE_NAME, _MIGRATIONS, synced=False)
        self._pending: Pending = {}
        self._writing: asyncio.Task[None] | None = None
        self._out_of_order_until_s = 0.0
        self._complained = False

    async def load(self, *, now_s: float, revealed: bool) -> list[Row]:
        """All answers of this cloud.

        Removed are those no longer valid at `now_s`, payment details unless they may be `revealed`, and what is left of
        keys that nobody has used for a month.
        """

        def work(db: sqlite3.Connection) -> list[Row]:
            db.execute("DELETE FROM answers WHERE valid_until <= ?", (now_s,))
            db.execute("DELETE FROM answers WHERE cloud <> ? AND as_of < ?", (self._cloud, now_s - _UNUSED_S))
            if not revealed:
                db.execute("DELETE FROM answers WHERE cloud = ? AND question LIKE 'revealed:%'", (self._cloud,))
            rows = db.execute("SELECT question, value, as_of, valid_until FROM answers WHERE cloud = ?", (self._cloud,))
            return [(question, json.loads(value), as_of, until) for question, value, as_of, until in rows]

        try:
            rows = await self._store.run(work)
            if not revealed:
                await self._store.checkpoint()  # what was removed is still in the write-ahead log
        except StateUnavailableError as error:
            LOGGER.warning("remembered answers are lost: %s", error.text)
            self._complained = True
            if self._store.damaged:
                self._begin_anew()
        except ValueError:
            LOGGER.warning("remembered answers are lost: one of them is damaged")
            self._begin_anew()
        else:
            return rows
        return []

    async def purge(self, *, oldest_s: float) -> None:
        """Remove the answers of this cloud from before a time."""
        with contextlib.suppress(StateUnavailableError):
            await self._store.run(lambda db: db.execute(_PURGE, (self._cloud, oldest_s)).rowcount)

    def purge_at_close(self, *, oldest_s: float) -> None:
        """The same without waiting for it."""
        self._store.run_unwatched(lambda db: db.execute(_PURGE, (self._cloud, oldest_s)))

    def _begin_anew(self) -> None:
        self._store.close()
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._folder, FILE_NAME + ending))
        self._store = Store(self._folder, FILE_NAME, _MIGRATIONS, synced=False)

    async def save(self, question: str, entry: Entry, *, within_s: float) -> None:
        """Write an answer. Returns when it is written, or after `within_s` while the writing goes on."""
        until_s = min(entry.valid_until_s, _FAR_FUTURE_S)
        self._pending[question] = (self._cloud, question, json.dumps(entry.value), entry.as_of_s, until_s)
        writing = self._write()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(writing), within_s)

    async def written(self, *, within_s: float) -> None:
        """Wait until what is pending is written; not longer than `within_s`, for a disk may hang."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._write()), within_s)

    def delete(self, question: str) -> None:
        """Remove an answer, soon."""
        self._pending[question] = None
        self._write()

    def delete_all(self) -> None:
        """Remove all answers of this cloud, soon."""
        self._pending.clear()
        self._pending[""] = None
        self._write()

    def _write(self) -> asyncio.Task[None]:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_pending())
        return self._writing

    async def _write_pending(self) -> None:
        """All that is pending, in one transaction; again, while more has come meanwhile."""
        while self._pending:
            pending, self._pending = self._pending, {}
            if time.monotonic() < self._out_of_order_until_s:
                self._pending = _removals(pending)
                return
            try:
                await self._store.run(self._writer(pending))
                self._complained = False
            except StateUnavailableError as error:
                self._out_of_order_until_s = time.monotonic() + _TRY_AGAIN_S
                self._pending = _removals(pending) | self._pending
                if not self._complained:
                    LOGGER.warning("answers are kept in memory only: %s", error.text)
                    self._complained = True
            if self._pending:
                await asyncio.sleep(_TOGETHER_S)

    def _writer(self, pending: Pending) -> Callable[[sqlite3.Connection], None]:
        def work(db: sqlite3.Connection) -> None:
            if "" in pending:
                db.execute("DELETE FROM answers WHERE cloud = ?", (self._cloud,))
            gone = [(self._cloud, question) for question, row in pending.items() if row is None]
            db.executemany("DELETE FROM answers WHERE cloud = ? AND question = ?", gone)
            rows = [row for row in pending.values() if row is not None]
            db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

        return work

    def close(self) -> None:
        """Close the file after what is under way and what is pending. May be called twice."""
        pending, self._pending = self._pending, {}
        if pending:
            self._store.run_unwatched(self._writer(pending))
        self._store.close()


def _removals(pending: Pending) -> Pending:
    """What must not be lost with a full disk: an answer that was to be removed would come back with the next start."""
    return {question: row for question, row in pending.items() if row is None}
