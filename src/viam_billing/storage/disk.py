"""The disk: a thread for each path, so that none of it blocks the event loop; files that are complete or not there.

The methods of `NewFile` block, so they run on such a thread, and raise `OSError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from viam_billing.core.errors import StateUnavailableError, quoted
from viam_billing.core.tasks import retrieve_exception
from viam_billing.storage.strict_folder import open_in

T = TypeVar("T")

_IDLE_S: Final = 0.2
_MOST_WAITING: Final = 1000
_TEMPORARY: Final = re.compile("tmp[a-z0-9_]{8}")  # earlier versions had Python's tempfile make the names


class DiskThread:
    """Runs one piece of work after the other, on a daemon thread that ends while there is nothing to do.

    A disk that hangs holds up this thread alone: not the event loop, not other paths, not the end of the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._running = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run `work` after all that was submitted before. Returns its result as a future."""
        future: Future[T] = Future()
        with self._changed:
            if not self._running:
                threading.Thread(target=self._run_jobs, name=f"viam-billing {self._name}", daemon=True).start()
                self._running = True
            self._jobs.append((future, work))
            self._changed.notify()
        return future

    def begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Like `submit`, for the running event loop. Nobody has to ask for the result.

        Raises: StateUnavailableError: too much is waiting already, as on a disk that hangs.
        """
        if len(self._jobs) >= _MOST_WAITING:
            raise StateUnavailableError(f"the disk does not answer: {quoted(self._name)}. Try again later.")
        running = asyncio.wrap_future(self.submit(work))
        running.add_done_callback(retrieve_exception)
        return running

    async def run(self, work: Callable[[], T]) -> T:
        """Wait for the result of `work`. A caller that is cancelled does not stop it."""
        return await asyncio.shield(self.begin(work))

    def _run_jobs(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._jobs, _IDLE_S):
                    self._running = False
                    return
                future, work = self._jobs.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked for the result
                    future.set_exception(error)
            del future, work  # an idle thread keeps nothing alive


class Disk:
    """The disk threads of one process, one for each path."""

    def __init__(self) -> None:
        self._threads: WeakValueDictionary[str, DiskThread] = WeakValueDictionary()

    def thread(self, path: str) -> DiskThread:
        """The thread of a path. While earlier work on the path is under way, it is the one that does that work."""
        return self._threads.setdefault(path, DiskThread(path))


class NewFile:
    """A file that is written in a temporary folder on the same disk, and put in its place once it is complete."""

    def __init__(self, temporary_folder: int) -> None:
        """`temporary_folder` is a descriptor, as is the folder of `put`; it stays open as long as the file."""
        self._folder = temporary_folder
        self._name = f"tmp{os.urandom(4).hex()}"
        self._descriptor = open_in(self._folder, self._name, os.O_CREAT | os.O_EXCL | os.O_RDWR)

    @staticmethod
    def remove_older(temporary_folder: int, than_s: float) -> None:
        """Remove what a killed process left here: files of this user, with such a name, last written before a time."""
        with os.scandir(temporary_folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # its process has just removed it
                    found = entry.stat(follow_symlinks=False)
                    own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                    if own and found.st_mtime < than_s and _TEMPORARY.fullmatch(entry.name):
                        os.unlink(entry.name, dir_fd=temporary_folder)

    def write(self, content: bytes) -> None:
        """Append all of `content`."""
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def truncate(self) -> None:
        """Begin again with an empty file."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def put(self, folder: int, name: str) -> None:
        """Give the file its place, where it replaces another one. It is on the disk when this returns."""
        os.fsync(self._descriptor)
        os.replace(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        os.fsync(folder)

    def discard(self) -> None:
        """Close the file, and remove it unless it has its place. To be called once, in every case."""
        os.close(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder)
