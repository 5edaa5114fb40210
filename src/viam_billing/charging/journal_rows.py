"""The steps of the journal's transactions; each takes the database of one that is under way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs

from viam_billing.charging.charge import UNSETTLED, Entry, Watched
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

# ruff: noqa: S608 - what is put into a statement are names of columns, constants and question marks

_COLUMNS: Final = Entry.__struct_fields__
_LISTS: Final = ("times", "candidates", "known_invoices")
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM charges WHERE app_address = ?"
_UPSERT: Final = (
    f"INSERT INTO charges (app_address, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)}) "
    f"ON CONFLICT (app_address, key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)
_IN_UNSETTLED: Final = f"state IN ({', '.join(repr(state) for state in UNSETTLED)})"
_COUNTS: Final = (
    "(state = 'succeeded' AND (sent_at > :since OR (journal_time > :since AND EXISTS "
    "(SELECT 1 FROM json_each(times) WHERE value > :since AND value <= :now))))"
)


class Figures(Struct, frozen=True):
    """What `get_status` tells of the charges of one cloud, as of one moment.

    `counted` are the charges that succeeded less than a day before: when each stops to count, and its cents.
    """

    journal_id: str
    created_at: float
    entries: int
    unknown: int
    watched: int
    unsettled_total: Cents
    counted: tuple[tuple[float, Cents], ...]

    def charged(self, now_s: float) -> Cents:
        """Cents of the last 24 hours, and of what is not settled."""
        return Cents(self.unsettled_total + sum(cents for until_s, cents in self.counted if until_s > now_s))


def put(db: sqlite3.Connection, app_address: str, entry: Entry) -> None:
    """Write an entry in the place of the one with its key, or as a new one."""
    values = {**structs.asdict(entry), **{name: _to_json(getattr(entry, name)) for name in _LISTS}}
    db.execute(_UPSERT, (app_address, *(values[name] for name in _COLUMNS)))


def mark_sent(db: sqlite3.Connection, app_address: str, entry: Entry) -> bool:
    """Write what changes when an entry becomes `sent`. Returns whether the disk had this attempt with it reserved."""
    sql = (
        "UPDATE charges SET state = ?, sent_at = ?, times = ?, journal_time = ? "
        "WHERE app_address = ? AND key = ? AND state = 'reserved' AND attempts = ?"
    )
    times = _to_json(entry.times)
    values = (entry.state, entry.sent_at, times, entry.journal_time, app_address, entry.key, entry.attempts)
    return db.execute(sql, values).rowcount == 1


def attempt_and_state(db: sqlite3.Connection, app_address: str, key: str) -> tuple[int, str] | None:
    """How many attempts the entry of a key has had, and its state; without the rest, which can be long."""
    sql = "SELECT attempts, state FROM charges WHERE app_address = ? AND key = ?"
    found: tuple[int, str] | None = db.execute(sql, (app_address, key)).fetchone()
    return found


def find(db: sqlite3.Connection, app_address: str, key: str) -> Entry | None:
    """The entry of a key."""
    row = db.execute(f"{_SELECT} AND key = ?", (app_address, key)).fetchone()
    return _entry(row) if row else None


def in_states(db: sqlite3.Connection, app_address: str, states: Sequence[str]) -> Iterator[Entry]:
    """Entries in one of the states, newest first: in the order in which they were made, whatever the clock said."""
    marks = ", ".join("?" * len(states))
    rows = db.execute(
        f"{_SELECT} AND state IN ({marks}) ORDER BY rowid DESC",
        (app_address, *states),
    )
    return (_entry(row) for row in rows)


def of_org(db: sqlite3.Connection, app_address: str, org_id: str, states: Sequence[str]) -> Entry | None:
    """A charge of an organization in one of the states."""
    sql = f"{_SELECT} AND state IN ({', '.join('?' * len(states))}) AND org_id = ? LIMIT 1"
    row = db.execute(sql, (app_address, *states, org_id)).fetchone()
    return _entry(row) if row else None


def owner_of(db: sqlite3.Connection, app_address: str, invoice_id: str, *, but_not: str) -> str | None:
    """The key of another entry than `but_not` that an invoice belongs to, found or late."""
    for column in ("invoice_id", "late_invoice"):
        sql = f"SELECT key FROM charges WHERE app_address = ? AND {column} = ? AND key <> ?"
        row = db.execute(sql, (app_address, invoice_id, but_not)).fetchone()
        if row:
            return str(row[0])
    sql = (
        "SELECT key FROM late_watch WHERE app_address = ? AND key <> ? "
        "AND EXISTS (SELECT 1 FROM json_each(found) WHERE value = ?)"
    )
    row = db.execute(sql, (app_address, but_not, invoice_id)).fetchone()
    return str(row[0]) if row else None


def identity(db: sqlite3.Connection) -> tuple[str, int]:
    """Which journal it is, and how many entries it has; none is ever removed."""
    journal_id: str = db.execute("SELECT id FROM journal").fetchone()[0]
    entries: int = db.execute("SELECT coalesce(max(rowid), 0) FROM charges").fetchone()[0]
    return journal_id, entries


def redate(db: sqlite3.Connection, app_address: str, now_s: float) -> None:
    """Date what comes from the future to now: the clock was set back, or was ahead when the entry was made.

    Which of the two, only the future tells: the times that were thought of before are kept in `times`.
    """
    app_and_times = (app_address, now_s, now_s)
    db.execute(  # `journal_time` is before neither of the two, and has an index
        "UPDATE charges SET created_at = ? WHERE app_address = ? AND journal_time > ? AND created_at > ?",
        (now_s, *app_and_times),
    )
    db.execute(
        "UPDATE charges SET sent_at = ?, times = json_insert(times, '$[#]', ?) "
        "WHERE app_address = ? AND journal_time > ? AND sent_at > ?",
        (now_s, now_s, *app_and_times),
    )
    db.execute("UPDATE late_watch SET sent_at = ? WHERE app_address = ? AND sent_at > ?", (now_s, app_address, now_s))
    clock = _clock(db, app_address)
    if clock and clock[-1] > now_s:
        _set_clock(db, app_address, (*clock, now_s))


def sending_times(db: sqlite3.Connection, app_address: str, now_s: float) -> tuple[float, ...]:
    """The times at which an attempt may be that is made now, latest first, the clock's own last.

    A clock that is behind an earlier attempt was set back, or was ahead then: that attempt's times may be this one's.
    """
    times = (*(time_s for time_s in _clock(db, app_address) if time_s > now_s), now_s)
    _set_clock(db, app_address, times)
    return times


def _clock(db: sqlite3.Connection, app_address: str) -> tuple[float, ...]:
    """The times at which the newest attempt may have been, latest first."""
    row = db.execute("SELECT times FROM journal_clock WHERE app_address = ?", (app_address,)).fetchone()
    return tuple(json.loads(row[0])) if row else ()


def _set_clock(db: sqlite3.Connection, app_address: str, times: Sequence[float]) -> None:
    db.execute("INSERT OR REPLACE INTO journal_clock VALUES (?, ?)", (app_address, json.dumps(times)))


def count(db: sqlite3.Connection, app_address: str, now_s: float) -> Cents:
    """Cents that count towards `per_day`: all that is not settled, and what succeeded within 24 hours.

    A sending is within them if one of its times is. A clock that was set back for a while must not make yesterday of
    what was charged an hour ago once it is right again; and one that was ahead must not count for ever. A time in the
    future says nothing, but `redate` has put now beside it.
    """
    words = {"app": app_address, "since": now_s - DAY_S, "now": now_s}
    cents = 0
    for which in (_IN_UNSETTLED, _COUNTS):  # two questions, each with an index of its own; one would read all entries
        sql = f"SELECT coalesce(sum(total), 0) FROM charges WHERE app_address = :app AND {which}"
        cents += db.execute(sql, words).fetchone()[0]
    return Cents(cents)


def figures(db: sqlite3.Connection, app_address: str, now_s: float) -> Figures:
    """What `get_status` tells."""
    journal_id, entries = identity(db)
    (created_at,) = db.execute("SELECT created_at FROM journal").fetchone()
    unknown, unsettled = db.execute(
        f"SELECT coalesce(sum(state = 'unknown'), 0), coalesce(sum(total), 0) FROM charges "
        f"WHERE app_address = ? AND {_IN_UNSETTLED}",
        (app_address,),
    ).fetchone()
    counted = db.execute(
        "SELECT iif(sent_at >= journal_time, sent_at, "
        "max(sent_at, coalesce((SELECT max(value) FROM json_each(times) WHERE value <= :now), 0))), total "
        f"FROM charges WHERE app_address = :app AND {_COUNTS}",
        {"app": app_address, "since": now_s - DAY_S, "now": now_s},
    ).fetchall()
    (watches,) = db.execute("SELECT count(*) FROM late_watch WHERE app_address = ?", (app_address,)).fetchone()
    ends = tuple((time_s + DAY_S, Cents(cents)) for time_s, cents in counted)
    return Figures(journal_id, created_at, entries, unknown, watches, Cents(unsettled), ends)


def put_watched(db: sqlite3.Connection, app_address: str, watched: Watched) -> None:
    """Begin to look for an attempt's late invoice."""
    db.execute(
        "INSERT OR REPLACE INTO late_watch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            app_address,
            watched.key,
            watched.attempt,
            watched.org_id,
            watched.total,
            watched.sent_at,
            watched.until_s,
            _to_json(watched.known_invoices),
            _to_json(watched.found),
        ),
    )


def watched(db: sqlite3.Connection, app_address: str, now_s: float, org_id: str | None = None) -> list[Watched]:
    """The attempts, of one organization or all, whose late invoice is still looked for.

    Those whose time is over stay: with a clock that is ahead for a while it may only seem to be.
    """
    sql = (
        "SELECT key, attempt, org_id, total, sent_at, until, known_invoices, found FROM late_watch "
        "WHERE app_address = ? AND until > ?"
    )
    return [
        Watched(key, attempt, org, total, sent_at, until, tuple(json.loads(known)), tuple(json.loads(found)))
        for key, attempt, org, total, sent_at, until, known, found in db.execute(sql, (app_address, now_s))
        if org_id in (None, org)
    ]


def newest_time(db: sqlite3.Connection, app_address: str, now_s: float) -> float:
    """The latest time that anybody has thought of: a clock that is behind it was set back."""
    return max((now_s, *_clock(db, app_address)))


def _to_json(values: Sequence[object] | None) -> str | None:
    return None if values is None else json.dumps(values)


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _LISTS:
        values[name] = None if values[name] is None else tuple(json.loads(values[name]))
    values["candidates"] = values["candidates"] or ()
    values["times"] = values["times"] or ()
    return Entry(**{**values, "reconcilable": bool(values["reconcilable"])})
