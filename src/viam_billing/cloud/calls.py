"""How a call of the cloud is made: login, deadline, what is repeated and what is sent once.

read      --> circuit breaker --> repeated after what may pass --> login, slot, one call
send_once --> login, slot, connection --> mark as sent --> one call
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message
from msgspec import Struct

from viam_billing.cloud.error_mapping import translate
from viam_billing.cloud.failures import CALL_ERRORS, PAGE, CallError, CallFailedError, Cause, cause_of
from viam_billing.cloud.session import CALLS_AT_ONCE, Session
from viam_billing.core.errors import (
    BillingError,
    CloudError,
    CloudTimeoutError,
    CloudUnreachableError,
    KeyRejectedError,
    NotConfiguredError,
    Outcome,
)

if TYPE_CHECKING:
    from viam_billing.cloud.token import Token
    from viam_billing.cloud.transport import AppClient
    from viam_billing.core.times import Deadline

T = TypeVar("T")
Ask = Callable[["AppClient", float], Awaitable[T]]
"""One call of a client in a number of seconds."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_SHORTEST_ATTEMPT_S: Final = 0.25
_PATIENCE_SHARE: Final = 0.7
"""A silence of this share of `timeout_s` says something about the cloud; a caller may have less time than that."""


class Counters(Struct):
    """What `get_status` tells of the calls; times in Unix seconds, None for never."""

    cloud_calls: int = 0
    retries: int = 0
    last_success: float | None = None
    last_error: str | None = None


class Calls:
    """Makes the calls of one service over a session that it may share with others."""

    def __init__(
        self, session: Session | None, counters: Counters, timeout_s: float, now: Callable[[], float] = time.time
    ) -> None:
        """`session` is None where no API key is known."""
        self._session = session
        self._counters = counters
        self._patience_s = _PATIENCE_SHARE * timeout_s
        self._now = now

    async def read(self, rpc: str, ask: Ask[T], deadline: Deadline) -> T:
        """A call that changes nothing: made again after what may pass, until it answers or its time is over."""
        session, started_s, pause_s = self._session, time.monotonic(), _FIRST_PAUSE_S
        if session is None:
            raise no_key()
        circuit_breaker = session.circuit_breaker
        probe = circuit_breaker.is_open and circuit_breaker.enter()
        try:
            while True:
                deadline.last_error = None
                try:
                    return await self._attempt(rpc, ask, session, deadline)
                except BillingError as error:
                    wait_s = pause_s * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
                    if not error.retryable or deadline.remaining_s() < wait_s + _SHORTEST_ATTEMPT_S:
                        raise
                    deadline.last_error = error
                await asyncio.sleep(wait_s)
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
                self._counters.retries += 1
                if circuit_breaker.is_open and not probe:
                    raise circuit_breaker.unreachable()
        except BillingError as error:
            waited_s = time.monotonic() - started_s
            if isinstance(error, (CloudUnreachableError, CloudTimeoutError)) and waited_s >= self._patience_s:
                session.no_answer_since(started_s, error)
            raise self._failed(error) from None
        finally:
            if probe:
                circuit_breaker.leave_probe()

    async def log_in(self, deadline: Deadline) -> None:
        """Connect and log in: what fails here was certainly not sent."""
        session = self.session
        probe = False
        try:
            probe = session.circuit_breaker.enter()
            await session.client(deadline)
        except BillingError as error:
            raise self._failed(error) from None
        finally:
            if probe:
                session.circuit_breaker.leave_probe()

    async def _attempt(self, rpc: str, ask: Ask[T], session: Session, deadline: Deadline) -> T:
        """One call; with a new token where the old one turns out to have expired."""
        refused: Token | None = None
        while True:
            client = await session.client(deadline, refused)
            if session.slots.locked():
                await _wait_for_slot(rpc, session, deadline)
            else:
                await session.slots.acquire()
            started_s = time.monotonic()
            try:
                self._counters.cloud_calls += 1
                client.token.calls += 1
                answer = await ask(client, deadline.remaining_s())
            except CALL_ERRORS as call_error:
                error = await _looked_at(call_error, client, deadline)
                meaning = translate(error, rpc, Outcome.UNKNOWN, session.redact)
                session.failed(error, meaning, client.channel, started_s)
                if not isinstance(meaning, KeyRejectedError) or session.token_refused(client.token):
                    raise meaning from None
            else:
                session.answered(client.token)
                self._counters.last_success = self._now()
                return answer
            finally:
                session.slots.release()
            refused = client.token
            self._counters.retries += 1

    async def send_once(
        self,
        rpc: str,
        request: Message,
        deadline: Deadline,
        outcome_of: Callable[[CallError], Outcome],
        mark_sent: Callable[[], Awaitable[None]] | None = None,
    ) -> Message:
        """A call that changes something, never repeated. What fails before `mark_sent` returns was never sent."""
        await self.log_in(deadline)
        session = self.session
        client = await session.client(deadline)
        await _wait_for_slot(rpc, session, deadline)
        started_s, sent = time.monotonic(), False
        try:
            await client.channel.connect(deadline.remaining_s())
            if mark_sent is not None:
                await mark_sent()
            self._counters.cloud_calls += 1
            client.token.calls += 1
            stub, sent = getattr(client.billing, rpc), True
            answer: Message = await stub(request, timeout=deadline.remaining_s(), metadata=client.metadata)
        except CALL_ERRORS as error:
            meaning = translate(error, rpc, outcome_of(error) if sent else Outcome.NEVER_SENT, session.redact)
            session.failed(error, meaning, client.channel, started_s)
            if isinstance(meaning, KeyRejectedError) and not session.token_refused(client.token):
                meaning = _login_expired(rpc)
            raise self._failed(meaning) from None
        finally:
            session.slots.release()
        session.answered(client.token)
        self._counters.last_success = self._now()
        return answer

    @property
    def session(self) -> Session:
        """Raises: NotConfiguredError: if no API key is known."""
        if self._session is None:
            raise no_key()
        return self._session

    def _failed(self, error: BillingError) -> BillingError:
        self._counters.last_error = error.message
        return error


async def _wait_for_slot(rpc: str, session: Session, deadline: Deadline) -> None:
    """Take one of the places of the calls that may be in flight."""
    try:
        await asyncio.wait_for(session.slots.acquire(), deadline.remaining_s())
    except asyncio.TimeoutError:
        raise CloudTimeoutError(f"{CALLS_AT_ONCE} calls were before it ({rpc}). Try again later.") from None


async def _looked_at(error: CallError, client: AppClient, deadline: Deadline) -> CallError:
    """A read's error. A page in place of an answer is told apart by asking what answers."""
    if not isinstance(error, CallFailedError) or cause_of(error) is not Cause.NO_TRAILERS:
        return error
    if await client.channel.meets_page(error.method, client.metadata, deadline.remaining_s()):
        return CallFailedError(error.status, f"{PAGE}200")
    return error


def no_key() -> NotConfiguredError:
    """What a call gets that needs an API key where none is known."""
    return NotConfiguredError(
        "no API key is known. Set the attributes api_key and api_key_id to an organization owner's key."
    )


def _login_expired(rpc: str) -> CloudError:
    return CloudError(
        f"the login had expired and the cloud refused the call ({rpc}); nothing was done. "
        "The module logs in anew: repeat the call.",
        Outcome.REFUSED,
    )
