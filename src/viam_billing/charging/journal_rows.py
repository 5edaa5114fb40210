"""The SQL of the charge journal: the rows of one cloud inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from viam_billing.charging.charge import UNSETTLED, Entry, Watched
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S
from viam_billing.storage.database import Connection

# ruff: noqa: S608 - names of columns and constants are put into statements, values never are

_COLUMNS: Final = Entry.__struct_fields__
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM charges WHERE app_address = ?"
_UPSERT: Final = (
    f"INSERT INTO charges (app_address, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)}) "
    f"ON CONFLICT (app_address, key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)
_IN_UNSETTLED: Final = f"state IN ({', '.join(repr(state) for state in UNSETTLED)})"
_SUCCEEDED_TODAY: Final = (
    "state = 'succeeded' AND (sent_at > :since OR (journal_time > :since AND EXISTS "
    "(SELECT 1 FROM json_each(times) WHERE value > :since AND value <= :now)))"
)
_FIGURES: Final = (
    "SELECT id, created_at, (SELECT coalesce(max(rowid), 0) FROM charges), "
    "(SELECT count(*) FROM charges WHERE app_address = :app AND state = 'unknown'), "
    "(SELECT count(*) FROM late_watch WHERE app_address = :app), "
    f"(SELECT coalesce(sum(total), 0) FROM charges WHERE app_address = :app AND {_IN_UNSETTLED}) FROM journal"
)
_IDENTITY: Final = "SELECT id, (SELECT coalesce(max(rowid), 0) FROM charges) FROM journal"
_WATCHED: Final = "key, attempt, org_id, total, sent_at, until, known_invoices, found"
_OWNERS: Final = (
    "SELECT key FROM charges WHERE app_address = :app AND invoice_id = :invoice AND key <> :key UNION ALL "
    "SELECT key FROM charges WHERE app_address = :app AND late_invoice = :invoice AND key <> :key UNION ALL "
    "SELECT w.key FROM late_watch w, json_each(found) WHERE app_address = :app AND w.key <> :key AND value = :invoice"
)


class Figures(Struct, frozen=True):
    """What `get_status` tells. `counted`: when each success of the last day stops counting (Unix s), and its cents."""

    journal_id: str
    created_at: float
    entries: int
    unknown: int
    watched: int
    unsettled_total: Cents
    counted: tuple[tuple[float, Cents], ...]

    def charged(self, now_s: float) -> Cents:
        """Cents that count towards the last 24 hours: what succeeded in them, and all that is not settled."""
        return Cents(self.unsettled_total + sum(cents for until_s, cents in self.counted if until_s > now_s))


class Rows:
    """The rows of one `app_address` in a transaction at the time `now_s`."""

    def __init__(self, db: Connection, app_address: str, now_s: float) -> None:
        self._db = db
        self._app = app_address
        self.now_s = now_s
        self._values = {"app": app_address, "now": now_s, "since": now_s - DAY_S}  # of the statements with names

    def find(self, key: str) -> Entry | None:
        """The entry of a key."""
        row = self._db.execute(f"{_SELECT} AND key = ?", (self._app, key)).fetchone()
        return _entry(row) if row else None

    def in_states(self, states: Sequence[str], org_id: str | None = None) -> list[Entry]:
        """Entries in one of the states, of one organization or all; the newest by order of creation first."""
        among = ", ".join("?" * len(states))
        sql = f"{_SELECT} AND state IN ({among}) AND org_id = coalesce(?, org_id) ORDER BY rowid DESC"
        return [_entry(row) for row in self._db.execute(sql, (self._app, *states, org_id))]

    def put(self, entry: Entry) -> None:
        """Write an entry, in place of the one with its key."""
        self._db.execute(_UPSERT, (self._app, *_to_row(entry)))

    def owner_of(self, invoice_id: str, *, but_not: str) -> str | None:
        """The key of another entry than `but_not` that an invoice belongs to, as its own or as a late one."""
        row = self._db.execute(_OWNERS, {**self._values, "invoice": invoice_id, "key": but_not}).fetchone()
        return row[0] if row else None

    def redate(self) -> None:
        """Date what lies in the future to now: the clock was set back, or was ahead when it was written.

        Nothing tells which of the two, so `times` keeps the earlier times too.
        """
        self._db.execute(  # `journal_time` is never before the other two, and has an index
            "UPDATE charges SET created_at = min(created_at, :now), sent_at = min(sent_at, :now), "
            "times = iif(sent_at > :now, json_insert(times, '$[#]', :now), times) "
            "WHERE app_address = :app AND journal_time > :now AND (created_at > :now OR sent_at > :now)",
            self._values,
        )
        watched = "UPDATE late_watch SET sent_at = :now WHERE app_address = :app AND sent_at > :now"
        self._db.execute(watched, self._values)
        clock = self.clock()
        if clock and clock[-1] > self.now_s:
            self._set_clock((*clock, self.now_s))

    def sending_times(self) -> tuple[float, ...]:
        """The times at which an attempt made now may really be, the latest first, the clock's own last.

        A clock behind an earlier attempt was set back, or was ahead then: that attempt's times may be this one's.
        """
        times = (*(time_s for time_s in self.clock() if time_s > self.now_s), self.now_s)
        self._set_clock(times)
        return times

    def clock(self) -> tuple[float, ...]:
        """The times at which the newest attempt may have been made, the latest first."""
        row = self._db.execute("SELECT times FROM journal_clock WHERE app_address = ?", (self._app,)).fetchone()
        return tuple(json.loads(row[0])) if row else ()

    def _set_clock(self, times: Sequence[float]) -> None:
        self._db.execute("INSERT OR REPLACE INTO journal_clock VALUES (?, ?)", (self._app, json.dumps(times)))

    def charged(self) -> Cents:
        """Cents that count towards `per_day`: all that is not settled, and what succeeded within 24 hours.

        A charge is within them if any of its times is: a clock that was set back for a while must not make what was
        charged an hour ago a day old. A time in the future says nothing, but `redate` has put now beside it.
        """
        sql = "SELECT coalesce(sum(total), 0) FROM charges WHERE app_address = :app AND "
        sums = [sql + condition for condition in (_IN_UNSETTLED, _SUCCEEDED_TODAY)]  # each with an index of its own
        return Cents(sum(self._db.execute(each, self._values).fetchone()[0] for each in sums))

    def figures(self) -> Figures:
        """What `get_status` tells."""
        totals: tuple[str, float, int, int, int, Cents] = self._db.execute(_FIGURES, self._values).fetchone()
        counted = self._db.execute(
            "SELECT iif(sent_at >= journal_time, sent_at, "
            "(SELECT max(value) FROM json_each(times) WHERE value <= :now)), total "
            f"FROM charges WHERE app_address = :app AND {_SUCCEEDED_TODAY}",
            self._values,
        )
        return Figures(*totals, tuple((time_s + DAY_S, Cents(cents)) for time_s, cents in counted))

    def watch(self, watched: Watched) -> None:
        """Watch for an attempt's late invoice, or update what was found."""
        sql = f"INSERT OR REPLACE INTO late_watch (app_address, {_WATCHED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._db.execute(sql, (self._app, *_to_row(watched)))

    def watched(self, org_id: str | None = None) -> list[Watched]:
        """The attempts whose late invoice is watched for, of one organization or all.

        Rows stay when their time is over: with a clock that is ahead for a while it may only seem to be.
        """
        sql = f"SELECT {_WATCHED} FROM late_watch WHERE app_address = ? AND until > ? AND org_id = coalesce(?, org_id)"
        return [
            msgspec.convert(
                dict(zip(Watched.__struct_fields__, (*plain, json.loads(known), json.loads(found)), strict=True)),
                Watched,
            )
            for *plain, known, found in self._db.execute(sql, (self._app, self.now_s, org_id))
        ]


def identity_of(db: Connection) -> tuple[str, int]:
    """The journal's id, and how many entries it has of all clouds; none is ever removed."""
    found: tuple[str, int] = db.execute(_IDENTITY).fetchone()
    return found


def _to_row(record: Entry | Watched) -> list[object]:
    return [json.dumps(value) if isinstance(value, tuple) else value for value in structs.astuple(record)]


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in ("times", "candidates", "known_invoices"):
        values[name] = None if values[name] is None else tuple(json.loads(values[name]))
    return msgspec.convert({**values, "reconcilable": bool(values["reconcilable"])}, Entry)  # a disk may change values
