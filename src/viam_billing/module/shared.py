"""What the services of one process share: each part is made for its first user and closed after its last."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from typing import Any, TypeVar

from msgspec import Struct

from viam_billing.cache.cache import Cache
from viam_billing.cache.disk import CacheFile, cloud_name
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.charging.recovery import FolderLock
from viam_billing.charging.service import ChargeService
from viam_billing.cloud.api_key import ApiKey
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.cloud.session import Session
from viam_billing.core.secrets import Secrets
from viam_billing.settings.app_address import AppAddress
from viam_billing.storage import journal_schema
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import UsageHistory

T = TypeVar("T")


class Key(Struct, frozen=True):
    """An API key, or the file with it, at its address: services that have the same one share session and answers."""

    address: AppAddress
    key_id: str
    key: str
    ca_file: str | None = None
    key_file: str | None = None


class Shared:
    """Made once by the process. Its context managers hand out the parts; none of them does I/O.

    `sent_emails` has when this process sent e-mails, by customer, for each state folder and address; `run` tells this
    process from earlier ones.
    """

    def __init__(self) -> None:
        self.disk = Disk()
        self.secrets = Secrets()
        self.sent_emails: defaultdict[tuple[str | None, str], dict[str, float]] = defaultdict(dict)
        self.run = os.urandom(8).hex()
        self._stopping = False
        self._parts: dict[tuple[Hashable, ...], tuple[Any, ExitStack]] = {}
        self._users: Counter[tuple[Hashable, ...]] = Counter()
        self._caches: defaultdict[str, list[Cache]] = defaultdict(list)

    def session(self, key: Key) -> AbstractContextManager[Session]:
        """The login and the connection of a key."""

        def make() -> AbstractContextManager[Session]:
            api_key = ApiKey(self.secrets, key.key, key.key_file)
            return closing(Session(key.address, key.key_id, api_key, key.ca_file))

        return self._part(("session", key), make)

    def cache(self, key: Key, session: Session, folder: str | None) -> AbstractContextManager[Cache]:
        """The answers that a key got, of all services that keep theirs in `folder`."""
        file = CacheFile(self.disk, folder, cloud_name(key.address, key.key_id, key.key)) if folder else None
        return self._part(("cache", key, folder), lambda: self.private_cache(key, session, file))

    def keyless_cache(self, address: AppAddress, folder: str | None) -> AbstractContextManager[Cache]:
        """A cache that gets no answers; what is in `folder` is looked after as for any other."""
        file = CacheFile(self.disk, folder, cloud_name(address, "", "")) if folder else None
        return closing(Cache(CircuitBreaker(address.text), file))

    @contextmanager
    def private_cache(self, key: Key, session: Session, file: CacheFile | None = None) -> Iterator[Cache]:
        """A cache for one user. A change through any cache of the address outdates it, and a rejected key clears it."""

        async def named() -> str:
            return cloud_name(key.address, key.key_id, await session.api_key.known())

        def change_key(secret: str) -> None:
            cache.rename(cloud_name(key.address, key.key_id, secret))

        siblings = self._caches[key.address.text]
        cache = Cache(session.circuit_breaker, file, siblings=siblings, named=named if key.key_file else None)
        siblings.append(cache)
        session.when_key_rejected.append(cache.clear)
        session.when_key_changed.append(change_key)
        try:
            yield cache
        finally:
            siblings.remove(cache)
            session.when_key_rejected.remove(cache.clear)
            session.when_key_changed.remove(change_key)
            cache.close()

    def history(self, folder: str, address: AppAddress) -> AbstractContextManager[UsageHistory]:
        """The usage that was seen."""
        name = ("history", folder, address.text)
        return self._part(name, lambda: closing(UsageHistory(self.disk, folder, address.text)))

    @contextmanager
    def charging(self, folder: str, address: AppAddress, accept_lost: str | None = None) -> Iterator[ChargeService]:
        """What charges, with the journal; `accept_lost` is the id of a journal that its owner knows to be lost."""
        name = ("charging", folder, address.text)
        with self._part(name, lambda: self._charge_service(folder, address)) as service:
            service.journal.identity.accepted.add(accept_lost)
            yield service

    @contextmanager
    def _charge_service(self, folder: str, address: AppAddress) -> Iterator[ChargeService]:
        with self._part(("journal", folder), lambda: self._journal_folder(folder)) as (database, lock):
            identity = Identity(folder, address.text, os.environ.get("VIAM_MODULE_DATA") or None)
            service = ChargeService(Journal(database, address.text, time.time, identity), lock, time.time)
            service.stopping = self._stopping
            yield service

    @contextmanager
    def _journal_folder(self, folder: str) -> Iterator[tuple[Database, FolderLock]]:
        """The database of the journals of all clouds, and the lock that keeps other processes from charging."""
        lock = FolderLock(folder, self.disk)
        try:
            with closing(Database(self.disk, folder, journal_schema.FILE_NAME, journal_schema.MIGRATIONS)) as database:
                yield database, lock
        finally:
            lock.release()

    async def stop_charging(self, within_s: float) -> bool:
        """Begin no more charges, and wait for those under way. Returns whether there were any."""
        self._stopping = True
        services: list[ChargeService] = [part for name, (part, _) in self._parts.items() if name[0] == "charging"]
        for service in services:
            service.stopping = True
            service.drop_waiting()
        tasks = [attempt.task for service in services for attempt in service.under_way()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        return bool(tasks)

    @contextmanager
    def _part(self, name: tuple[Hashable, ...], make: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
        if name not in self._parts:
            lease = ExitStack()
            self._parts[name] = lease.enter_context(make()), lease
        part, lease = self._parts[name]
        self._users[name] += 1
        try:
            yield part
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._parts[name], self._users[name]
                lease.close()
