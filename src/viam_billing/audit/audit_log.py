"""The audit log in `journal.db`: every attempt to notify, change or charge; what is sent, before it is sent.

not sent  ended -> equal to the last one? counted in it. Else among the first 100 of its command in this hour? an entry.
                   Else counted in one entry for its command and code -> written at once, then once a second
sent      begun: on the disk before anything leaves -> ended: an entry, or counted in the one before that it repeats
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from viam import logging

from viam_billing.audit import entries
from viam_billing.audit.entries import LEFT_OUT, UNFINISHED, AuditEntry, Row
from viam_billing.charging.journal import Journal
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome, quoted
from viam_billing.core.times import HOUR_S, monotonic_s
from viam_billing.storage.database import Connection

LOGGER: Final = logging.getLogger(__name__)

_KEPT_IN_AN_HOUR: Final = 100
"""Attempts of one command that did nothing and get an entry each."""
_FLOOD: Final = json.dumps(
    {LEFT_OUT: f"a flood: more than {_KEPT_IN_AN_HOUR} in an hour are counted, without parameters"}, ensure_ascii=False
)
_PAUSE_S: Final = 1.0
_LOGGED: Final = re.compile(r"(^|_)id(_|$)|^(idempotency_key|billing_tier|subtotal|tax|amount|amount_owed)$")
"""Parameters of what was executed that the module's log has too: IDs and amounts."""


class AuditLog:
    """The attempts of one service, among those of its `state_dir` and `app_address`; `audit.entries` has the rings."""

    def __init__(
        self,
        journal: Journal | None,
        app_address: str,
        now: Callable[[], float],
        service: str = "",
        clock_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self._journal = journal
        self._app = app_address
        self._now = now
        self._service = service
        self._clock_s = clock_s
        self._under_way: list[Row] = []
        self._last: dict[Hashable, Row] = {}  # what the next attempt may repeat: of each ring, of each flood
        self._kept: Counter[str] = Counter()
        self._hour_ends_s = 0.0
        self._pending: list[Row] = []
        self._writes: set[asyncio.Future[None]] = set()
        self._writer: asyncio.Task[None] | None = None
        self.idle = asyncio.Event()
        """Set while every attempt has ended and its end is written."""
        self.idle.set()

    @asynccontextmanager
    async def attempt(
        self, command: str, parameters: Mapping[str, object], *, permitted: bool, sync: bool
    ) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Note how an attempt, the body, ends. What the body gets has to be awaited before anything is sent.

        It writes the attempt down. If that fails, the body goes on and the module's log has the attempt: what must not
        happen twice needs the folder itself, and is refused without it. `sync`: whether the attempt is on disk then. An
        e-mail or a charge syncs a note of its own in this folder before it is sent.
        """
        key = entries.key_of(parameters)
        beside = (self._app, command, self._service, key)
        kept = entries.cut(parameters, *beside, executed=False)
        row = Row(self._app, self._now(), command, kept, permitted, self._service, key, UNFINISHED)

        async def begin() -> None:
            self.flush()  # what ended before comes before
            row.begun = row.executed = True
            row.parameters = entries.cut(parameters, *beside, executed=True)
            with suppress(errors.StateUnavailableError):  # it is logged
                await asyncio.shield(self._write([row], "begin_attempt", sync=sync))

        self._under_way.append(row)
        self.idle.clear()
        code: str | None = "cancelled"
        may_be_done = True
        try:
            yield begin
            code = None
        except BillingError as error:
            code = error.code
            may_be_done = error.outcome not in (Outcome.NEVER_SENT, Outcome.REFUSED)
            raise
        finally:
            refusals = (errors.CommandNotAllowedError.code, errors.OutOfScopeError.code)
            row.code, row.allowed = code, permitted and code not in refusals
            row.executed = row.begun and may_be_done
            self._under_way.remove(row)
            self._end(row)
            if row.executed:
                _log(row, parameters)

    async def entries(
        self, sees: Callable[[Mapping[str, object], str | None], bool], *, since_s: float, limit: int
    ) -> list[AuditEntry]:
        """Entries, newest first: this service's own, and those whose parameters or charged organization it `sees`.

        Raises: StateUnavailableError: if the folder cannot be used.
        """
        rows = [row for row in reversed(self._under_way) if not row.begun and row.time_s >= since_s][:limit]
        found = [row.entry() for row in rows]

        def work(db: Connection) -> list[AuditEntry]:
            for entry, service, org_id in entries.read(db, self._app, since_s):
                if len(found) == limit:
                    break
                if service == self._service or (LEFT_OUT not in entry.parameters and sees(entry.parameters, org_id)):
                    found.append(entry)
            return found

        self.flush()
        return await asyncio.shield(usable(self._journal).begin(work, sync=False))

    def _end(self, row: Row) -> None:
        """Have the end of an attempt written, or count it in an entry of the same."""
        slot: Hashable = row.executed
        last = self._last.get(slot)
        if not row.executed and not (last is not None and last.repeated_by(row)):
            slot = self._slot(row)
            last = self._last.get(slot)
        if last is not None and last.repeated_by(row):
            if not row.begun and last in self._pending:
                last.repeats, last.time_s = last.repeats + 1, row.time_s
                return
            row.repeats, row.replaces = last.repeats + 1, last
        self._last[slot] = row
        self._pending.append(row)
        if row.begun:
            self.flush("end_attempt")
        elif self._writer is None:
            self._writer = asyncio.create_task(self._write_pending(), name="viam-billing audit log")

    def _slot(self, row: Row) -> Hashable:
        """The ring of an attempt that did nothing; beyond the hour's room the flood that it is counted in."""
        now_s = self._clock_s()
        if now_s >= self._hour_ends_s:
            self._hour_ends_s = now_s + HOUR_S
            self._kept.clear()
            self._last = {slot: last for slot, last in self._last.items() if isinstance(slot, bool)}
        self._kept[row.command] += 1
        if self._kept[row.command] <= _KEPT_IN_AN_HOUR:
            return row.executed
        row.parameters, row.idempotency_key = _FLOOD, None
        return row.command, row.allowed, row.code

    async def _write_pending(self) -> None:
        """Write what was not sent, once a second. Cancelled, as at the end of the process, it writes all at once."""
        try:
            while self._pending:
                if not self._writes:  # else the disk is slow, or hangs
                    self.flush()
                await asyncio.sleep(_PAUSE_S)
        finally:
            self._writer = None
            self.flush()
            if self._writes:
                await asyncio.wait(self._writes)

    def flush(self, name: str = "note_attempts") -> None:
        """Have written what waits for its second. `name` is the transaction's, for whoever follows the writing."""
        if self._pending:
            rows, self._pending = self._pending, []
            self._write(rows, name, sync=False)

    def _write(self, rows: list[Row], name: str, *, sync: bool) -> asyncio.Future[None]:
        """Write entries, and log those that cannot be written."""

        def work(db: Connection) -> None:
            entries.write(db, rows)
            if name != "begin_attempt":  # not before it is known which ring an attempt belongs to
                entries.prune(db)

        def written(writing: asyncio.Future[None]) -> None:
            error = writing.exception()
            if error is not None:
                why = error.text if isinstance(error, BillingError) else repr(error)
                for row in rows:
                    row.row_id = None  # it may be another row's by now
                    if not row.repeats:
                        LOGGER.warning(
                            "attempt of %s (%s; %s) is not in the audit log: %s",
                            row.command,
                            row.shown(),
                            row.code or "done",
                            why,
                        )
            self._writes.discard(writing)
            if not (self._under_way or self._pending or self._writes):
                self.idle.set()

        try:
            writing = usable(self._journal).begin(work, sync=sync, name=name)
        except errors.StateUnavailableError as error:
            writing = asyncio.get_running_loop().create_future()
            writing.set_exception(error)
        self._writes.add(writing)
        writing.add_done_callback(written)
        return writing


def usable(journal: Journal | None) -> Journal:
    """The journal. Raises: StateUnavailableError: there is no folder for one."""
    if journal is None:
        raise errors.no_state_dir()
    return journal


def _log(row: Row, parameters: Mapping[str, object]) -> None:
    """Put what was executed into the module's log too, with its IDs and amounts."""
    named = {name: value for name, value in parameters.items() if _LOGGED.search(name)}
    if named:
        shown = ", ".join(f"{name}: {quoted(value)}" for name, value in named.items())
        LOGGER.info("executed: %s (%s): %s", row.command, shown, row.code or "done")
