"""The audit log in `journal.db`: every attempt to notify, change or charge, written down before it is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from msgspec import Struct
from viam import logging

from viam_billing.charging.journal import Journal
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, quoted
from viam_billing.storage.database import Connection

LOGGER: Final = logging.getLogger(__name__)

UNFINISHED: Final = "unfinished"
"""The code of an attempt that has not ended; it stays where the module died on the way."""

_MOST_ENTRIES: Final = 10_000
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


class AuditLog:
    """The attempts of one service, among those of its `state_dir` and `app_address`."""

    def __init__(self, journal: Journal | None, app_address: str, now: Callable[[], float], service: str = "") -> None:
        self._journal = journal
        self._app = app_address
        self._now = now
        self._service = service
        self._under_way = 0
        self.idle = asyncio.Event()
        """Set while every attempt has ended and its end is written."""
        self.idle.set()

    @asynccontextmanager
    async def attempt(
        self, command: str, parameters: Mapping[str, object], *, permitted: bool, sync: bool
    ) -> AsyncIterator[None]:
        """Write an attempt down before the body runs, and in the background how it ended.

        If it cannot be written, the body runs and the module's log has the attempt: what must not happen twice needs
        the folder itself, and is refused without it. `sync`: whether the attempt is on disk before the body runs. An
        e-mail or a charge syncs a note of its own in this folder before it is sent.
        """
        row_ids: list[int | None] = []
        begun = True
        code: str | None = "cancelled"
        self._under_way += 1
        self.idle.clear()
        try:
            begun = await self._begin(row_ids, command, parameters, permitted=permitted, sync=sync)
            yield
            code = None
        except BillingError as error:
            code = error.code
            raise
        finally:
            allowed = permitted and code not in {errors.CommandNotAllowedError.code, errors.OutOfScopeError.code}
            self._end(row_ids if begun else None, code, allowed=allowed)

    async def entries(
        self, sees: Callable[[Mapping[str, object], str | None], bool], *, since_s: float, limit: int
    ) -> list[AuditEntry]:
        """Entries, newest first: this service's own, and those whose parameters or charged organization it `sees`.

        Raises: StateUnavailableError: if the folder cannot be used.
        """
        sql = (
            "SELECT a.time, a.command, a.parameters, a.allowed, a.code, a.idempotency_key, a.repeats, "
            "a.service, c.org_id FROM audit a LEFT JOIN charges c "
            "ON c.app_address = a.app_address AND c.key = a.idempotency_key "
            "WHERE a.app_address = ? AND a.time >= ? ORDER BY a.id DESC"
        )

        def work(db: Connection) -> list[AuditEntry]:
            found: list[AuditEntry] = []
            for *columns, service, org_id in db.execute(sql, (self._app, since_s)):
                values = (columns[0], columns[1], json.loads(columns[2]), bool(columns[3]), *columns[4:])
                entry = msgspec.convert(dict(zip(AuditEntry.__struct_fields__, values, strict=True)), AuditEntry)
                if service == self._service or sees(entry.parameters, org_id):
                    found.append(entry)
                if len(found) == limit:
                    break
            return found

        return await asyncio.shield(usable(self._journal).begin(work, sync=False))

    async def _begin(
        self, row_ids: list[int | None], command: str, parameters: Mapping[str, object], *, permitted: bool, sync: bool
    ) -> bool:
        """Write an attempt down; the disk's thread adds the row's ID. Returns False if it cannot be written."""
        key = parameters.get("idempotency_key")
        key = key if isinstance(key, str) and len(key) <= _LONGEST_VALUE else None  # no charge has a longer one
        values = (self._app, self._now(), command, _summary(parameters), permitted, UNFINISHED, key, self._service)

        def work(db: Connection) -> None:
            insert = (
                "INSERT INTO audit (app_address, time, command, parameters, allowed, code, idempotency_key, service) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            )
            row_ids.append(db.execute(insert, values).lastrowid)
            delete = "DELETE FROM audit WHERE id <= (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?)"
            db.execute(delete, (_MOST_ENTRIES,))

        try:
            await asyncio.shield(usable(self._journal).begin(work, sync=sync, name="begin_attempt"))
        except errors.StateUnavailableError as error:
            logged = list(parameters.items())[:_MOST_LOGGED]
            shown = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in logged)
            LOGGER.warning("attempt of %s (%s) is not in the audit log: %s", command, shown, error.text)
            return False
        return True

    def _end(self, row_ids: list[int | None] | None, code: str | None, *, allowed: bool) -> None:
        """Note how an attempt ended, after its insert, for which a cancelled caller does not wait; None has no row."""

        def work(db: Connection) -> None:
            for row_id in row_ids or ():
                db.execute("UPDATE audit SET code = ?, allowed = ? WHERE id = ?", (code, allowed, row_id))
                _merge_repeat(db, row_id)

        def ended(error: BaseException | None) -> None:
            if error is not None:
                why = error.text if isinstance(error, BillingError) else repr(error)
                LOGGER.warning(
                    "the end (%s) of audit entry %s is not in the audit log: %s", code or "done", row_ids, why
                )
            self._under_way -= 1
            if not self._under_way:
                self.idle.set()

        if row_ids is None:
            ended(None)
            return
        try:
            ending = usable(self._journal).begin(work, sync=False, name="end_attempt")
        except errors.StateUnavailableError as error:
            ended(error)
        else:
            ending.add_done_callback(lambda done: ended(done.exception()))


def usable(journal: Journal | None) -> Journal:
    """The journal. Raises: StateUnavailableError: there is no folder for one."""
    if journal is None:
        raise errors.no_state_dir()
    return journal


def _merge_repeat(db: Connection, row_id: int | None) -> None:
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
    kept: dict[str, object] = {}
    for name, value in list(parameters.items())[:_MOST_PARAMETERS]:
        plain = value is None or isinstance(value, (bool, int, float))
        text = errors.shortened(value, _LONGEST_VALUE) if isinstance(value, str) else quoted(value)
        kept[errors.shortened(name, _LONGEST_VALUE)] = value if plain else text
    return json.dumps(kept)
