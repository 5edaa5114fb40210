r"""The alerts on disk, `alerts.db` in `state_dir`: what was noted, and for each address what became of it.

waiting --> sending --> told
   ^           |  \
   |  not      |   '--> unclear: the module ended on the way; it is not sent again, so nobody is told twice
   '-----------'-----> lost: it was tried for an hour
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from viam_billing.audit.events import Event
from viam_billing.core.digest import digest
from viam_billing.storage.database import Connection, Database
from viam_billing.storage.disk import Disk

FILE_NAME: Final = "alerts.db"
MIGRATIONS: Final = (
    """
    CREATE TABLE told (
        app_address TEXT NOT NULL, address TEXT NOT NULL, name TEXT NOT NULL,
        PRIMARY KEY (app_address, address, name)
    ) STRICT;
    CREATE TABLE alerts (
        id INTEGER PRIMARY KEY, app_address TEXT NOT NULL, address TEXT NOT NULL,
        title TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, sender TEXT NOT NULL,
        turn INTEGER NOT NULL, tried_s REAL NOT NULL
    ) STRICT;
    CREATE INDEX alerts_by_turn ON alerts (app_address, address, state, turn)
    """,
)
MOST_WAITING: Final = 100
"""Alerts for one address: more are noted when there is room again, as what is told is looked at again and again."""
MOST_AT_ONCE: Final = 5
"""Events of one look that have an alert each; more share one."""
_MOST_NAMED: Final = 20
_MOST_TOLD: Final = 100_000
TRIED_S: Final = 3600.0
"""How long an alert is tried, not counting the time in which the module does not run."""


class Alert(Struct, frozen=True):
    """An alert that waits for an address."""

    id: int
    title: str
    body: str


class AlertStore:
    """The alerts of one folder and cloud. Addresses are secrets, and stand in the file as digests.

    `sender` tells this process from earlier ones. Every method raises `StateUnavailableError` if the folder cannot be
    used.
    """

    def __init__(self, disk: Disk, folder: str, app_address: str, sender: str) -> None:
        self._database = Database(disk, folder, FILE_NAME, MIGRATIONS)
        self._app = app_address
        self._sender = sender

    async def note(self, addresses: Sequence[str], events: Sequence[Event]) -> bool:
        """Keep what no address was told of. Returns false where there is no room for all."""

        def work(db: Connection) -> bool:
            room = True
            for address in addresses:
                (count,) = db.execute(
                    "SELECT count(*) FROM alerts WHERE app_address = ? AND address = ? AND state = 'waiting'",
                    (self._app, address),
                ).fetchone()
                new = {digest(event.name): event for event in events}
                new = {name: event for name, event in new.items() if not self._is_told(db, address, name)}
                if new and count >= MOST_WAITING:
                    room = False
                    continue
                db.executemany("INSERT INTO told VALUES (?, ?, ?)", [(self._app, address, name) for name in new])
                for title, body in _together([*new.values()]):
                    self._insert(db, address, title, body)
            last = "(SELECT rowid FROM told ORDER BY rowid DESC LIMIT 1 OFFSET ?)"
            db.execute(f"DELETE FROM told WHERE rowid <= {last}", (_MOST_TOLD,))  # noqa: S608 - the line above
            return room

        return await self._database.run(work)

    def _is_told(self, db: Connection, address: str, name: str) -> bool:
        sql = "SELECT 1 FROM told WHERE app_address = ? AND address = ? AND name = ?"
        return db.execute(sql, (self._app, address, name)).fetchone() is not None

    def _insert(self, db: Connection, address: str, title: str, body: str) -> None:
        (last,) = db.execute("SELECT coalesce(max(turn), 0) FROM alerts").fetchone()
        sql = (
            "INSERT INTO alerts (app_address, address, title, body, state, sender, turn, tried_s) "
            "VALUES (?, ?, ?, ?, 'waiting', '', ?, 0)"
        )
        db.execute(sql, (self._app, address, title, body, last + 1))

    async def recover(self, address: str) -> int:
        """Give up what an earlier process was sending when it ended. Returns how many alerts that were."""

        def work(db: Connection) -> int:
            where = "app_address = ? AND address = ? AND state = 'sending' AND sender != ?"
            return db.execute(f"DELETE FROM alerts WHERE {where}", (self._app, address, self._sender)).rowcount  # noqa: S608 - the line above

        return await self._database.run(work)

    async def first(self, address: str) -> Alert | None:
        """The alert whose turn it is."""
        sql = (
            "SELECT id, title, body FROM alerts "
            "WHERE app_address = ? AND address = ? AND state = 'waiting' ORDER BY turn LIMIT 1"
        )

        def work(db: Connection) -> Alert | None:
            row = db.execute(sql, (self._app, address)).fetchone()
            return None if row is None else Alert(*row)

        return await self._database.run(work)

    async def begin(self, alert: Alert) -> bool:
        """Put on the disk that an alert leaves now; false where another service or process has taken it."""
        sql = "UPDATE alerts SET state = 'sending', sender = ? WHERE id = ? AND state = 'waiting'"
        return await self._database.run(lambda db: db.execute(sql, (self._sender, alert.id)).rowcount == 1)

    async def told(self, alert: Alert) -> None:
        """The address has taken it."""
        await self._database.run(lambda db: db.execute("DELETE FROM alerts WHERE id = ?", (alert.id,)).rowcount)

    async def failed(self, address: str, alert: Alert, wait_s: float) -> int:
        """The address has not taken an alert, and is left alone for a while, also with the others that wait for it.

        The alert goes to the end of the queue, as the fault may be its own. Returns how many are lost now.
        """

        def work(db: Connection) -> int:
            name = (self._app, address)
            sql = "UPDATE alerts SET state = 'waiting', turn = (SELECT max(turn) + 1 FROM alerts) WHERE id = ?"
            db.execute(sql, (alert.id,))
            waiting = "app_address = ? AND address = ? AND state = 'waiting'"
            db.execute(f"UPDATE alerts SET tried_s = tried_s + ? WHERE {waiting}", (wait_s, *name))  # noqa: S608 - the line above
            return db.execute(f"DELETE FROM alerts WHERE {waiting} AND tried_s > ?", (*name, TRIED_S)).rowcount  # noqa: S608 - the same

        return await self._database.run(work)

    def close(self) -> None:
        """Close the file after what is under way. May be called twice."""
        self._database.close()


def _together(events: Sequence[Event]) -> list[tuple[str, str]]:
    """The titles and bodies of the alerts that tell of events."""
    if len(events) <= MOST_AT_ONCE:
        return [(event.title, event.body) for event in events]
    lines = [event.body for event in events[:_MOST_NAMED]]
    more = [f"And {len(events) - _MOST_NAMED} more."] if len(events) > _MOST_NAMED else []
    return [(f"Viam: {len(events)} things to look at", "\n".join([*lines, *more]))]
