"""SQLite on its own thread: open, migrate, one transaction = one function."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, TypeVar

from viam_billing.core.errors import StateUnavailableError, quoted
from viam_billing.core.tasks import unwatched

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

_WAIT_FOR_OTHERS_S: Final = 5.0

_CLOSING: Final[dict[str, set[Future[None]]]] = {}
"""What this process is about to close, by path: a service made anew must find what the one before it wrote last."""


class Store:
    """A database file that opens with its first use, so that making a service costs no I/O.

    `synced`: a transaction is on disk when it is over, whatever happens to the power; else the last ones may be lost.
    `migrations` bring a database from version n to n + 1; the file's `user_version` says where it stands.
    """

    def __init__(self, folder: str, file_name: str, migrations: Sequence[str], *, synced: bool = True) -> None:
        self._folder = folder
        self._file_name = file_name
        self._migrations = migrations
        self._synchronous = "FULL" if synced else "NORMAL"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"viam-billing {file_name}")
        self._connection: sqlite3.Connection | None = None
        self._syncs_as = ""
        self._identity: os.stat_result | None = None
        self.damaged = False
        """Whether the last error says that the file, and not the disk, is to blame."""

    async def run(self, work: Callable[[sqlite3.Connection], T], *, name: str = "") -> T:
        """Run `work` in one transaction; it is committed when this returns, and on disk where the store is `synced`.

        A caller that leaves does not stop it. `name` is what the transaction's fault points announce.

        Raises:
            StateUnavailableError: if the folder or the file cannot be used, or the disk is full.
        """
        running = self._begun(lambda: self._transaction(work, name))
        running.add_done_callback(unwatched)
        return await asyncio.shield(running)

    def begin_before_next_sync(self, work: Callable[[sqlite3.Connection], T], *, name: str = "") -> asyncio.Future[T]:
        """Begin the same for what need not be on disk before the next transaction that is: its sync takes it along.

        A process that is killed loses nothing of it, and what the power's failure takes, it takes from the end. What is
        begun later runs later.

        Raises:
            StateUnavailableError: after `close`; as the future's result in the other cases.
        """
        return self._begun(lambda: self._transaction(work, name, "NORMAL"))

    def _begun(self, transaction: Callable[[], T]) -> asyncio.Future[T]:
        try:
            return asyncio.get_running_loop().run_in_executor(self._thread, transaction)
        except RuntimeError:
            raise self._unusable("the service was closed") from None

    def exists(self) -> bool:
        """Whether the file is there, or may be: where that cannot be seen, too. Blocks as long as the disk takes."""
        try:
            os.stat(os.path.join(self._folder, self._file_name))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    async def checkpoint(self) -> None:
        """Bring what is in the write-ahead log into the file, and empty the log."""

        def work() -> None:
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        with contextlib.suppress(Exception):
            await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def run_unwatched(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run `work` soon, whether or not it succeeds; also right before `close`."""
        with contextlib.suppress(RuntimeError):
            self._thread.submit(self._transaction, work)

    def _transaction(
        self, work: Callable[[sqlite3.Connection], T], name: str = "", synchronous: str | None = None
    ) -> T:
        import sqlite3  # noqa: PLC0415 - costs 6 ms, which a module that never writes does not pay at its start

        sys.audit("viam_billing.storage.begin", self._file_name, name)
        try:
            connection = self._opened(sqlite3)
            self._sync_as(connection, synchronous or self._synchronous)
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            sys.audit("viam_billing.storage.before_commit", self._file_name, name)
            connection.execute("COMMIT")
            sys.audit("viam_billing.storage.after_commit", self._file_name, name)
        except sqlite3.Error as error:
            self.damaged = not isinstance(error, sqlite3.OperationalError)
            self._abandon()
            raise self._unusable(str(error)) from None
        except OSError as error:
            self._abandon()
            raise self._unusable(error.strerror or type(error).__name__) from None
        sys.audit("viam_billing.storage.returned", self._file_name, name)
        return result

    def _opened(self, sqlite3: Any) -> sqlite3.Connection:  # noqa: ANN401 - the module, imported late
        path = os.path.join(self._folder, self._file_name)
        if self._connection is not None and not self._is_at(path):
            self._abandon()  # the folder was replaced: what is written to the old file is lost with the next start
        if self._connection is None:
            make_folder(self._folder)
            self._make_file(path)
            wait(tuple(_CLOSING.get(path, ())), _WAIT_FOR_OTHERS_S)
            connection = sqlite3.connect(
                path, timeout=_WAIT_FOR_OTHERS_S, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA secure_delete = ON")  # what is removed may have been a payment detail
                if self._synchronous == "FULL":  # on macOS, where fsync stops at the drive's own memory; else no change
                    connection.execute("PRAGMA fullfsync = ON")
                    connection.execute("PRAGMA checkpoint_fullfsync = ON")
                self._syncs_as = ""
                self._sync_as(connection, self._synchronous)
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._identity = os.stat(path)
        return self._connection

    def _sync_as(self, connection: sqlite3.Connection, synchronous: str) -> None:
        if synchronous != self._syncs_as:
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._syncs_as = synchronous

    def _make_file(self, path: str) -> None:
        """Make an empty file of mode 0600, unless there is one: to open and close that would end SQLite's locks on it.

        A synced store begins with a synced folder, or the power's failure could take the whole file away.
        """
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        if self._synchronous == "FULL":
            for folder in (self._folder, os.path.dirname(self._folder)):
                _sync_folder(folder)

    def _is_at(self, path: str) -> bool:
        """Whether the file that is open is still the one that its path names."""
        try:
            return self._identity is not None and os.path.samestat(self._identity, os.stat(path))
        except OSError:
            return False

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            connection.execute("ROLLBACK")
            self.damaged = True  # for this version of the module
            raise self._unusable("it was written by a newer version of this module")
        for statements in self._migrations[version:]:
            for statement in statements.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(self._migrations)}")
        connection.execute("COMMIT")

    def _abandon(self) -> None:
        """Open anew at the next use: the folder may have been put right by then."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _unusable(self, why: str) -> StateUnavailableError:
        return StateUnavailableError(
            f"{self._file_name} in state_dir {quoted(self._folder)} cannot be used: {why}. "
            "Make the folder writable, free disk space, or set the attribute state_dir to another folder."
        )

    def close(self) -> None:
        """Close the file after what is under way. May be called twice."""
        try:
            closing = self._thread.submit(self._abandon)
        except RuntimeError:
            return  # closed before
        others = _CLOSING.setdefault(os.path.join(self._folder, self._file_name), set())
        others.add(closing)
        closing.add_done_callback(others.discard)
        self._thread.shutdown(wait=False)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: str) -> None:
    """Make a folder for the owner alone; its parent has to be there.

    Raises:
        OSError: if it cannot be made.
    """
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(0, "state_dir is not a folder") from None
