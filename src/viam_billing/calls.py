"""How a call of the cloud is made: login, deadline, at most 32 at once, the meaning of its error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from viam_billing.errors import BillingError, CloudError, CloudTimeoutError, NotConfiguredError, Outcome
from viam_billing.retry import CALL_ERRORS, translate

if TYPE_CHECKING:
    from viam_billing.link import Link, Session
    from viam_billing.times import Deadline

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_AT_ONCE: Final = 32
"""Calls in flight at most, so that a fleet's worth of questions does not overrun the cloud or a small computer."""


@dataclass(slots=True)
class Counters:
    """What `get_status` tells of the cloud; times in Unix seconds, None for never."""

    cloud_calls: int = 0
    retries: int = 0
    last_success: float | None = None
    last_error: str | None = None


class Calls:
    """Makes calls over a link. Every method raises `BillingError`s only.

    Reads may be repeated inside their deadline. A change is sent once; its error's `outcome` says what is known of it.
    """

    def __init__(self, link: Link | None, counters: Counters, now: Callable[[], float] = time.time) -> None:
        self._link = link
        self._counters = counters
        self._now = now
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def read(self, rpc: str, request: Message, deadline: Deadline, kind: type[M]) -> M:
        """A unary call that changes nothing."""

        async def attempt(session: Session) -> Message:
            return await session.client.read(rpc, request, deadline.remaining_s())

        answer = await self._attempts(rpc, attempt, deadline)
        if not isinstance(answer, kind):
            raise CloudError(f"the cloud's answer is of another kind ({rpc}). Update the module.")
        return answer

    async def stream(
        self, rpc: str, request: Message, deadline: Deadline, take: Callable[[Message], Awaitable[None]]
    ) -> None:
        """A call with a streamed answer that changes nothing, each message handed to `take`."""

        async def attempt(session: Session) -> None:
            await session.client.stream(rpc, request, deadline.remaining_s(), take)

        await self._attempts(rpc, attempt, deadline)

    async def change(self, rpc: str, request: Message, deadline: Deadline) -> None:
        """A call that changes something, sent at most once."""
        session = await self.session(deadline)
        fresh = session.begin_call()
        sent = False

        def before_send() -> None:
            nonlocal sent
            sent = True

        async def attempt() -> Message:
            return await session.client.call(rpc, request, deadline.remaining_s(), before_send)

        try:
            await self._counted(rpc, attempt, deadline)
        except GRPCError as error:
            if error.status is Status.UNAUTHENTICATED and not fresh:
                raise self._failed(await self._login_expired(rpc, session, deadline)) from None
            raise self._failed(_as_change(translate(error, rpc, sent=sent))) from None
        except CALL_ERRORS as error:
            raise self._failed(_as_change(translate(error, rpc, sent=sent))) from None
        except BillingError as error:
            error.outcome = Outcome.UNKNOWN if sent else Outcome.NEVER_SENT
            raise self._failed(_as_change(error)) from None

    async def session(self, deadline: Deadline, expired: Session | None = None) -> Session:
        """A logged-in client, made now if there is none or only an `expired` one."""
        if self._link is None:
            raise NotConfiguredError(
                "no API key is known. Set the attributes api_key and api_key_id to an organization owner's key."
            )
        try:
            return await self._link.session(deadline, expired)
        except BillingError as error:
            raise self._failed(error) from None

    async def _attempts(self, rpc: str, attempt: Callable[[Session], Awaitable[T]], deadline: Deadline) -> T:
        """A read, repeated with a new token while the old ones turn out to have expired."""
        expired: Session | None = None
        while True:
            session = await self.session(deadline, expired)
            fresh = session.begin_call()
            try:
                return await self._counted(rpc, lambda: attempt(session), deadline)  # noqa: B023 - awaited at once
            except GRPCError as error:
                if error.status is not Status.UNAUTHENTICATED or fresh or deadline.remaining_s() <= 0:
                    raise self._failed(translate(error, rpc, sent=True)) from None
                expired = session
                self._counters.retries += 1
            except CALL_ERRORS as error:
                raise self._failed(translate(error, rpc, sent=True)) from None

    async def _login_expired(self, rpc: str, session: Session, deadline: Deadline) -> BillingError:
        """A change met an expired token: log in anew, but leave it to the caller to send again."""
        try:
            await self.session(deadline, expired=session)
        except BillingError as error:
            error.outcome = Outcome.REFUSED
            return error
        return CloudError(
            f"the login had expired and the cloud refused the call ({rpc}); nothing was changed. "
            "The module has logged in anew: repeat the call.",
            Outcome.REFUSED,
        )

    async def _counted(self, rpc: str, call: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
        try:
            await asyncio.wait_for(self._slots.acquire(), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise CloudTimeoutError(f"{_AT_ONCE} calls were before it ({rpc}). Try again later.") from None
        try:
            self._counters.cloud_calls += 1
            answer = await call()
        finally:
            self._slots.release()
        self._counters.last_success = self._now()
        return answer

    def _failed(self, error: BillingError) -> BillingError:
        self._counters.last_error = error.message
        return error


def _as_change(error: BillingError) -> BillingError:
    """The error of a change, which says what is known of the change."""
    hint = {
        Outcome.NEVER_SENT: " Nothing was sent.",
        Outcome.REFUSED: "",
        Outcome.UNKNOWN: " It may have been done: look before you repeat it.",
    }
    return type(error)(error.text + hint[error.outcome], error.outcome)
