"""What outlives the process: the audit log and the e-mails' cooldown, in `journal.db` in `state_dir`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from viam import logging

from viam_billing.audit import email_cooldown
from viam_billing.core.errors import StateUnavailableError, quoted, shortened
from viam_billing.storage.database import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

LOGGER: Final = logging.getLogger(__name__)

UNFINISHED: Final = "unfinished"
"""The code of an attempt that has not ended; it stays where the module died on the way."""

_AUDIT_ENTRIES: Final = 10_000
_LONGEST_VALUE: Final = 200
_MOST_PARAMETERS: Final = 20


Sees: TypeAlias = "Callable[[Mapping[str, object], str | None], bool]"
"""Whether an attempt is in a service's scope, by its parameters and the organization of its charge."""


class Attempt(Struct, frozen=True):
    """An entry of the audit log. `code` is None where it ended well; `repeats` counts equal ones after it."""

    time_s: float
    command: str
    parameters: dict[str, object]
    allowed: bool
    code: str | None
    idempotency_key: str | None
    repeats: int


class State:
    """The audit log and the cooldown of one `state_dir` and `app_address`. Times are Unix seconds.

    Every method but `end_cooldown` raises `StateUnavailableError` if the folder cannot be used.
    """

    def __init__(
        self,
        store: Store | None,
        app_address: str,
        now: Callable[[], float],
        *,
        service: str = "",
        when_closed: Callable[[], None] | None = None,
    ) -> None:
        """`service` is whose attempts these are; `when_closed` gives the store back, by default it is closed."""
        self._store = store
        self._app_address = app_address
        self._now = now
        self._service = service
        self._when_closed = when_closed or (store.close if store is not None else None)
        self.under_way = 0
        """Attempts that have begun and not ended."""
        self._closing = False

    async def begin_attempt(
        self, command: str, parameters: Mapping[str, object], *, allowed: bool, synced: bool = True
    ) -> int:
        """Write an attempt into the audit log before anything is done about it. Returns the entry's number.

        `synced` false is for attempts that write and sync something else in this folder before they send anything.
        """
        summary = _summary(parameters)
        key = parameters.get("idempotency_key")
        key = key if isinstance(key, str) and len(key) <= _LONGEST_VALUE else None  # no charge has a longer one
        row = (self._app_address, self._now(), command, summary, allowed, UNFINISHED, key, self._service)

        def work(db: sqlite3.Connection) -> int:
            cursor = db.execute(
                "INSERT INTO audit (app_address, time, command, parameters, allowed, code, idempotency_key, service) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            number = cursor.lastrowid or 0
            db.execute(
                "DELETE FROM audit WHERE id <= (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (_AUDIT_ENTRIES,),
            )
            return number

        store = self._usable()
        name = "begin_attempt"
        number = await (
            store.run(work, name=name) if synced else asyncio.shield(store.begin_before_next_sync(work, name=name))
        )
        self.under_way += 1
        return number

    def end_attempt(self, number: int, code: str | None, *, allowed: bool) -> asyncio.Future[None]:
        """Begin to note how an attempt ended. What only repeats the entry before is counted there.

        Nobody has to wait for it: whoever reads the log later finds it there.
        """

        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE audit SET code = ?, allowed = ? WHERE id = ?", (code, allowed, number))
            same = db.execute(
                "SELECT a.id FROM audit a JOIN audit b ON b.id = ? WHERE a.id = "
                "(SELECT max(id) FROM audit WHERE id < b.id) AND a.app_address = b.app_address "
                "AND a.command = b.command AND a.parameters = b.parameters AND a.service = b.service "
                "AND a.allowed = b.allowed AND a.code IS b.code",
                (number,),
            ).fetchone()
            if same:
                db.execute(
                    "UPDATE audit SET repeats = repeats + 1, time = (SELECT time FROM audit WHERE id = ?) WHERE id = ?",
                    (number, same[0]),
                )
                db.execute("DELETE FROM audit WHERE id = ?", (number,))

        def ended(_: asyncio.Future[None] | None) -> None:
            self.under_way -= 1
            self._close_if_unused()

        try:
            ending = self._usable().begin_before_next_sync(work, name="end_attempt")
        except StateUnavailableError:
            ended(None)
            raise
        ending.add_done_callback(ended)
        return ending

    async def attempts(self, sees: Sees, *, since_s: float, limit: int) -> list[Attempt]:
        """Entries of the audit log, newest first: this service's own, and those about what it sees."""
        sql = (
            "SELECT a.time, a.command, a.parameters, a.allowed, a.code, a.idempotency_key, a.repeats, "
            "a.service, c.org_id FROM audit a LEFT JOIN charges c "
            "ON c.app_address = a.app_address AND c.key = a.idempotency_key "
            "WHERE a.app_address = ? AND a.time >= ? ORDER BY a.id DESC"
        )

        def work(db: sqlite3.Connection) -> list[Attempt]:
            found: list[Attempt] = []
            for *columns, service, org_id in db.execute(sql, (self._app_address, since_s)):
                attempt = Attempt(columns[0], columns[1], json.loads(columns[2]), bool(columns[3]), *columns[4:])
                if service == self._service or sees(attempt.parameters, org_id):
                    found.append(attempt)
                if len(found) == limit:
                    break
            return found

        return await self._usable().run(work)

    async def check_cooldown(self, customer_org_id: str) -> None:
        """Raises: CooldownActiveError: if an e-mail to this customer may have been sent within the last 24 hours."""
        mail = (self._app_address, customer_org_id)
        since = await self._usable().run(lambda db: email_cooldown.cooling_since(db, *mail, self._now()))
        email_cooldown.refuse_if_active(since, customer_org_id)

    async def begin_cooldown(self, customer_org_id: str) -> None:
        """Check, and note on disk that an e-mail is about to be sent, in one transaction.

        Raises:
            CooldownActiveError: as `check_cooldown`.
        """
        mail = (self._app_address, customer_org_id)

        def work(db: sqlite3.Connection) -> float | None:
            now_s = self._now()
            since = email_cooldown.cooling_since(db, *mail, now_s)
            if since is None:
                email_cooldown.begin(db, *mail, now_s)
            return since

        email_cooldown.refuse_if_active(await self._usable().run(work), customer_org_id)

    async def end_cooldown(self, customer_org_id: str) -> None:
        """Forget an e-mail that the cloud refused. Where that cannot be written, the cooldown stays."""
        mail = (self._app_address, customer_org_id)
        try:
            await self._usable().run(lambda db: email_cooldown.end(db, *mail))
        except StateUnavailableError as error:
            LOGGER.warning("the cooldown of %s stays: %s", quoted(customer_org_id), error.text)

    def _usable(self) -> Store:
        if self._store is None:
            raise no_state_dir()
        return self._store

    def close(self) -> None:
        """Give the file back, when the last attempt under way has ended. May be called twice."""
        self._closing = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._when_closed is not None and self._closing and not self.under_way:
            self._when_closed()
            self._when_closed = None


def no_state_dir() -> StateUnavailableError:
    """What a command gets that needs the folder where none is configured."""
    return StateUnavailableError(
        "there is no folder for what must outlive the module. Set the attribute state_dir to an absolute path."
    )


def _summary(parameters: Mapping[str, object]) -> str:
    """Parameters as the audit log keeps them: an attempt may carry anything, so long values are cut."""
    kept = list(parameters.items())[:_MOST_PARAMETERS]
    return json.dumps({shortened(name, _LONGEST_VALUE): _short(value) for name, value in kept})


def _short(value: object) -> object:
    if isinstance(value, str):
        return shortened(value, _LONGEST_VALUE)
    return value if value is None or isinstance(value, (bool, int, float)) else quoted(value)
