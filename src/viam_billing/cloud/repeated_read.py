"""A read over its whole time: repeated after what may pass, given up at once while the cloud is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from viam_billing.core.errors import BillingError, CloudTimeoutError, CloudUnreachableError
from viam_billing.core.tasks import retrieve_exception

if TYPE_CHECKING:
    from viam_billing.cloud.link import Link
    from viam_billing.core.times import Deadline

T = TypeVar("T")

_SHORTEST_ATTEMPT_S: Final = 0.25
_GRACE_S: Final = 0.05
"""An attempt keeps the deadline itself, and knows more of its end than a cancelled one."""


class RepeatedRead(Generic[T]):
    """One read. `attempt` is one attempt; `count_retry` is called before each further one.

    `patience_s`: how long a silence has to be to say something about the cloud; a caller may have less time than that.
    """

    def __init__(
        self,
        link: Link,
        attempt: Callable[[], Awaitable[T]],
        deadline: Deadline,
        patience_s: float,
        count_retry: Callable[[], None],
    ) -> None:
        self._link = link
        self._attempt = attempt
        self._deadline = deadline
        self._patience_s = patience_s
        self._count_retry = count_retry
        self._probe = False
        self._pausing = False
        self._last_error: BillingError | None = None
        self._started_s = self._attempt_s = time.monotonic()

    async def run(self) -> T:
        """The answer.

        Raises:
            BillingError: the last attempt's error; `cloud_timeout` only where that one had no answer.
        """
        self._probe = self._link.presence.enter()
        try:
            return await self._in_time()
        except CloudTimeoutError as error:
            meaning = self._late(error)
            if isinstance(meaning, (CloudUnreachableError, CloudTimeoutError)):
                self._note_silence(meaning)
            raise meaning from None
        finally:
            if self._probe:
                self._link.presence.leave_probe()

    async def _in_time(self) -> T:
        await self._link.prepare()
        try:
            return await self._once()  # keeps the deadline itself, and is nearly always all there is to do
        except BillingError as error:
            if not error.retryable:
                raise
        from viam_billing.cloud import attempts  # noqa: PLC0415 - imported by prepare, in a thread

        task = asyncio.ensure_future(attempts.repeat_again(self._once))
        task.add_done_callback(retrieve_exception)
        try:
            await asyncio.wait({task}, timeout=self._deadline.remaining_s() + _GRACE_S)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        raise CloudTimeoutError("the cloud did not answer in time. Try again later.")

    async def _once(self) -> T:
        if self._last_error is not None:
            self._count_retry()
            if self._link.presence.away and not self._probe:
                raise self._link.presence.unreachable()
        self._attempt_s = time.monotonic()
        self._pausing = False
        self._deadline.last_error = None
        try:
            return await self._attempt()
        except BillingError as error:
            if error.retryable:
                self._last_error = self._deadline.last_error = error
                self._pausing = True
            raise

    def _late(self, error: CloudTimeoutError) -> BillingError:
        """In a pause, or in an attempt that began right before the end, the last answer is what is known."""
        cut_short = self._pausing or time.monotonic() - self._attempt_s < _SHORTEST_ATTEMPT_S
        return self._last_error if self._last_error is not None and cut_short else error

    def _note_silence(self, error: BillingError) -> None:
        if time.monotonic() - self._started_s >= self._patience_s:
            self._link.presence.no_answer_since(self._started_s, error)
