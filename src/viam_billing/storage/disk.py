"""Threads for the disk: work on one path runs in order, on a thread of its own, and never on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from viam_billing.core.tasks import retrieve_exception

T = TypeVar("T")

_IDLE_S: Final = 1.0


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
        """Like `submit`, for the running event loop. Nobody has to ask for the result."""
        running = asyncio.wrap_future(self.submit(work))
        running.add_done_callback(retrieve_exception)
        return running

    async def run(self, work: Callable[[], T]) -> T:
        """Wait for the result of `work`. A caller that is cancelled does not stop it."""
        return await asyncio.shield(self.begin(work))

    def _run_jobs(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    if not self._changed.wait(_IDLE_S) and not self._jobs:
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
        thread = self._threads.get(path)
        if thread is None:
            thread = self._threads[path] = DiskThread(path)
        return thread
