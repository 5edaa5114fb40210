"""The audit log in `journal.db`: every attempt to notify, change or charge, written down before it is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from viam import logging

from viam_billing.core.errors import (
    BillingError,
    CommandNotAllowedError,
    OutOfScopeError,
    StateUnavailableError,
    no_state_dir,
    quoted,
    shortened,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from viam_billing.storage.database import Database

LOGGER: Final = logging.getLogger(__name__)

UNFINISHED: Final = "unfinished"
"""The code of an attempt that has not ended; it stays where the module died on the way."""

_MOST_ENTRIES: Final = 10_000
_LONGEST_VALUE: Final = 200
_MOST_PARAMETERS: Final = 20
_MOST_LOGGED: Final = 10


Sees: TypeAlias = "Callable[[Mapping[str, object], str | None], bool]"
"""Whether an attempt is in a service's scope, by its parameters and the organization of its charge."""


class AuditEntry(Struct, frozen=True):
    """An attempt. `code` is None where it ended well; `repeats` counts the equal ones right after it."""

    time_s: float
    command: str
    parameters: dict[str, object]
    allowed: bool
    code: str | None
    idempotency_key: str | None
    repeats: int


class _Row(Struct, eq=False):
    """The row of an attempt under way. The disk thread sets `id`; `lost` is set where the row cannot be written."""

    id: int | None = None
    lost: bool = False


class AuditLog:
    """The attempts of one service, among those of its `state_dir` and `app_address`."""

    def __init__(
        self, database: Database | None, app_address: str, now: Callable[[], float], service: str = ""
    ) -> None:
        self._database = database
        self._app = app_address
        self._now = now
        self._service = service
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def under_way(self) -> bool:
        """Whether an attempt has not ended."""
        return self._under_way > 0

    async def wait_idle(self) -> None:
        """Wait until every attempt has ended and its end is written."""
        await self._idle.wait()

    @asynccontextmanager
    async def attempt(
        self, command: str, parameters: Mapping[str, object], *, permitted: bool, sync: bool
    ) -> AsyncIterator[None]:
        """Write an attempt down before the body runs, and in the background how it ended.

        If it cannot be written, the body runs and the module's log has the attempt: what must not happen twice needs
        the folder itself, and is refused without it.

        Args:
            command: its name.
            parameters: what it was called with; long values are cut.
            permitted: whether the configuration allows the command.
            sync: whether the attempt is on disk before the body runs. An e-mail or a charge syncs a note of its own in
                this folder before it is sent.
        """
        row = _Row()
        code: str | None = "cancelled"
        self._under_way += 1
        self._idle.clear()
        try:
            await self._begin(row, command, parameters, permitted=permitted, sync=sync)
            yield
            code = None
        except BillingError as error:
            code = error.code
            raise
        finally:
            allowed = permitted and code not in {CommandNotAllowedError.code, OutOfScopeError.code}
            self._end(row, code, allowed=allowed)

    async def entries(self, sees: Sees, *, since_s: float, limit: int) -> list[AuditEntry]:
        """Entries, newest first: this service's own, and those about what it sees.

        Raises:
            StateUnavailableError: if the folder cannot be used.
        """
        sql = (
            "SELECT a.time, a.command, a.parameters, a.allowed, a.code, a.idempotency_key, a.repeats, "
            "a.service, c.org_id FROM audit a LEFT JOIN charges c "
            "ON c.app_address = a.app_address AND c.key = a.idempotency_key "
            "WHERE a.app_address = ? AND a.time >= ? ORDER BY a.id DESC"
        )

        def work(db: sqlite3.Connection) -> list[AuditEntry]:
            found: list[AuditEntry] = []
            for *columns, service, org_id in db.execute(sql, (self._app, since_s)):
                entry = AuditEntry(columns[0], columns[1], json.loads(columns[2]), bool(columns[3]), *columns[4:])
                if service == self._service or sees(entry.parameters, org_id):
                    found.append(entry)
                if len(found) == limit:
                    break
            return found

        return await self._usable().run(work)

    async def _begin(
        self, row: _Row, command: str, parameters: Mapping[str, object], *, permitted: bool, sync: bool
    ) -> None:
        key = parameters.get("idempotency_key")
        key = key if isinstance(key, str) and len(key) <= _LONGEST_VALUE else None  # no charge has a longer one
        values = (self._app, self._now(), command, _summary(parameters), permitted, UNFINISHED, key, self._service)

        def work(db: sqlite3.Connection) -> None:
            row.id = db.execute(
                "INSERT INTO audit (app_address, time, command, parameters, allowed, code, idempotency_key, service) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            ).lastrowid
            db.execute(
                "DELETE FROM audit WHERE id <= (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (_MOST_ENTRIES,),
            )

        try:
            await self._usable().run(work, sync=sync, name="begin_attempt")
        except StateUnavailableError as error:
            row.lost = True
            logged = list(parameters.items())[:_MOST_LOGGED]
            shown = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in logged)
            LOGGER.warning("attempt of %s (%s) is not in the audit log: %s", command, shown, error.text)

    def _end(self, row: _Row, code: str | None, *, allowed: bool) -> None:
        """Note how an attempt ended. It runs after the insert, which a caller that is cancelled does not wait for."""

        def work(db: sqlite3.Connection) -> None:
            if row.id is not None:
                db.execute("UPDATE audit SET code = ?, allowed = ? WHERE id = ?", (code, allowed, row.id))
                _merge_repeat(db, row.id)

        def ended(error: BaseException | None) -> None:
            if error is not None:
                why = error.text if isinstance(error, BillingError) else repr(error)
                LOGGER.warning(
                    "the end (%s) of audit entry %s is not in the audit log: %s", code or "done", row.id, why
                )
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

        if row.lost:
            ended(None)
            return
        try:
            ending = self._usable().begin(work, sync=False, name="end_attempt")
        except StateUnavailableError as error:
            ended(error)
        else:
            ending.add_done_callback(lambda done: ended(done.exception()))

    def _usable(self) -> Database:
        if self._database is None:
            raise no_state_dir()
        return self._database


def _merge_repeat(db: sqlite3.Connection, row_id: int) -> None:
    """Count a row that repeats the one before it there, and delete it."""
    same = db.execute(
        "SELECT a.id FROM audit a JOIN audit b ON b.id = ? WHERE a.id = "
        "(SELECT max(id) FROM audit WHERE id < b.id) AND a.app_address = b.app_address "
        "AND a.command = b.command AND a.parameters = b.parameters AND a.service = b.service "
        "AND a.allowed = b.allowed AND a.code IS b.code",
        (row_id,),
    ).fetchone()
    if same:
        db.execute(
            "UPDATE audit SET repeats = repeats + 1, time = (SELECT time FROM audit WHERE id = ?) WHERE id = ?",
            (row_id, same[0]),
        )
        db.execute("DELETE FROM audit WHERE id = ?", (row_id,))


def _summary(parameters: Mapping[str, object]) -> str:
    """Parameters as the audit log keeps them: an attempt may carry anything, so long values are cut."""
    kept = list(parameters.items())[:_MOST_PARAMETERS]
    return json.dumps({shortened(name, _LONGEST_VALUE): _short(value) for name, value in kept})


def _short(value: object) -> object:
    if isinstance(value, str):
        return shortened(value, _LONGEST_VALUE)
    return value if value is None or isinstance(value, (bool, int, float)) else quoted(value)
