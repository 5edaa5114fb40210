"""A SQLite file on its disk thread: opened at its first use, migrated, and one function for each transaction."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import msgspec

from viam_billing.core.errors import StateUnavailableError, quoted
from viam_billing.storage.disk import Disk
from viam_billing.storage.strict_folder import advice, look, open_in, opened

if TYPE_CHECKING:
    import sqlite3

Connection: TypeAlias = "sqlite3.Connection"
Guard: TypeAlias = "Callable[[Connection | None], None]"
T = TypeVar("T")

_DISK_ERROR: Final = (
    "access permission denied|attempt to write a readonly database|database is locked|database table is locked|"
    "database or disk is full|disk I/O error|locking protocol|unable to open database file"
)
"""How SQLite's errors begin that blame the disk, its permissions or another process; Python 3.10 tells no codes.
Compiled when there is an error: that takes as long as importing five files."""

_DAMAGE: Final = (
    "Could not decode to UTF-8|malformed JSON|malformed database schema|unsupported file format|"
    "no such (table|column|index)|(table|index) .* already exists|duplicate column name|table .* has no column named"
)
"""What SQLite says of files in which a disk has changed bytes: tests hold the module's own statements."""


_TODO: Final = (
    " Make the folder writable for the module's user alone, free disk space, or set the attribute state_dir to another "
    "folder."
)


class DamagedFileError(StateUnavailableError):
    """The file is no database of this version of the module: trying again does not help."""


class Database:
    """One SQLite file in a folder. Making it costs no I/O: the file is opened, and created, by the first transaction.

    A `synced` database has each transaction on the disk when it is over; of another one, a power cut can lose the most
    recent transactions. `migrations` are SQL scripts, each from version n to n + 1; the file's `user_version` tells
    which of them it has had.
    """

    def __init__(
        self, disk: Disk, folder: str, file_name: str, migrations: Sequence[str], *, synced: bool = True
    ) -> None:
        self._folder = folder
        self._file_name = file_name
        self._path = os.path.join(folder, file_name)
        self._thread = disk.thread(self._path)
        self._migrations = migrations
        self._synced = synced
        self._connection: Connection | None = None
        self._identity: os.stat_result | None = None
        self._closed = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Wait for the result of `work`, run in one transaction; see `begin`. A caller that is cancelled stops nothing.

        Raises `StateUnavailableError` if the folder or the file cannot be used, or the disk is full.
        """
        return await asyncio.shield(self.begin(work))

    def begin(
        self, work: Callable[[Connection], T], *, sync: bool = True, name: str = "", guard: Guard | None = None
    ) -> asyncio.Future[T]:
        """Run `work` in one transaction, after all that were begun before. Nobody has to ask for the result.

        Without `sync`, a transaction of a synced database reaches the disk with the next one that is synced: a process
        that is killed loses nothing, and a power cut only the most recent. `name` is the one that the transaction's
        fault points announce. `guard` may refuse, by an error: it is called in the transaction before `work`, and with
        None before a file is made. Raises `StateUnavailableError` after `close`; else errors are the future's.
        """
        if self._closed:
            raise self._unusable("the service was closed")
        return self._thread.begin(lambda: self._transaction(work, name, guard, sync=sync and self._synced))

    async def exists(self, guard: Guard) -> bool:
        """Whether the file is there; `guard` may refuse that it is not. Where that cannot be seen, it may be: True."""
        return await self._thread.run(lambda: self._exists(guard))

    def _exists(self, guard: Guard) -> bool:
        try:
            return self._look(guard) is not None
        except OSError:
            return True

    def _look(self, guard: Guard | None) -> os.stat_result | None:
        """The file, None where there is none; `guard` may refuse that. Raises `OSError` where it is not safe to use."""
        try:
            if self._connection is None:  # all that is in the folder is looked at before the first use
                with opened(self._folder, make=False):
                    pass
            return look(self._folder, self._file_name)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.isdir(os.path.dirname(self._folder)):  # misspelt, or on a disk that is not mounted
                raise
            if guard is not None:
                guard(None)
            return None

    async def checkpoint(self, *, rebuild: bool = False) -> None:
        """Bring the write-ahead log into the file, and empty it: nothing that was deleted is left in them.

        `rebuild` makes the file anew, without what was deleted before deleting overwrote it.
        """

        def work() -> None:
            if self._connection is not None:
                if rebuild:
                    self._connection.execute("PRAGMA temp_store = MEMORY")
                    self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        with contextlib.suppress(Exception):  # another process may be reading; the next start does it again
            await self._thread.run(work)

    def remove(self) -> None:
        """Delete the file, for one whose content can be lost. The next transaction begins with an empty one."""

        def work() -> None:
            self._disconnect()
            with contextlib.suppress(OSError), opened(self._folder, make=False) as folder:
                for ending in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._file_name + ending, dir_fd=folder)

        self._thread.submit(work)

    def close(self) -> None:
        """Close the file after all that was begun. May be called twice."""
        self._closed = True
        self._thread.submit(self._disconnect)

    def _transaction(self, work: Callable[[Connection], T], name: str, guard: Guard | None, *, sync: bool) -> T:
        import sqlite3  # noqa: PLC0415 - costs 6 ms, which a module that never writes does not pay at its start

        sys.audit("viam_billing.storage.begin", self._file_name, name)
        try:
            connection = self._connected(guard)
            connection.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                if guard is not None:
                    guard(connection)
                result = work(connection)
                sys.audit("viam_billing.storage.before_commit", self._file_name, name)
                connection.execute("COMMIT")
                sys.audit("viam_billing.storage.after_commit", self._file_name, name)
            except BaseException:
                try:
                    connection.rollback()  # does nothing where SQLite has rolled back by itself
                except Exception:  # noqa: BLE001 - the caller gets the cause, and closing the file undoes it as well
                    self._disconnect()
                raise
        except sqlite3.Error as error:
            self._disconnect()
            # Of its other subclasses most have causes outside of the file.
            if type(error) is sqlite3.DatabaseError or re.match(_DAMAGE, str(error)):
                raise self._unusable(str(error), DamagedFileError) from None
            if re.match(_DISK_ERROR, str(error)):
                raise self._unusable(str(error)) from None
            raise  # a defect of the module
        except (TypeError, ValueError, msgspec.ValidationError) as error:  # a row that the module never wrote
            raise self._unusable(f"it has an invalid value ({error})", DamagedFileError) from None
        except OSError as error:
            self._disconnect()
            raise self._unusable(error.strerror or type(error).__name__, todo=advice(error, _TODO)) from None
        sys.audit("viam_billing.storage.returned", self._file_name, name)
        return result

    def _connected(self, guard: Guard | None) -> Connection:
        """The open file, opened anew where the folder was replaced: the next start would not find the old one."""
        import sqlite3  # noqa: PLC0415 - as above

        found = self._look(guard)
        if found and self._connection and self._identity and os.path.samestat(self._identity, found):
            return self._connection
        self._disconnect()
        with opened(self._folder) as folder:
            self._make_file(folder)
        # A transaction waits for those of other processes, by default for 5 s.
        connection = self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted may have been a payment detail
            if self._synced:  # on macOS a plain fsync stops at the drive's own memory; elsewhere this changes nothing
                connection.execute("PRAGMA fullfsync = ON")
                connection.execute("PRAGMA checkpoint_fullfsync = ON")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._synced else 'NORMAL'}")
            self._migrate(connection)
            self._identity = os.lstat(self._path)
        except BaseException:
            self._disconnect()
            raise
        return connection

    def _make_file(self, folder: int) -> None:
        """Make an empty file of mode 0600, unless there is one: to open and close that would end SQLite's locks on it.

        A synced database begins with a synced folder, or a power cut could lose the whole file.
        """
        try:
            os.close(open_in(folder, self._file_name, os.O_CREAT | os.O_EXCL | os.O_RDWR))
        except FileExistsError:
            return
        if self._synced:
            os.fsync(folder)
            parent = os.open(os.path.dirname(self._folder), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)

    def _migrate(self, connection: Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 0 <= version <= len(self._migrations):
            raise self._unusable("it was written by a newer version of this module", DamagedFileError)
        for script in self._migrations[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(self._migrations)}")
        connection.execute("COMMIT")

    def _disconnect(self) -> None:
        """Close the file. The next transaction opens it again: the folder may have been put right by then."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # what was committed is on the disk
                connection.close()

    def _unusable(
        self, why: str, kind: type[StateUnavailableError] = StateUnavailableError, todo: str = _TODO
    ) -> StateUnavailableError:
        return kind(f"{self._file_name} in state_dir {quoted(self._folder)} cannot be used: {why}.{todo}")
