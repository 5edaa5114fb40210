"""The usage that this machine has seen, and the budget thresholds crossed by it: `usage.db` in `state_dir`.

A point is the last fresh answer of its hour; points are kept for 13 months. A fault of the file costs history and the
better projection, never an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from msgspec import Struct
from viam import logging

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.money import TOO_LARGE, Cents, exact, rounded
from viam_billing.core.tasks import within
from viam_billing.core.times import DAY_S, HOUR_S
from viam_billing.storage.database import Connection, Database
from viam_billing.storage.disk import Disk
from viam_billing.usage.forecast import CostAt

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
)

KEPT_S: Final = 396 * DAY_S  # 13 months
_LONGEST_MONTH_S: Final = 32 * DAY_S
_NOTE_S: Final = 0.25
_CROSS_S: Final = 1.0


class Point(Struct, frozen=True):
    """The cost of an organization's month, in unrounded dollars, when the cloud was asked."""

    time_s: float
    month_start_s: float
    cost: float


class Step(Struct, frozen=True):
    """An hour or a day in which the cloud was asked: when last, the month's cost by then, its own cost where known."""

    time_s: float
    month_to_date: float
    delta: float | None


class UsageHistory:
    """The points of one folder and cloud."""

    def __init__(self, disk: Disk, folder: str, app_address: str) -> None:
        self._app = app_address
        self._database = Database(disk, folder, FILE_NAME, MIGRATIONS, synced=False)
        self._warned = False
        self._pruned_at = 0

    async def note(self, org_id: str, point: Point) -> list[CostAt]:
        """Keep a point, in place of an earlier one of its hour.

        Returns the last of each day of the month by now, oldest first; none where the disk is slow or cannot be used.
        """
        # A time outside the billing month means the clock is wrong: discard the point. Points that lie ahead of a time
        # inside the month are kept, as this clock may be behind, and not read, as it may have been ahead when they were
        # noted; the next point of their hour replaces them.
        if not 0 <= point.time_s - point.month_start_s < _LONGEST_MONTH_S:
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
            row = (series, hour, point.time_s, point.month_start_s, point.cost)
            db.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", row)
            return db.execute(
                "SELECT max(time), cost FROM points WHERE series = ? AND hour BETWEEN ? AND ? AND month_start = ? "
                "GROUP BY hour / 24 ORDER BY hour",  # with max() SQLite takes the other columns from the same row
                (series, int(point.month_start_s // HOUR_S), hour, point.month_start_s),
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

    async def points(self, org_id: str, since_s: float, until_s: float) -> list[Point]:
        """The points from `since_s` on and before `until_s`, oldest first. Raises as `Database.run` does."""

        def work(db: Connection) -> list[Point]:
            rows = db.execute(
                "SELECT time, month_start, cost FROM points JOIN series ON id = series "
                "WHERE app_address = ? AND org_id = ? AND hour BETWEEN ? AND ? AND time >= ? AND time < ? "
                "AND abs(cost) < ? ORDER BY hour",  # a disk may change it
                (self._app, org_id, since_s // HOUR_S, until_s // HOUR_S, since_s, until_s, TOO_LARGE),
            )
            return [Point(*row) for row in rows]

        return await self._database.run(work)

    async def cross(
        self, org_id: str, month_start_s: float, monthly_cents: int, thresholds: Iterable[float]
    ) -> list[float]:
        """Remember that thresholds of a budget are crossed. Returns those that were not before; raises as `points`."""
        insert = "INSERT OR IGNORE INTO crossed VALUES (?, ?, ?, ?, ?)"
        budget = (self._app, org_id, month_start_s, monthly_cents)

        def work(db: Connection) -> list[float]:
            db.execute("DELETE FROM crossed WHERE month_start < ?", (month_start_s - KEPT_S,))
            return [threshold for threshold in thresholds if db.execute(insert, (*budget, threshold)).rowcount]

        return await self._database.run(work)

    def close(self) -> None:
        """Close the file after what is under way. May be called twice."""
        self._database.close()


class CrossedThresholds:
    """What the budget checks of one service have found crossed: in memory, and on the disk where there is one."""

    def __init__(self, history: UsageHistory | None) -> None:
        self._history = history
        self._known: dict[tuple[str, float, Cents, float], bool] = {}
        """Organization, month, budget and threshold; whether it is on the disk."""
        self._warned = False

    async def newly(
        self, org_id: str, month_start_s: float, monthly: Cents, thresholds: Iterable[float]
    ) -> list[float]:
        """Of the thresholds that are crossed now, those that were not before, in this month and of this budget."""
        names = {threshold: (org_id, month_start_s, monthly, threshold) for threshold in thresholds}
        new = [threshold for threshold, name in names.items() if name not in self._known]
        unwritten = [threshold for threshold, name in names.items() if not self._known.setdefault(name, False)]
        if not unwritten or self._history is None:
            return new
        try:
            writing = self._history.cross(org_id, month_start_s, monthly, unwritten)
            new_on_disk = await within(_CROSS_S, writing)
        except (StateUnavailableError, asyncio.TimeoutError) as error:
            if not self._warned:
                why = error.text if isinstance(error, StateUnavailableError) else "the disk does not answer."
                LOGGER.warning("crossed thresholds are remembered until the module ends only: %s", why)
            self._warned = True
            return new
        self._warned = False
        self._known.update(dict.fromkeys(names.values(), True))
        return [threshold for threshold in new if threshold in new_on_disk]


def steps(points: Iterable[Point], step_s: float) -> Iterator[Step]:
    """Steps of `step_s` seconds, aligned to UTC, from points, oldest first; a step without a point is left out.

    A step's cost is the rise since the last point of the step right before it. After a gap it is not known: what came
    in between belongs to no single step. In the step in which a month begins, it is what the new month has cost; the
    old month's cost after its last point is lost.
    """
    before: Point | None = None
    for number, step in groupby(points, lambda point: point.time_s // step_s):
        *_, point = step
        if point.month_start_s >= number * step_s:
            delta = rounded(point.cost)
        elif before and (before.time_s // step_s, before.month_start_s) == (number - 1, point.month_start_s):
            delta = rounded(exact(point.cost) - exact(before.cost))
        else:
            delta = None
        yield Step(point.time_s, rounded(point.cost), delta)
        before = point
