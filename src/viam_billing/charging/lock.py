"""One process at a time charges with a journal: a lock on `journal.lock` beside it, which ends with the process."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import Future
from typing import Final

from viam_billing.core.errors import StateUnavailableError, quoted
from viam_billing.storage.disk import Disk, make_folder

_FILE_NAME: Final = "journal.lock"


class FolderLock:
    """The lock of one folder, for all services of this process."""

    def __init__(self, folder: str, disk: Disk) -> None:
        self._folder = folder
        self._path = os.path.join(folder, _FILE_NAME)
        self._thread = disk.thread(self._path)
        self._descriptor = -1
        self._released = False
        self.generation = 0
        """How often the lock was taken: after each time, another process may have left something."""

    async def take(self) -> int:
        """Take the lock, unless it is held already. Returns its generation.

        Raises:
            StateUnavailableError: if another process holds it, or the folder cannot be used.
        """
        return await self._thread.run(self._take)

    def release(self) -> Future[None]:
        """Release it for good, soon, and before another service takes it. May be called twice."""
        self._released = True
        return self._thread.submit(self._let_go)

    def _take(self) -> int:
        if self._released:  # nobody would release it again
            raise self._unusable("the service was closed")
        if self._descriptor >= 0 and not self._is_in_place():
            self._let_go()  # the folder was replaced: a lock on the old file keeps no other process away
        if self._descriptor < 0:
            try:
                self._open()
            except BlockingIOError:
                raise self._unusable("another process charges with it") from None
            except OSError as error:
                raise self._unusable(error.strerror or type(error).__name__) from None
            self.generation += 1
        return self.generation

    def _open(self) -> None:
        make_folder(self._folder)
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except OSError:
            return False

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _unusable(self, why: str) -> StateUnavailableError:
        return StateUnavailableError(
            f"the charge journal in state_dir {quoted(self._folder)} cannot be used: {why}. Nothing was sent. "
            "Let one service charge from this folder, and make it writable."
        )
