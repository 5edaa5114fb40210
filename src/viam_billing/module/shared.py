"""What the services of one process share: each part is made for its first user and closed after its last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from viam_billing.cache.cache import Cache
from viam_billing.cache.disk import CacheFile, cloud_name
from viam_billing.charging.books import Books
from viam_billing.cloud.session import Session
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import UsageHistory

if TYPE_CHECKING:
    from viam_billing.charging.books import Book
    from viam_billing.settings.app_address import AppAddress

T = TypeVar("T")


class Key(Struct, frozen=True):
    """An API key at its address: the services that have the same one share session and answers."""

    address: AppAddress
    key_id: str
    key: str


class _Part(Struct):
    value: Any
    closing: ExitStack
    users: int = 0


class Shared:
    """Made once by the process. Its context managers hand out the parts; none of them does I/O."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.books = Books(self.disk)
        self._parts: dict[Hashable, _Part] = {}
        self._caches: defaultdict[str, list[Cache]] = defaultdict(list)
        self._sent_emails: defaultdict[tuple[str | None, str], dict[str, float]] = defaultdict(dict)

    def session(self, key: Key) -> AbstractContextManager[Session]:
        """The login and the connection of a key."""

        def make(closing: ExitStack) -> Session:
            session = Session(key.address, key.key_id, key.key)
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
    def book(self, folder: str, address: AppAddress) -> Iterator[Book]:
        """The charge journal."""
        book = self.books.open(folder, address.text)
        try:
            yield book
        finally:
            self.books.release(book)

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
