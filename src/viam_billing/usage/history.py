"""The usage that this machine has seen, and the budget thresholds crossed by it or its projection: `usage.db`.

A point is the last fresh answer of its hour; points are kept for 13 months. A fault of the file costs history and the
better projection, never an answer. A point's costs by type are packed doubles, in the order of a list of types that
many points share: a fleet of 200 organizations with 8 types makes a file of 220 MB.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from viam import logging

from viam_billing.core.money import TOO_LARGE
from viam_billing.core.times import DAY_S, HOUR_S
from viam_billing.storage.database import Connection, Database
from viam_billing.storage.disk import Disk
from viam_billing.usage.days import SEEN_DAYS, CostAt
from viam_billing.usage.month import LONGEST_MONTH_S

LOGGER: Final = logging.getLogger(__name__)

FILE_NAME: Final = "usage.db"

MIGRATIONS: Final = (
    """
    CREATE TABLE series (id INTEGER PRIMARY KEY, app_address TEXT, org_id TEXT, UNIQUE (app_address, org_id)) STRICT;
    CREATE TABLE points (
        series INTEGER NOT NULL, hour INTEGER NOT NULL,
        time REAL NOT NULL, month_start REAL NOT NULL, cost REAL NOT NULL,
        PRIMARY KEY (series, hour)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE crossed (
        app_address TEXT NOT NULL, org_id TEXT NOT NULL,
        month_start REAL NOT NULL, monthly_cents INTEGER NOT NULL, threshold REAL NOT NULL,
        PRIMARY KEY (app_address, org_id, month_start, monthly_cents, threshold)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE type_lists (id INTEGER PRIMARY KEY, types TEXT NOT NULL UNIQUE) STRICT;
    ALTER TABLE points ADD COLUMN type_list INTEGER;
    ALTER TABLE points ADD COLUMN type_costs BLOB
    """,
    """
    CREATE TABLE projected (
        app_address TEXT NOT NULL, org_id TEXT NOT NULL,
        month_start REAL NOT NULL, monthly_cents INTEGER NOT NULL, threshold REAL NOT NULL,
        PRIMARY KEY (app_address, org_id, month_start, monthly_cents, threshold)
    ) STRICT, WITHOUT ROWID
    """,
)

KEPT_S: Final = 396 * DAY_S  # 13 months
_CROSSED, _PROJECTED = (
    (f"DELETE FROM {table} WHERE month_start < ?", f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?, ?)")  # noqa: S608 - the two are here
    for table in ("crossed", "projected")
)
_NOTE_S: Final = 0.25


StepName: TypeAlias = Literal["hour", "day", "month"]
STEP_S: Final = {"hour": HOUR_S, "day": DAY_S}


class Point(Struct, frozen=True):
    """The cost of an organization's month, in unrounded dollars, when the cloud was asked; by type where it is known.

    A type that is not among known ones has cost nothing.
    """

    time_s: float
    month_start_s: float
    cost: float
    by_type: Mapping[str, float] | None = None


class UsageHistory:
    """The points of one folder and cloud."""

    def __init__(self, disk: Disk, folder: str, app_address: str) -> None:
        self._app = app_address
        self._database = Database(disk, folder, FILE_NAME, MIGRATIONS, synced=False)
        self._warned = False
        self._pruned_at = 0

    async def note(self, org_id: str, point: Point) -> list[CostAt]:
        """Keep a point, in place of an earlier one of its hour.

        Returns what the projection learns from, the last of each 24 hours back from now, by month, for half a year;
        none where the disk is slow or cannot be used.
        """
        # A time outside the billing month means the clock is wrong: discard the point. Points that lie ahead of a time
        # inside the month are kept, as this clock may be behind, and not read, as it may have been ahead when they were
        # noted; the next point of their hour replaces them.
        if not 0 <= point.time_s - point.month_start_s < LONGEST_MONTH_S:
            return []
        hour = int(point.time_s // HOUR_S)
        oldest = int((point.time_s - KEPT_S) // HOUR_S)

        def work(db: Connection) -> list[CostAt]:
            if hour != self._pruned_at:
                db.execute("DELETE FROM points WHERE series IN (SELECT id FROM series) AND hour < ?", (oldest,))
                self._pruned_at = hour
            name = (self._app, org_id)
            db.execute("INSERT OR IGNORE INTO series (app_address, org_id) VALUES (?, ?)", name)
            (series,) = db.execute("SELECT id FROM series WHERE app_address = ? AND org_id = ?", name).fetchone()
            row = (series, hour, point.time_s, point.month_start_s, point.cost, *_packed(db, point.by_type))
            db.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return db.execute(
                "SELECT max(time), month_start, cost FROM points WHERE series = ? AND hour BETWEEN ? AND ? "
                "GROUP BY month_start, (? - hour) / 24",  # with max() SQLite takes the other columns from the same row
                (series, hour - SEEN_DAYS * 24, hour, hour),
            ).fetchall()

        writing = asyncio.ensure_future(self._database.run(work))
        writing.add_done_callback(self._noted)
        done, _ = await asyncio.wait({writing}, timeout=_NOTE_S)
        return writing.result() if done and writing.exception() is None else []

    def _noted(self, writing: asyncio.Future[list[CostAt]]) -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is not None and not self._warned:
            LOGGER.warning("usage is not noted for the history: %s", getattr(error, "text", repr(error)))
        self._warned = error is not None

    async def points(self, org_id: str, since_s: float, until_s: float, step: StepName = "hour") -> list[Point]:
        """The last point of each step from `since_s` on and before `until_s`, oldest first.

        An hour and a day are those of UTC, a month the billing month. Raises as `Database.run` does.
        """

        def work(db: Connection) -> list[Point]:
            rows = db.execute(
                "SELECT time, month_start, cost, types, type_costs FROM points JOIN series ON series.id = series "
                "LEFT JOIN type_lists ON type_lists.id = type_list "
                "WHERE app_address = ? AND org_id = ? AND hour BETWEEN ? AND ? AND time >= ? AND time < ? "
                "AND abs(cost) < ? ORDER BY hour",  # a disk may change it
                (self._app, org_id, since_s // HOUR_S, until_s // HOUR_S, since_s, until_s, TOO_LARGE),
            )
            step_s = STEP_S.get(step)
            last = {row[1] if step_s is None else row[0] // step_s: row for row in rows}
            return [
                Point(time_s, month_s, cost, _unpacked(*by_type)) for time_s, month_s, cost, *by_type in last.values()
            ]

        return await self._database.run(work)

    async def days_seen(self, org_id: str) -> int:
        """On how many days of UTC within half a year usage was seen. Raises as `points`."""
        sql = (
            "SELECT count(DISTINCT hour / 24) FROM points JOIN series ON id = series "
            "WHERE app_address = ? AND org_id = ? AND hour > (SELECT max(hour) FROM points WHERE series = id) - ?"
        )
        name = (self._app, org_id, SEEN_DAYS * 24)
        return await self._database.run(lambda db: int(db.execute(sql, name).fetchone()[0]))

    async def cross(
        self,
        org_id: str,
        month_start_s: float,
        monthly_cents: int,
        thresholds: Iterable[float],
        *,
        projected: bool = False,
    ) -> list[float]:
        """Remember that thresholds of a budget are crossed, by the cost or by its projection.

        Returns those that were not before; raises as `points`.
        """
        delete, insert = _PROJECTED if projected else _CROSSED
        budget = (self._app, org_id, month_start_s, monthly_cents)

        def work(db: Connection) -> list[float]:
            db.execute(delete, (month_start_s - KEPT_S,))
            return [threshold for threshold in thresholds if db.execute(insert, (*budget, threshold)).rowcount]

        return await self._database.run(work)

    def close(self) -> None:
        """Close the file after what is under way. May be called twice."""
        self._database.close()


def _packed(db: Connection, by_type: Mapping[str, float] | None) -> tuple[int | None, bytes | None]:
    """The columns of costs by type: the number of the list of types, and a double for each."""
    if by_type is None:
        return None, None
    types = " ".join(by_type)
    db.execute("INSERT OR IGNORE INTO type_lists (types) VALUES (?)", (types,))
    (type_list,) = db.execute("SELECT id FROM type_lists WHERE types = ?", (types,)).fetchone()
    return type_list, struct.pack(f"<{len(by_type)}d", *by_type.values())


def _unpacked(types: str | None, costs: bytes | None) -> dict[str, float] | None:
    """Costs by type of their columns; None where they were not known, or where a disk has changed them."""
    if types is None or costs is None or len(costs) != 8 * len(names := types.split()):
        return None
    by_type = dict(zip(names, struct.unpack(f"<{len(names)}d", costs), strict=True))
    return by_type if all(abs(cost) < TOO_LARGE for cost in by_type.values()) else None
