"""The entries of the audit log: what is kept of an attempt, and their rows in `journal.db`, in two rings.

ring      entries                                                        pushed out by
executed  what was done, or may have been: its sending was begun, and    more of the same
          neither the module nor the cloud says that nothing was done
other     refused, failed before it was sent, refused by the cloud; dry  more of the same
          runs, answers from the journal, changes of nothing; floods
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from viam_billing.core import errors
from viam_billing.core.errors import quoted
from viam_billing.storage.database import Connection

UNFINISHED: Final = "unfinished"
"""The code of an attempt that has not ended; it stays where the module died on the way."""

LEFT_OUT: Final = "…"
"""The name beside an entry's parameters that tells what was left out of them."""

_MOST_ENTRIES: Final = 10_000
_LARGEST_BYTES: Final = 2048
_LARGEST_OF_OTHERS: Final = 512
"""Bytes of parameters in the other ring, so that one answer takes both rings: nobody hides a change behind a flood."""
_LONGEST_VALUE: Final = 200
_MOST_PARAMETERS: Final = 20
_MOST_LOGGED: Final = 10


class AuditEntry(Struct, frozen=True):
    """An attempt. `code` is None where it ended well; `repeats` counts the equal ones right after it."""

    time_s: float
    command: str
    parameters: dict[str, object]
    allowed: bool
    code: str | None
    idempotency_key: str | None
    repeats: int


class Row(Struct, eq=False):
    """An entry as it is stored. `row_id` is known to the disk's thread, `begun` and what it `replaces` to both."""

    app_address: str
    time_s: float
    command: str
    parameters: str
    allowed: bool
    service: str
    idempotency_key: str | None
    code: str | None = None
    repeats: int = 0
    executed: bool = False
    row_id: int | None = None
    begun: bool = False
    replaces: Row | None = None

    def repeated_by(self, other: Row) -> bool:
        """Whether another attempt was the same and ended in the same way."""
        names = ("command", "parameters", "allowed", "code", "executed")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def entry(self) -> AuditEntry:
        """As it is shown."""
        return _entry(*(getattr(self, name) for name in AuditEntry.__struct_fields__))

    def shown(self) -> str:
        """The parameters for a line of the log."""
        logged = list(json.loads(self.parameters).items())[:_MOST_LOGGED]
        return ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in logged)


def key_of(parameters: Mapping[str, object]) -> str | None:
    """The idempotency key, unless it is longer than a charge's can be."""
    key = parameters.get("idempotency_key")
    return key if isinstance(key, str) and len(key) <= _LONGEST_VALUE else None


def cut(parameters: Mapping[str, object], *beside: str | None, executed: bool) -> str:
    """Parameters as JSON: an attempt may carry anything, so values are cut, and what does not fit is left out.

    The entry, with the texts that are stored `beside` them, has at most 2 KiB. Organizations and locations come first:
    they decide who sees the entry.
    """
    room = _LARGEST_BYTES - 128 - sum(len(text.encode()) for text in beside if text)  # 128: the other columns
    room = room if executed else min(room, _LARGEST_OF_OTHERS)
    kept: dict[str, object] = {}
    for name in sorted(list(parameters)[:_MOST_PARAMETERS], key=lambda name: "org" not in name and "loc" not in name):
        value = parameters[name]
        plain = value is None or isinstance(value, (bool, int, float))
        text = errors.shortened(value, _LONGEST_VALUE) if isinstance(value, str) else quoted(value)
        part = {errors.shortened(name, _LONGEST_VALUE): value if plain else text}
        size = len(json.dumps(part, ensure_ascii=False).encode())
        if size <= room:
            kept |= part
            room -= size
    if len(kept) < len(parameters):
        kept[LEFT_OUT] = f"{len(parameters) - len(kept)} more"
    return json.dumps(kept, ensure_ascii=False)


def write(db: Connection, rows: Iterable[Row]) -> None:
    """Write entries, in place of those that they repeat; the oldest of a ring go."""
    for row in rows:
        if row.replaces is not None:
            db.execute("DELETE FROM audit WHERE id = ? AND app_address = ?", (row.replaces.row_id, row.app_address))
        row.row_id = db.execute(
            "INSERT OR REPLACE INTO audit (app_address, time, command, parameters, allowed, service, idempotency_key, "
            "code, repeats, executed, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            structs.astuple(row)[:11],
        ).lastrowid
        row.replaces = None


def read(db: Connection, app_address: str, since_s: float) -> Iterator[tuple[AuditEntry, str, str | None]]:
    """The entries of both rings, newest first, each with its service and the organization that its key charged."""
    sql = (
        "SELECT a.time, a.command, a.parameters, a.allowed, a.code, a.idempotency_key, a.repeats, "
        "a.service, c.org_id FROM audit a LEFT JOIN charges c "
        "ON c.app_address = a.app_address AND c.key = a.idempotency_key "
        "WHERE a.app_address = ? AND a.time >= ? ORDER BY a.id DESC"
    )
    for *columns, service, org_id in db.execute(sql, (app_address, since_s)):
        yield _entry(*columns), service, org_id


def prune(db: Connection) -> None:
    """Delete what is beyond the room of each ring, the oldest first."""
    for executed in (False, True):
        newest = "SELECT id FROM audit WHERE executed = :ring ORDER BY id DESC LIMIT 1 OFFSET :most"
        delete = f"DELETE FROM audit WHERE executed = :ring AND id <= ({newest})"  # noqa: S608 - no value in it
        db.execute(delete, {"ring": executed, "most": _MOST_ENTRIES})


def _entry(time_s: float, command: str, parameters: str, allowed: int, *others: Any) -> AuditEntry:  # noqa: ANN401 - columns
    values = (time_s, command, json.loads(parameters), bool(allowed), *others)
    return msgspec.convert(dict(zip(AuditEntry.__struct_fields__, values, strict=True)), AuditEntry)
