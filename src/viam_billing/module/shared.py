"""What the services of one process share: each part is made for its first user and closed after its last."""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from viam_billing.cache.cache import Cache
from viam_billing.cache.disk import CacheFile, cloud_name
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.charging.recovery import FolderLock
from viam_billing.charging.service import ChargeService
from viam_billing.cloud.session import Session
from viam_billing.storage import journal_schema
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import UsageHistory

if TYPE_CHECKING:
    from viam_billing.settings.app_address import AppAddress

T = TypeVar("T")


class Key(Struct, frozen=True):
    """An API key at its address: the services that have the same one share session and answers."""

    address: AppAddress
    key_id: str
    key: str
    ca_file: str | None = None


class _Part(Struct):
    value: Any
    closing: ExitStack
    users: int = 0


class Shared:
    """Made once by the process. Its context managers hand out the parts; none of them does I/O.

    `marks_dir` is where charge journals leave their marks, by default the environment's `VIAM_MODULE_DATA`.
    """

    def __init__(self, marks_dir: str | None = None) -> None:
        self.disk = Disk()
        self._marks_dir = marks_dir or os.environ.get("VIAM_MODULE_DATA") or None
        self._stopping = False
        self._charge_services: list[ChargeService] = []
        self._parts: dict[Hashable, _Part] = {}
        self._caches: defaultdict[str, list[Cache]] = defaultdict(list)
        self._sent_emails: defaultdict[tuple[str | None, str], dict[str, float]] = defaultdict(dict)

    def session(self, key: Key) -> AbstractContextManager[Session]:
        """The login and the connection of a key."""

        def make(closing: ExitStack) -> Session:
            session = Session(key.address, key.key_id, key.key, key.ca_file)
            closing.callback(session.close)
            return session

        return self._part(("session", key), make)

    def cache(self, key: Key, session: Session, folder: str | None) -> AbstractContextManager[Cache]:
        """The answers that a key got, of all services that keep theirs in `folder`."""

        def make(closing: ExitStack) -> Cache:
            name = cloud_name(key.address, key.key_id, key.key)
            file = CacheFile(self.disk, folder, name) if folder else None
            return closing.enter_context(self.private_cache(key, session, file))

        return self._part(("cache", key, folder), make)

    @contextmanager
    def private_cache(self, key: Key, session: Session, file: CacheFile | None = None) -> Iterator[Cache]:
        """A cache for one user. A change through any cache of the address outdates it, and a rejected key clears it."""
        siblings = self._caches[key.address.text]
        cache = Cache(session.circuit_breaker, file, siblings=siblings)
        siblings.append(cache)
        session.when_key_rejected.append(cache.clear)
        try:
            yield cache
        finally:
            siblings.remove(cache)
            session.when_key_rejected.remove(cache.clear)
            cache.close()

    def history(self, folder: str, address: AppAddress) -> AbstractContextManager[UsageHistory]:
        """The usage that was seen."""

        def make(closing: ExitStack) -> UsageHistory:
            history = UsageHistory(self.disk, folder, address.text)
            closing.callback(history.close)
            return history

        return self._part(("history", folder, address.text), make)

    @contextmanager
    def charging(self, folder: str, address: AppAddress, accept_lost: str | None = None) -> Iterator[ChargeService]:
        """What charges, with the journal; `accept_lost` is the id of a journal that its owner knows to be lost."""

        def make(closing: ExitStack) -> ChargeService:
            database, lock = closing.enter_context(self._journal_folder(folder))
            identity = Identity(folder, address.text, self._marks_dir)
            service = ChargeService(Journal(database, address.text, time.time, identity), lock, time.time)
            service.stopping = self._stopping
            self._charge_services.append(service)
            closing.callback(self._charge_services.remove, service)
            return service

        with self._part(("charging", folder, address.text), make) as service:
            service.journal.identity.accepted.add(accept_lost)
            yield service

    async def stop_charging(self, within_s: float) -> bool:
        """Begin no more charges, and wait for those under way. Returns whether there were any."""
        self._stopping = True
        for service in self._charge_services:
            service.stopping = True
            service.drop_waiting()
        tasks = [attempt.task for service in self._charge_services for attempt in service.under_way()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        return bool(tasks)

    def _journal_folder(self, folder: str) -> AbstractContextManager[tuple[Database, FolderLock]]:
        """The database of the journals of all clouds, and the lock that keeps other processes from charging."""

        def make(closing: ExitStack) -> tuple[Database, FolderLock]:
            lock = FolderLock(folder, self.disk)
            closing.callback(lock.release)
            database = Database(self.disk, folder, journal_schema.FILE_NAME, journal_schema.MIGRATIONS)
            closing.callback(database.close)
            return database, lock

        return self._part(("journal", folder), make)

    def sent_emails(self, folder: str | None, address: AppAddress) -> dict[str, float]:
        """When this process sent e-mails, by customer; kept until it ends."""
        return self._sent_emails[folder, address.text]

    @contextmanager
    def _part(self, name: Hashable, make: Callable[[ExitStack], T]) -> Iterator[T]:
        part = self._parts.get(name)
        if part is None:
            closing = ExitStack()
            part = self._parts[name] = _Part(make(closing), closing)
        part.users += 1
        try:
            yield part.value
        finally:
            part.users -= 1
            if not part.users:
                del self._parts[name]
                part.closing.close()
