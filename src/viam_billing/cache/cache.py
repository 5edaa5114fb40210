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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from viam_billing.cache.earlier_answers import EarlierAnswers
from viam_billing.cache.memory import FOREVER_S, Answers, Limits, Reading
from viam_billing.core.errors import (
    BillingError,
    CloudAwayError,
    CloudTimeoutError,
    CloudUnreachableError,
    KeyLacksPermissionError,
    Outcome,
)
from viam_billing.core.tasks import retrieve_exception
from viam_billing.core.times import Deadline

if TYPE_CHECKING:
    from viam_billing.cache.disk import CacheFile
    from viam_billing.cloud.circuit_breaker import CircuitBreaker

_DISTRUST_S: Final = 60.0  # after a change whose outcome is unknown, nothing that it may outdate is fresh for so long
_SMALLEST_SHARE: Final = 0.85
_SAVE_S: Final = 0.25
_REMOVE_S: Final = 1.0


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

    def __init__(
        self,
        circuit_breaker: CircuitBreaker,
        file: CacheFile | None = None,
        answers: Answers | None = None,
        siblings: Iterable[Cache] | None = None,
    ) -> None:
        """`siblings` are all caches that a change may outdate, this one among them."""
        self._circuit_breaker = circuit_breaker
        self._file = file
        self._answers = answers or Answers()
        self._siblings = [self] if siblings is None else siblings
        self.is_current = self._answers.is_current
        self._fetches: dict[str, asyncio.Task[Reading]] = {}
        self._deadlines: dict[str, Deadline] = {}  # of the fetches under way
        self._changing: dict[str, int] = {}
        self._timeout_s = 0.0
        self._earlier = EarlierAnswers(self._answers, file)

    def serve(self, limits: Limits, *, revealed: bool) -> None:
        """Take a service in: answers are kept and waited for as long, and shown as much, as any service wants."""
        self._timeout_s = max(self._timeout_s, limits.timeout_s)
        self._earlier.serve(limits.max_stale_s, revealed=revealed)

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
        if not self._earlier.loaded:
            await self._earlier.load()
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
        except KeyLacksPermissionError:
            self.drop(question)
            raise

    async def _ask(
        self, question: str, fetch: Callable[[Deadline], Awaitable[Fetched]], deadline: Deadline, limits: Limits
    ) -> Reading:
        """A fetch's reading. While the cloud is away, only who starts the probe waits, and only if nothing is known."""
        if deadline.remaining_s() <= 0:  # nobody would wait for it
            raise CloudTimeoutError("the caller's time was over before the cloud was asked. Try again later.")
        task = self._fetches.get(question)
        if self._circuit_breaker.is_open and (task is not None or not self._circuit_breaker.probe_due):
            raise self._circuit_breaker.unreachable()
        if task is None:
            task = self._start(question, fetch, limits)
        if (
            self._circuit_breaker.is_open
            and self._last_known(question, self._circuit_breaker.unreachable(), limits) is not None
        ):
            raise self._circuit_breaker.unreachable()
        try:
            return await asyncio.wait_for(asyncio.shield(task), deadline.remaining_s())
        except asyncio.TimeoutError:
            read = self._deadlines.get(question)
            if read is not None and isinstance(read.last_error, BillingError):
                raise read.last_error from None
            raise CloudTimeoutError("the cloud did not answer in time. Try again later.") from None
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # the caller left
            raise CloudUnreachableError("the service was closed while the call was under way. Repeat it.") from None

    def is_pausing(self, question: str) -> bool:
        """Whether the fetch of an answer has failed and only waits for the time to try again."""
        return question in self._deadlines and self._deadlines[question].last_error is not None

    @asynccontextmanager
    async def changing(self, *questions: str) -> AsyncIterator[None]:
        """Around the sending of a change: what it outdates is forgotten, also what is being fetched meanwhile.

        It is gone from the disk before: should the module die on the way, its next start must not take it for fresh.
        """
        for cache in self._siblings:
            await cache.begin_change(questions)
        outcome = Outcome.UNKNOWN
        try:
            yield
            outcome = Outcome.REFUSED
        except BillingError as error:
            outcome = error.outcome
            raise
        finally:
            for cache in self._siblings:
                cache.end_change(questions, for_s=_DISTRUST_S if outcome is Outcome.UNKNOWN else 0.0)

    async def begin_change(self, questions: Iterable[str]) -> None:
        """Forget answers, on disk too, and keep none until the change has ended."""
        for question in questions:
            self._changing[question] = self._changing.get(question, 0) + 1
            self.drop(question)
        if self._file is not None:
            await self._file.written(within_s=_REMOVE_S)

    def end_change(self, questions: Iterable[str], *, for_s: float) -> None:
        """Forget what came meanwhile, and take nothing for fresh for a while if it may yet be changed."""
        for question in questions:
            self._changing[question] -= 1
            if not self._changing[question]:
                del self._changing[question]
            self.drop(question)
            if for_s:
                self._answers.distrust(question, for_s)

    def drop(self, question: str) -> None:
        """Forget an answer; a fetch under way still answers those who wait for it, and nobody else."""
        self._fetches.pop(question, None)
        self._answers.drop(question)
        if self._file is not None:
            self._earlier.outdated.add(question)
            self._file.delete(question)

    def clear(self) -> None:
        """Forget all answers."""
        for question in [*self._answers, *self._fetches]:
            self.drop(question)
        if self._file is not None:
            self._earlier.forgotten = True
            self._file.delete_all()

    def _start(
        self, question: str, fetch: Callable[[Deadline], Awaitable[Fetched]], limits: Limits
    ) -> asyncio.Task[Reading]:
        """The one fetch of a question. It belongs to nobody: its first caller's leaving does not end it."""
        # A little less than a caller's own time, so that its error arrives and not the caller's time-out.
        time_s = max(limits.timeout_s, self._timeout_s)
        deadline = Deadline(time_s - min(0.25, 0.2 * time_s))
        task = asyncio.create_task(self._fetched(question, fetch, deadline, limits), name=f"viam-billing {question}")
        self._fetches[question] = task
        self._deadlines[question] = deadline
        task.add_done_callback(lambda done: self._ended(question, done))
        return task

    async def _fetched(
        self, question: str, fetch: Callable[[Deadline], Awaitable[Fetched]], deadline: Deadline, limits: Limits
    ) -> Reading:
        fetched = await fetch(deadline)
        if self._fetches.get(question) is not asyncio.current_task() or question in self._changing:
            return Reading(fetched.value, self._answers.now_s())  # outdated by a change meanwhile: not kept
        share = random.uniform(_SMALLEST_SHARE, 1.0)  # noqa: S311 - no secret
        entry = self._answers.put(question, fetched.value, fetched.valid_until_s, share)
        del self._fetches[question]  # it has answered: what is left is the disk's time
        if self._file is not None and limits.max_stale_s > 0:
            await self._file.save(question, entry, within_s=_SAVE_S)
        return Reading(entry.value, entry.as_of_s)

    def _ended(self, question: str, task: asyncio.Task[Reading]) -> None:
        if self._fetches.get(question) in {task, None}:  # and no later one's
            self._fetches.pop(question, None)
            self._deadlines.pop(question, None)
        retrieve_exception(task)

    def _last_known(self, question: str, error: BillingError, limits: Limits) -> Reading | None:
        entry = self._answers.valid(question)
        if entry is None or self._answers.age_s(entry) > limits.max_stale_s:
            return None
        return Reading(entry.value, self._answers.as_of_s(entry), error.code)

    def close(self) -> None:
        """End the fetches under way and close the file. May be called twice."""
        for task in self._fetches.values():
            task.cancel()
        self._earlier.close()
        if self._file is not None:
            self._file.close()
