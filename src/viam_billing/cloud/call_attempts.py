"""One attempt at a call of the cloud: its slot, its counting, and what its end says about connection, cloud and key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from msgspec import Struct

from viam_billing.cloud.connection import LoginExpiredError
from viam_billing.cloud.error_mapping import CALL_ERRORS, translate
from viam_billing.cloud.link import AT_ONCE, service_closed
from viam_billing.core.errors import CloudTimeoutError

if TYPE_CHECKING:
    from viam_billing.cloud.connection import Session
    from viam_billing.cloud.link import Link
    from viam_billing.core.times import Deadline

T = TypeVar("T")

_LAST_MOMENT_S: Final = 0.02  # too little to ask again


class Counters(Struct):
    """What `get_status` tells of the cloud; times in Unix seconds, None for never."""

    cloud_calls: int = 0
    retries: int = 0
    last_success: float | None = None
    last_error: str | None = None


class CallAttempts:
    """Makes single attempts on a session of a link."""

    def __init__(self, counters: Counters, now: Callable[[], float]) -> None:
        self._counters = counters
        self._now = now

    async def make(
        self,
        rpc: str,
        attempt: Callable[[Session], Awaitable[T]],
        link: Link,
        session: Session,
        deadline: Deadline,
        sent: Callable[[], bool],
    ) -> T:
        """Make one attempt.

        Raises:
            LoginExpiredError: if the cloud no longer takes the session's token.
            BillingError: in every other case that is not an answer.
        """
        await _take_slot(rpc, link, deadline)
        session.begin_call()
        started_s = time.monotonic()
        failure: BaseException | None = None
        try:
            self._counters.cloud_calls += 1
            answer = await attempt(session)
        except CALL_ERRORS as error:
            failure = error
        finally:
            session.end_call()
            link.slots.release()
        if failure is not None:
            raise _meaning(failure, rpc, link, session, started_s, deadline, sent=sent()) from None
        session.answered()
        link.token_taken()
        link.presence.answered()
        self._counters.last_success = self._now()
        return answer


async def _take_slot(rpc: str, link: Link, deadline: Deadline) -> None:
    """A slot, and a turn of the event loop: thousands of calls that begin at once would hold up every other caller."""
    async with link.starting:
        await asyncio.sleep(0)
    if link.slots.locked():
        try:
            await asyncio.wait_for(link.slots.acquire(), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise CloudTimeoutError(f"{AT_ONCE} calls were before it ({rpc}). Try again later.") from None
    else:
        await link.slots.acquire()
    if link.closed:
        link.slots.release()
        raise service_closed()


def _meaning(  # noqa: PLR0913 - all that is known of an attempt
    error: BaseException,
    rpc: str,
    link: Link,
    session: Session,
    started_s: float,
    deadline: Deadline,
    *,
    sent: bool,
) -> Exception:
    meaning = translate(error, rpc, sent=sent, redact=link.redact)
    link.note_failure(error, meaning, session.connection, started_s)
    if isinstance(error, GRPCError):
        rejected = error.status is Status.UNAUTHENTICATED
        return LoginExpiredError() if rejected and not link.token_rejected(session.token) else meaning
    if isinstance(meaning, CloudTimeoutError) and link.replace(session, started_s):
        # Cut short on a connection that had been idle and is dead: a new one is worth the rest of the time.
        meaning.retryable = deadline.remaining_s() > _LAST_MOMENT_S
    return meaning
