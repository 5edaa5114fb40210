"""What the services of one process share: a database and a lock for each folder, a journal for each cloud in it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

from msgspec import Struct, field

from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.charging.lock import FolderLock
from viam_billing.charging.service import ChargeService
from viam_billing.storage import journal_schema
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk


class _Folder(Struct):
    store: Database
    lock: FolderLock
    services: dict[str, ChargeService] = field(default_factory=dict)
    users: int = 0


class ChargeServices:
    """Hands out the shared `ChargeService`s and closes what is theirs after the last user. The process makes one.

    `marks_dir` is where used journals leave their marks, by default the environment's `VIAM_MODULE_DATA`.
    """

    def __init__(self, disk: Disk, marks_dir: str | None = None) -> None:
        self._disk = disk
        self._marks_dir = marks_dir or os.environ.get("VIAM_MODULE_DATA") or None
        self._folders: dict[str, _Folder] = {}
        self._stopping = False

    def open(self, state_dir: str, app_address: str, accept_lost: str | None = None) -> ChargeService:
        """The charging of a folder and a cloud, to be given back with `release`. No I/O.

        `accept_lost` is the id of a journal that its owner knows to be lost.
        """
        folder = self._folders.get(state_dir)
        if folder is None:
            store = Database(self._disk, state_dir, journal_schema.FILE_NAME, journal_schema.MIGRATIONS)
            folder = self._folders[state_dir] = _Folder(store, FolderLock(state_dir, self._disk))
        folder.users += 1
        service = folder.services.get(app_address)
        if service is None:
            identity = Identity(state_dir, app_address, self._marks_dir)
            service = ChargeService(Journal(folder.store, app_address, time.time, identity), folder.lock, time.time)
            service.stopping = self._stopping
            folder.services[app_address] = service
        service.journal.identity.accept(accept_lost)
        return service

    def release(self, service: ChargeService) -> None:
        """Give it back. The last release of a folder closes the database and ends the lock."""
        state_dir, folder = next(
            (state_dir, folder) for state_dir, folder in self._folders.items() if service in folder.services.values()
        )
        folder.users -= 1
        if not folder.users:
            del self._folders[state_dir]
            folder.store.close()
            folder.lock.release()  # no charge is under way, and the next to open the folder must not find it locked

    async def stop(self, within_s: float) -> bool:
        """Begin no more charges, and wait for those under way. Returns whether there were any."""
        self._stopping = True
        for service in self._all():
            service.stopping = True
            service.drop_waiting()
        tasks = [attempt.task for service in self._all() for attempt in service.under_way()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        return bool(tasks)

    def _all(self) -> Iterator[ChargeService]:
        return (service for folder in self._folders.values() for service in folder.services.values())
