"""What comes before any charge: the folder's lock, what a dead process left, and outcomes that are not written yet."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Final

from viam import logging

from viam_billing.charging import refusals
from viam_billing.charging.charge import Entry
from viam_billing.charging.journal import Journal
from viam_billing.core.errors import BillingError, StateUnavailableError, quoted
from viam_billing.core.tasks import retrieve_exception
from viam_billing.storage.disk import Disk
from viam_billing.storage.strict_folder import look, open_in, opened

LOGGER: Final = logging.getLogger(__name__)

_LOCK: Final = "journal.lock"


class FolderLock:
    """One process at a time charges with a folder: a lock on `journal.lock` in it, which ends with the process."""

    def __init__(self, folder: str, disk: Disk) -> None:
        self._folder = folder
        self._thread = disk.thread(os.path.join(folder, _LOCK))
        self._descriptor = -1
        self._released = False
        self.generation = 0
        """How often the lock was taken: after each time, another process may have left something."""

    async def take(self) -> int:
        """Take the lock, unless it is held already. Returns its generation."""
        return await self._thread.run(self._take)

    def release(self) -> Future[None]:
        """Release it for good, soon, and before another service takes it. May be called twice."""
        self._released = True
        return self._thread.submit(self._let_go)

    def _take(self) -> int:
        if self._released:  # nobody would release it again
            raise self._unusable("the service was closed")
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(self._descriptor), look(self._folder, _LOCK)):
                    return self.generation
            self._let_go()  # the folder was replaced: a lock on the old file keeps no other process away
        try:
            with opened(self._folder) as folder:
                self._descriptor = open_in(folder, _LOCK, os.O_CREAT | os.O_RDWR)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._let_go()
            held = isinstance(error, BlockingIOError)
            why = "another process charges with it" if held else error.strerror or type(error).__name__
            raise self._unusable(why) from None
        self.generation += 1
        return self.generation

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _unusable(self, why: str) -> StateUnavailableError:
        return StateUnavailableError(
            f"the charge journal in state_dir {quoted(self._folder)} cannot be used: {why}. Nothing was sent. "
            "Let one service charge from this folder, and make it writable for the module's user alone."
        )


class Recovery:
    """Makes a journal ready, and keeps what it could not write. `under_way`: the keys that this process charges."""

    def __init__(self, journal: Journal, lock: FolderLock, under_way: Callable[[], Iterable[str]]) -> None:
        self._journal = journal
        self._lock = lock
        self._under_way = under_way
        self._one_at_a_time = asyncio.Lock()
        self._recovered_in = 0
        self._unwritten: dict[str, Callable[[], Awaitable[None]]] = {}
        self.when_unknown: list[Callable[[], None]] = []
        """Called when a charge became unknown, or its outcome could not be written."""

    async def prepare(self) -> None:
        """Take the lock, settle what a dead process left, write what is unwritten; if one fails, nothing is charged."""
        preparing = asyncio.ensure_future(self._prepare())
        preparing.add_done_callback(retrieve_exception)
        await asyncio.shield(preparing)  # what is found has to be announced, whether or not this caller leaves

    async def _prepare(self) -> None:
        async with self._one_at_a_time:
            await self._journal.is_there()  # the lock makes a folder, which a journal that is gone must not get
            generation = await self._lock.take()
            if generation != self._recovered_in:
                unknown = await self._journal.recover(self._under_way())
                figures = self._journal.figures
                if figures is not None and not figures.entries:
                    LOGGER.warning(
                        "the charge journal %s is empty: no charge is known. If this machine has charged before, its "
                        "journal is lost: put the folder back before anything is charged",
                        figures.journal_id,
                    )
                for entry in unknown:
                    self._announce(entry)
                self._recovered_in = generation
            for key, write in list(self._unwritten.items()):
                await write()
                if self._unwritten.get(key) is write:  # else something newer could not be written meanwhile
                    del self._unwritten[key]

    async def settle(self, entry: Entry) -> None:
        """Write an outcome, and announce an unknown charge.

        If it cannot be written, the caller gets it all the same, and nothing is charged until it is.
        """
        sys.audit("viam_billing.charging.settling", entry.key)
        try:
            await self._write(entry)
        except Exception as error:  # noqa: BLE001 - a defect must not lose an outcome
            LOGGER.error(  # noqa: TRY400 - a traceback says no more
                "the outcome %s of the charge %s cannot be written, so nothing is charged until it can: %s",
                entry.state,
                quoted(entry.key),
                error.text if isinstance(error, BillingError) else f"defect: {type(error).__name__}",
            )
            self._unwritten[entry.key] = partial(self._write, entry)
            self._tell()
        if entry.state == "unknown":
            self._announce(entry)
        sys.audit("viam_billing.charging.settled", entry.key)

    def release_later(self, key: str, error: BillingError) -> None:
        """End a reservation that could not be written: it may be on the disk all the same, and nothing was sent."""
        self._unwritten[key] = partial(self._journal.release, key, error)

    def _announce(self, unknown: Entry) -> None:
        """Log a charge that became unknown, with what to do next, and have its invoice looked for."""
        LOGGER.error("charge_outcome_unknown: %s", refusals.unknown(unknown).text)
        self._tell()

    def _tell(self) -> None:
        for listener in self.when_unknown:
            listener()

    async def _write(self, entry: Entry) -> None:
        if not await self._journal.settle(entry) and entry.state == "succeeded":
            LOGGER.error(
                "the charge %s was taken for ended and sent again, and both attempts have charged the organization %s: "
                "the other invoice is %s. Look at it in the Viam app",
                *map(quoted, (entry.key, entry.org_id, entry.invoice_id)),
            )
