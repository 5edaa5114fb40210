"""What the services of one process share: a database and a lock for each folder, a journal for each cloud in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from msgspec import Struct, field

from viam_billing.charging.journal import Journal
from viam_billing.charging.lock import FolderLock
from viam_billing.charging.service import Charger
from viam_billing.charging.watch import Watch
from viam_billing.storage import journal_schema
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk


class Book(Struct, eq=False):
    """A charge journal, who charges with it and who looks after it; `store` is the whole folder's database."""

    folder: str
    store: Database
    charger: Charger
    watch: Watch


class _Folder(Struct):
    store: Database
    lock: FolderLock
    books: dict[str, Book] = field(default_factory=dict)
    users: int = 0


class Books:
    """Hands out what is shared and closes it after its last user."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._folders: dict[str, _Folder] = {}
        self._stopping = False

    def open(self, state_dir: str, app_address: str) -> Book:
        """The book of a folder and a cloud; to be given back with `release`. No I/O."""
        folder = self._folders.get(state_dir)
        if folder is None:
            store = Database(self._disk, state_dir, journal_schema.FILE_NAME, journal_schema.MIGRATIONS)
            folder = self._folders[state_dir] = _Folder(store, FolderLock(state_dir, self._disk))
        folder.users += 1
        book = folder.books.get(app_address)
        if book is None:
            charger = Charger(Journal(folder.store, app_address, time.time), folder.lock)
            charger.stopping = self._stopping
            book = folder.books[app_address] = Book(state_dir, folder.store, charger, Watch(charger, time.time))
            charger.outcomes.when_unknown = book.watch.wake
        return book

    def release(self, book: Book) -> None:
        """Give a book back; the last user's release of its folder closes the database and ends the lock."""
        folder = self._folders[book.folder]
        folder.users -= 1
        if not folder.users:
            del self._folders[book.folder]
            folder.store.close()
            folder.lock.release()  # no charge is under way: who takes the folder up again must not find it locked

    async def stop(self, within_s: float) -> bool:
        """Begin no more charges, and wait for those under way. Returns whether there were any."""
        self._stopping = True
        for book in self._all():
            book.charger.stopping = True
            book.charger.drop_waiting()
        tasks = [attempt.task for book in self._all() for attempt in book.charger.under_way() if attempt.task]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        return bool(tasks)

    def _all(self) -> Iterator[Book]:
        return (book for folder in self._folders.values() for book in folder.books.values())
