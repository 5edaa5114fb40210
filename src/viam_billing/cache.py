"""One fetch for any number of callers, and the last known answer when the cloud is away.

ask --> fresh? ---------------------------------------------> the known answer
          | no
          v
        cloud away and an old answer known? ----------------> the old answer, stale
          | no
          v
        a fetch under way? --no--> start one
          |  |                      |
          v  v                      v
        wait for it, as long as the caller's time lasts ----> its answer; an old one, stale; or its error
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from viam_billing.answers import FOREVER_S, Answers, Limits, Reading
from viam_billing.errors import (
    BillingError,
    CloudAwayError,
    CloudTimeoutError,
    KeyLacksPermissionError,
    KeyRejectedError,
    Outcome,
)
from viam_billing.times import Deadline

if TYPE_CHECKING:
    from viam_billing.cache_file import CacheFile
    from viam_billing.presence import Presence

_DISTRUST_S: Final = 60.0
"""After a change whose outcome is unknown, for so long no answer that it may outdate is taken for fresh."""
_SMALLEST_SHARE: Final = 0.85
_LOAD_S: Final = 1.0
_SAVE_S: Final = 0.25


class CacheCounters(Struct):
    """What `get_status` tells of one service's reads."""

    hits: int = 0
    misses: int = 0
    stale: int = 0


class Fetched(Struct, frozen=True):
    """What a fetch brings: the value and until when, on the wall clock, it is one."""

    value: dict[str, Any]
    valid_until_s: float = FOREVER_S


class Cache:
    """The answers of one key, address and folder."""

    def __init__(self, presence: Presence, file: CacheFile | None = None, answers: Answers | None = None) -> None:
        self._presence = presence
        self._file = file
        self._answers = answers or Answers()
        self.is_current = self._answers.is_current
        self._fetches: dict[str, asyncio.Task[Reading]] = {}
        self._loading: asyncio.Task[None] | None = None
        self._loaded = file is None

    async def read(
        self,
        question: str,
        fetch: Callable[[Deadline], Awaitable[Fetched]],
        *,
        deadline: Deadline,
        max_age_s: float | None,
        limits: Limits,
        counters: CacheCounters,
    ) -> Reading:
        """The answer to a question.

        Raises:
            BillingError: the fetch's error, where no known answer may stand in for it.
        """
        if not self._loaded:
            await self._load(limits)
        fresh = self._answers.fresh(question, limits.ttl_s, max_age_s)
        if fresh is not None:
            counters.hits += 1
            return fresh
        counters.misses += 1
        try:
            return await self._ask(question, fetch, deadline, limits)
        except CloudAwayError as error:
            reading = self._last_known(question, error, limits)
            if reading is None:
                raise
            counters.stale += 1
            return reading
        except KeyRejectedError:
            self.clear()
            raise
        except KeyLacksPermissionError:
            self.drop(question)
            raise

    async def _ask(
        self, question: str, fetch: Callable[[Deadline], Awaitable[Fetched]], deadline: Deadline, limits: Limits
    ) -> Reading:
        """A fetch's reading. While the cloud is away, only who starts the probe waits, and only if nothing is known."""
        task = self._fetches.get(question)
        if self._presence.away and (task is not None or not self._presence.probe_due):
            raise self._presence.unreachable()
        if task is None:
            task = self._start(question, fetch, limits)
        if self._presence.away and self._last_known(question, self._presence.unreachable(), limits) is not None:
            raise self._presence.unreachable()
        try:
            return await asyncio.wait_for(asyncio.shield(task), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise CloudTimeoutError("the cloud did not answer in time. Try again later.") from None

    @contextmanager
    def changing(self, *questions: str) -> Iterator[None]:
        """Around the sending of a change: what it outdates is dropped, also what is being fetched meanwhile."""
        outcome = Outcome.UNKNOWN
        try:
            yield
            outcome = Outcome.REFUSED
        except BillingError as error:
            outcome = error.outcome
            raise
        finally:
            for question in questions:
                self.drop(question)
                if outcome is Outcome.UNKNOWN:
                    self._answers.distrust(question, _DISTRUST_S)

    def drop(self, question: str) -> None:
        """Forget an answer; a fetch under way still answers those who wait for it, and nobody else."""
        self._fetches.pop(question, None)
        self._forget(question)

    def clear(self) -> None:
        """Forget all answers."""
        for question in [*self._answers, *self._fetches]:
            self.drop(question)
        if self._file is not None:
            self._file.delete_all()

    def _start(
        self, question: str, fetch: Callable[[Deadline], Awaitable[Fetched]], limits: Limits
    ) -> asyncio.Task[Reading]:
        """The one fetch of a question. It belongs to nobody: its first caller's leaving does not end it."""
        # A little less than a caller's own time, so that its error arrives and not the caller's time-out.
        deadline = Deadline(limits.timeout_s - min(0.15, 0.15 * limits.timeout_s))
        task = asyncio.create_task(self._fetched(question, fetch, deadline, limits), name=f"viam-billing {question}")
        self._fetches[question] = task
        task.add_done_callback(lambda done: self._ended(question, done))
        return task

    async def _fetched(
        self,
        question: str,
        fetch: Callable[[Deadline], Awaitable[Fetched]],
        deadline: Deadline,
        limits: Limits,
    ) -> Reading:
        fetched = await fetch(deadline)
        if self._fetches.get(question) is not asyncio.current_task():
            return Reading(fetched.value, self._answers.now_s())  # outdated by a change meanwhile: not kept
        share = random.uniform(_SMALLEST_SHARE, 1.0)  # noqa: S311 - no secret
        entry = self._answers.put(question, fetched.value, fetched.valid_until_s, share)
        del self._fetches[question]  # it has answered: what is left is the disk's time
        if self._file is not None and limits.max_stale_s > 0:
            await self._file.save(question, entry, within_s=_SAVE_S)
        return Reading(entry.value, entry.as_of_s)

    def _ended(self, question: str, task: asyncio.Task[Reading]) -> None:
        if self._fetches.get(question) is task:
            del self._fetches[question]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have

    def _last_known(self, question: str, error: BillingError, limits: Limits) -> Reading | None:
        entry = self._answers.valid(question)
        if entry is None or self._answers.age_s(entry) > limits.max_stale_s:
            self._forget(question)
            return None
        return Reading(entry.value, self._answers.as_of_s(entry), error.code)

    def _forget(self, question: str) -> None:
        """Forget an answer, but not the fetch under way that brings the next one."""
        if self._answers.drop(question) and self._file is not None:
            self._file.delete(question)

    async def _load(self, limits: Limits) -> None:
        """Once, what an earlier process left on disk. A disk that does not answer is not waited for."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_file(limits))
        try:
            await asyncio.wait_for(asyncio.shield(self._loading), _LOAD_S)
        except asyncio.TimeoutError:
            self._loaded = True

    async def _load_file(self, limits: Limits) -> None:
        if self._file is not None:
            now_s = self._answers.now_s()
            for row in await self._file.load(oldest_s=now_s - limits.max_stale_s, now_s=now_s):
                self._answers.put_old(*row)
        self._loaded = True

    def close(self) -> None:
        """End the fetches under way and close the file. May be called twice."""
        for task in [*self._fetches.values(), *([self._loading] if self._loading else [])]:
            task.cancel()
        if self._file is not None:
            self._file.close()
