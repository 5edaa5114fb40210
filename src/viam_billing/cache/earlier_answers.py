"""What an earlier process remembered, brought into memory; and when it has to go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from viam_billing.cache.disk import CacheFile
    from viam_billing.cache.memory import Answers

_LOAD_S: Final = 1.0
_PURGE_AFTER_S: Final = 5.0


class EarlierAnswers:
    """Brings the answers of an earlier process into memory, once, and sees to it that none is kept for too long."""

    def __init__(self, answers: Answers, file: CacheFile | None) -> None:
        self._answers = answers
        self._file = file
        self._keep_s = 0.0
        self._revealed = False
        self._loading: asyncio.Task[None] | None = None
        self._purging: asyncio.Task[None] | None = None
        self.loaded = file is None
        self.forgotten = False
        """Whether all that the disk still has is not to be taken any more."""
        self.outdated: set[str] = set()
        """Questions whose answers on disk are not to be taken any more."""

    def serve(self, max_stale_s: float, *, revealed: bool) -> None:
        """Take a service in, and load in the background: what may not be kept goes, also if nothing is ever asked."""
        self._keep_s = max(self._keep_s, max_stale_s)
        self._revealed = self._revealed or revealed
        self._start()

    def _start(self) -> None:
        if not self.loaded and self._loading is None and self._file is not None:
            self._loading = asyncio.create_task(self._load(self._file))

    async def load(self) -> None:
        """Wait for them. A disk that does not answer is not waited for."""
        self._start()
        if self._loading is not None:
            try:
                await asyncio.wait_for(asyncio.shield(self._loading), _LOAD_S)
            except asyncio.TimeoutError:
                self.loaded = True

    async def _load(self, file: CacheFile) -> None:
        rows = await file.load(now_s=self._answers.now_s(), revealed=self._revealed)
        if not self.forgotten:
            for row in rows:
                if row[0] not in self.outdated:
                    self._answers.put_old(*row)
        self.loaded = True
        self._purging = asyncio.create_task(self._purge(file))

    async def _purge(self, file: CacheFile) -> None:
        """Remove what is older than any service keeps it, when all services of the configuration are there."""
        await asyncio.sleep(_PURGE_AFTER_S)
        await file.purge(oldest_s=self._answers.now_s() - self._keep_s)

    def close(self) -> None:
        """End what is under way, and remove at once what is too old. May be called twice."""
        for task in (self._loading, self._purging):
            if task is not None:
                task.cancel()
        if self._file is not None and self._loading is not None:
            self._file.purge_at_close(oldest_s=self._answers.now_s() - self._keep_s)
