"""How a call of the cloud is made: login, deadline, at most 32 at once, what is repeated, the meaning of its error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from msgspec import Struct

from viam_billing.errors import (
    BillingError,
    CloudError,
    CloudTimeoutError,
    CloudUnreachableError,
    NotConfiguredError,
    Outcome,
)
from viam_billing.link import AT_ONCE
from viam_billing.repeated_read import RepeatedRead
from viam_billing.retry import CALL_ERRORS, translate

if TYPE_CHECKING:
    from viam_billing.link import Link, Session
    from viam_billing.times import Deadline

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_LAST_MOMENT_S: Final = 0.02
_PATIENCE_S: Final = 1.0
"""A caller may have less time than any network needs; only a wait this long says something about the cloud."""


class Counters(Struct):
    """What `get_status` tells of the cloud; times in Unix seconds, None for never."""

    cloud_calls: int = 0
    retries: int = 0
    last_success: float | None = None
    last_error: str | None = None


class Calls:
    """Makes calls over a link. Every method raises `BillingError`s only.

    Reads are repeated inside their deadline. A change is sent once; its error's `outcome` says what is known of it.
    """

    def __init__(
        self, link: Link | None, counters: Counters, timeout_s: float, now: Callable[[], float] = time.time
    ) -> None:
        self._link = link
        self._counters = counters
        self._patience_s = 0.9 * min(timeout_s, _PATIENCE_S)
        self._now = now

    async def read(self, rpc: str, request: Message, deadline: Deadline, kind: type[M]) -> M:
        """A unary call that changes nothing."""

        async def attempt(session: Session) -> Message:
            return await session.client.read(rpc, request, deadline.remaining_s())

        answer = await self._repeated(rpc, attempt, deadline)
        if not isinstance(answer, kind):
            raise CloudError(f"the cloud's answer is of another kind ({rpc}). Update the module.")
        return answer

    async def stream(
        self,
        rpc: str,
        request: Message,
        deadline: Deadline,
        take: Callable[[Message], Awaitable[None]],
        restart: Callable[[], Awaitable[None]],
    ) -> None:
        """A call with a streamed answer that changes nothing.

        Each message is handed to `take`; `restart` is called before each attempt, to forget what an earlier one gave.
        """

        async def attempt(session: Session) -> None:
            await restart()
            await session.client.stream(rpc, request, deadline.remaining_s(), take)

        await self._repeated(rpc, attempt, deadline)

    async def change(self, rpc: str, request: Message, deadline: Deadline) -> None:
        """A call that changes something, sent at most once."""
        session = await self.session(deadline)
        sent = False

        def before_send() -> None:
            nonlocal sent
            sent = True

        async def attempt(session: Session) -> Message:
            return await session.client.call(rpc, request, deadline.remaining_s(), before_send)

        try:
            await self._once(rpc, attempt, session, deadline, lambda: sent)
        except _LoginExpiredError:
            raise self._failed(await self._log_in_anew(rpc, session, deadline)) from None
        except BillingError as error:
            if not sent:
                error.outcome = Outcome.NEVER_SENT
            elif error.outcome is Outcome.NEVER_SENT:
                error.outcome = Outcome.UNKNOWN  # an answer that could not be read
            raise self._failed(_as_change(error)) from None

    async def session(self, deadline: Deadline, expired: Session | None = None) -> Session:
        """A logged-in client, made now if there is none or only an `expired` one."""
        link = self._known_link()
        try:
            probe = link.presence.enter()
            try:
                return await link.session(deadline, expired)
            finally:
                if probe:
                    link.presence.leave_probe()
        except BillingError as error:
            raise self._failed(error) from None

    async def _repeated(self, rpc: str, attempt: Callable[[Session], Awaitable[T]], deadline: Deadline) -> T:
        """A read: with a new token while the old ones turn out to have expired, and again after what may pass."""
        link = self._known_link()
        started_s = time.monotonic()

        def count_retry() -> None:
            self._counters.retries += 1

        async def once() -> T:
            return await self._with_valid_login(rpc, attempt, link, deadline)

        try:
            return await RepeatedRead(link, once, deadline, count_retry).run()
        except BillingError as error:
            if (
                isinstance(error, (CloudUnreachableError, CloudTimeoutError))
                and deadline.remaining_s() <= _LAST_MOMENT_S
            ):
                self._note_no_answer(started_s, error)
            raise self._failed(error) from None

    async def _with_valid_login(
        self, rpc: str, attempt: Callable[[Session], Awaitable[T]], link: Link, deadline: Deadline
    ) -> T:
        expired: Session | None = None
        while True:
            session = await link.session(deadline, expired)
            try:
                return await self._once(rpc, attempt, session, deadline, lambda: True)
            except _LoginExpiredError:
                expired = session
                self._counters.retries += 1

    async def _once(
        self,
        rpc: str,
        attempt: Callable[[Session], Awaitable[T]],
        session: Session,
        deadline: Deadline,
        sent: Callable[[], bool],
    ) -> T:
        """One attempt, and what it says about connection, cloud and key."""
        link = self._known_link()
        await self._take_slot(rpc, link, deadline)
        fresh = session.begin_call()
        session.connection.begin_call()
        started_s = time.monotonic()
        try:
            self._counters.cloud_calls += 1
            answer = await attempt(session)
        except CALL_ERRORS as error:
            meaning = translate(error, rpc, sent=sent())
            link.note_failure(error, meaning, session.connection)
            if isinstance(error, GRPCError) and error.status is Status.UNAUTHENTICATED and not fresh:
                raise _LoginExpiredError from None
            if isinstance(meaning, CloudTimeoutError) and not isinstance(error, GRPCError):
                link.replace(session, started_s)
                self._note_no_answer(started_s, meaning)
            raise meaning from None
        finally:
            session.connection.end_call()
            link.slots.release()
        session.connection.answered()
        link.presence.answered()
        self._counters.last_success = self._now()
        return answer

    def _note_no_answer(self, started_s: float, error: BillingError) -> None:
        if time.monotonic() - started_s >= self._patience_s:
            self._known_link().presence.no_answer_since(started_s, error)

    async def _take_slot(self, rpc: str, link: Link, deadline: Deadline) -> None:
        if not link.slots.locked():
            await link.slots.acquire()
            return
        try:
            await asyncio.wait_for(link.slots.acquire(), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise CloudTimeoutError(f"{AT_ONCE} calls were before it ({rpc}). Try again later.") from None

    async def _log_in_anew(self, rpc: str, session: Session, deadline: Deadline) -> BillingError:
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

    def _known_link(self) -> Link:
        if self._link is None:
            raise NotConfiguredError(
                "no API key is known. Set the attributes api_key and api_key_id to an organization owner's key."
            )
        return self._link

    def _failed(self, error: BillingError) -> BillingError:
        self._counters.last_error = error.message
        return error


class _LoginExpiredError(Exception):
    """A token that had been good is no longer."""


def _as_change(error: BillingError) -> BillingError:
    """The error of a change, which says what is known of the change."""
    hint = {
        Outcome.NEVER_SENT: " Nothing was sent.",
        Outcome.REFUSED: "",
        Outcome.UNKNOWN: " It may have been done: look before you repeat it.",
    }
    return type(error)(error.text + hint[error.outcome], error.outcome)
