"""What usage has been seen, an hour and organization at a time, and which budget thresholds: `usage.db` in `state_dir`.

A point is the last fresh answer of its hour. Points are kept for 13 months. What goes wrong with the file costs history
and the better projection, never an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from viam import logging

from viam_billing.core.times import DAY_S, HOUR_S
from viam_billing.storage.database import Store

if TYPE_CHECKING:
    import sqlite3

LOGGER: Final = logging.getLogger(__name__)

FILE_NAME: Final = "usage.db"

MIGRATIONS: Final = (
    """
    CREATE TABLE series (id INTEGER PRIMARY KEY, app_address TEXT, org_id TEXT, UNIQUE (app_address, org_id)) STRICT;
    CREATE TABLE points (
        series INTEGER NOT NULL,
        hour INTEGER NOT NULL,
        time REAL NOT NULL,
        month_start REAL NOT NULL,
        cost REAL NOT NULL,
        PRIMARY KEY (series, hour)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE crossed (
        app_address TEXT NOT NULL,
        org_id TEXT NOT NULL,
        month_start REAL NOT NULL,
        monthly_cents INTEGER NOT NULL,
        threshold REAL NOT NULL,
        PRIMARY KEY (app_address, org_id, month_start, monthly_cents, threshold)
    ) STRICT, WITHOUT ROWID
    """,
)

KEPT_S: Final = 396 * DAY_S
"""13 months."""

_LONGEST_MONTH_S: Final = 32 * DAY_S
_NOTE_WITHIN_S: Final = 0.25


class Point(Struct, frozen=True):
    """What an organization had cost in its month, in dollars and unrounded, when the cloud was asked."""

    time_s: float
    month_start_s: float
    cost: float


Month = list[tuple[float, float]]
"""What was seen of a month, the last of each day: the time and the cost by then."""


class UsageHistory:
    """The points of one folder and cloud."""

    def __init__(self, folder: str, app_address: str) -> None:
        self._app = app_address
        self._store = Store(folder, FILE_NAME, MIGRATIONS, synced=False)
        self._complained = False
        self._pruned_at = 0

    async def note(self, org_id: str, point: Point) -> Month:
        """Keep a point in the place of an earlier one of its hour.

        Returns:
            the month up to now, oldest first; nothing where the disk is slow or cannot be used.
        """
        # The cloud knows which month it is: a time outside of it is a wrong clock's, and no point. Inside of it nobody
        # knows which of two times is wrong. What lies ahead of a point is never deleted, as this clock may be behind;
        # it is not read, as that one may have been ahead, and its point is replaced when its hour comes.
        if not 0 <= point.time_s - point.month_start_s < _LONGEST_MONTH_S:
            return []
        hour = int(point.time_s // HOUR_S)
        oldest = int((point.time_s - KEPT_S) // HOUR_S)

        def work(db: sqlite3.Connection) -> Month:
            if hour != self._pruned_at:
                db.execute("DELETE FROM points WHERE series IN (SELECT id FROM series) AND hour < ?", (oldest,))
                self._pruned_at = hour
            series = _series(db, self._app, org_id)
            db.execute(
                "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)",
                (series, hour, point.time_s, point.month_start_s, point.cost),
            )
            return db.execute(
                "SELECT max(time), cost FROM points WHERE series = ? AND hour BETWEEN ? AND ? AND month_start = ? "
                "GROUP BY hour / 24 ORDER BY hour",  # with max() SQLite takes the other columns from the same row
                (series, int(point.month_start_s // HOUR_S), hour, point.month_start_s),
            ).fetchall()

        writing = asyncio.ensure_future(self._store.run(work))
        writing.add_done_callback(self._noted)
        done, _ = await asyncio.wait({writing}, timeout=_NOTE_WITHIN_S)
        return writing.result() if done and writing.exception() is None else []

    def _noted(self, writing: asyncio.Future[Month]) -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is None:
            self._complained = False
        elif not self._complained:
            LOGGER.warning("usage is not noted for the history: %s", getattr(error, "text", type(error).__name__))
            self._complained = True

    async def points(self, org_id: str, since_s: float, until_s: float) -> list[Point]:
        """The points from `since_s` on and before `until_s`, oldest first.

        Raises:
            StateUnavailableError: if the folder cannot be used.
        """

        def work(db: sqlite3.Connection) -> list[Point]:
            rows = db.execute(
                "SELECT time, month_start, cost FROM points JOIN series ON series.id = points.series "
                "WHERE app_address = ? AND org_id = ? AND hour BETWEEN ? AND ? AND time >= ? AND time < ? "
                "ORDER BY hour",
                (self._app, org_id, since_s // HOUR_S, until_s // HOUR_S, since_s, until_s),
            )
            return [Point(*row) for row in rows]

        return await self._store.run(work)

    async def cross(
        self, org_id: str, month_start_s: float, monthly_cents: int, thresholds: Iterable[float]
    ) -> list[float]:
        """Remember that thresholds of a month's budget are crossed. Returns those that were not known to be.

        Raises:
            StateUnavailableError: if the folder cannot be used.
        """

        def work(db: sqlite3.Connection) -> list[float]:
            db.execute("DELETE FROM crossed WHERE month_start < ?", (month_start_s - KEPT_S,))
            return [
                threshold
                for threshold in thresholds
                if db.execute(
                    "INSERT OR IGNORE INTO crossed VALUES (?, ?, ?, ?, ?)",
                    (self._app, org_id, month_start_s, monthly_cents, threshold),
                ).rowcount
            ]

        return await self._store.run(work)

    def close(self) -> None:
        """Close the file after what is under way. May be called twice."""
        self._store.close()


def _series(db: sqlite3.Connection, app_address: str, org_id: str) -> int:
    name = (app_address, org_id)
    db.execute("INSERT OR IGNORE INTO series (app_address, org_id) VALUES (?, ?)", name)
    found: int = db.execute("SELECT id FROM series WHERE app_address = ? AND org_id = ?", name).fetchone()[0]
    return found
