"""An audit log on a real file, for its tests."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any, Final

from support.fake_parts import NOON_S, Clock, make_journal
from viam_billing.audit.audit_log import AuditLog
from viam_billing.core.errors import CloudTimeoutError, NotFoundError, Outcome, OutOfScopeError
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk
from viam_billing.storage.journal_schema import FILE_NAME, MIGRATIONS

APP: Final = "https://app.viam.com"
ERRORS: Final = {error.code: error for error in (OutOfScopeError, NotFoundError, CloudTimeoutError)}


class Case:
    """An audit log on a real file, its clocks, and a look into the file."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.steady = Clock(NOON_S), Clock(0.0)
        self.database = Database(Disk(), str(folder), FILE_NAME, MIGRATIONS)
        self.log = self.of(APP)

    def of(self, app_address: str) -> AuditLog:
        """The log for an address, in the same file."""
        return AuditLog(make_journal(self.database, app_address), app_address, self.clock, "billing", self.steady)

    async def attempt(
        self, command: str = "do", code: str | None = "out_of_scope", sent: Outcome | None = None, **parameters: object
    ) -> None:
        """An attempt until its end is written; one that is `sent` is begun, and that is what is known of its error."""

        async def made() -> None:
            async with self.log.attempt(command, parameters, permitted=True, sync=True) as begin:
                if sent is not None:
                    await begin()
                if code is not None:
                    raise ERRORS[code]("no.", sent or Outcome.NEVER_SENT)

        await asyncio.gather(made(), return_exceptions=True)
        self.log.flush()
        await self.log.idle.wait()

    async def fill(self, *, executed: bool) -> None:
        """Fill a ring but for one entry."""
        fill = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
            "INSERT INTO audit (app_address, time, command, parameters, allowed, executed) "
            "SELECT '', 0, i, '{}', 1, ? FROM n"
        )
        await self.database.run(lambda db: db.execute(fill, (executed,)).rowcount)

    async def entries(self) -> list[dict[str, Any]]:
        """The audit log, oldest first."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = db.execute("SELECT * FROM audit ORDER BY id")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return await self.database.run(work)
