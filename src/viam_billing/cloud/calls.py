"""How a call of the cloud is made: login, deadline, what is repeated and what is sent once.

read      --> circuit breaker --> repeated after what may pass --> login, slot, one call
send_once --> login, slot, connection --> mark as sent --> one call
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, NoReturn, Protocol, TypeVar, cast

from google.protobuf.message import Message
from msgspec import Struct

from viam_billing.cloud.error_mapping import translate
from viam_billing.cloud.failures import CALL_ERRORS, CallError
from viam_billing.cloud.session import CALLS_AT_ONCE, Session
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome
from viam_billing.core.times import Deadline

M = TypeVar("M", bound=Message)

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_SHORTEST_ATTEMPT_S: Final = 0.25
_PATIENCE_SHARE: Final = 0.7
"""A silence of this share of `timeout_s` says something about the cloud; a caller may have less time than that."""


class _NoSlotError(errors.CloudTimeoutError):
    """The time was over before the call was made, which says nothing about the cloud."""


class Counters(Struct):
    """What `get_status` tells of the calls; times in Unix seconds, None for never."""

    cloud_calls: int = 0
    retries: int = 0
    last_success: float | None = None
    last_error: str | None = None


class Sink(Protocol):
    """Where a streamed answer goes."""

    async def take(self, chunk: bytes) -> None:
        """The next part."""

    async def restart(self) -> None:
        """Another attempt begins: forget the parts so far."""


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

    async def read(self, request: Message, answer: type[M], deadline: Deadline, sink: Sink | None = None) -> M:  # noqa: ARG002 - its type
        """A call that changes nothing: made again after what may pass, until it answers or its time is over.

        `answer` is the kind of its answer; one that is streamed goes to the `sink`, and what is returned is no answer.
        """
        session, started_s, pause_s = self._session or _no_key(), time.monotonic(), _FIRST_PAUSE_S
        circuit_breaker = session.circuit_breaker
        probe = circuit_breaker.is_open and circuit_breaker.enter()
        try:
            while True:
                deadline.last_error = None
                try:
                    return cast("M", await self._attempt(request, session, deadline, sink))
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
            is_silence = isinstance(error, (errors.CloudUnreachableError, errors.CloudTimeoutError))
            if is_silence and not isinstance(error, _NoSlotError) and time.monotonic() - started_s >= self._patience_s:
                session.no_answer_since(started_s, error)
            raise self._failed(error) from None
        finally:
            if probe:
                circuit_breaker.leave_probe()

    async def _attempt(
        self, request: Message, session: Session, deadline: Deadline, sink: Sink | None
    ) -> Message | None:
        """One call; with a new token where the old one turns out to have expired."""
        rpc, refused = request.DESCRIPTOR.name.removesuffix("Request"), None
        while True:
            client = await session.client(deadline, refused)
            if session.slots.locked():
                await _wait_for_slot(rpc, session, deadline)
            else:
                await session.slots.acquire()
            started_s, channel, method, answer = time.monotonic(), client.channel, client.methods[rpc], None
            self._counters.cloud_calls += 1
            client.calls += 1
            try:
                if sink is None:
                    answer = await channel.unary(method, request, deadline.remaining_s(), client.metadata)
                else:
                    await sink.restart()
                    parts = channel.stream(method, request, deadline.remaining_s(), client.metadata)
                    async with aclosing(parts):  # else a sink's error would leave the call under way
                        async for part in parts:
                            session.answered()  # it may be slow, but it is there
                            taking = sink.take(part.chunk)
                            del part  # it has the chunk's megabytes too
                            await taking
            except CALL_ERRORS as call_error:
                error = await channel.told_apart(call_error, client.metadata, deadline.remaining_s())
                meaning = translate(error, rpc, Outcome.UNKNOWN, session.redact)
                session.failed(error, meaning, channel, started_s)
                if not isinstance(meaning, errors.KeyRejectedError) or session.token_refused(client):
                    raise meaning from None
            else:
                session.answered(client)
                self._counters.last_success = self._now()
                return answer
            finally:
                session.slots.release()
            refused = client
            self._counters.retries += 1

    async def log_in(self, deadline: Deadline) -> None:
        """Connect and log in: what fails here was certainly not sent."""
        session, probe = self._session or _no_key(), False
        try:
            probe = session.circuit_breaker.enter()
            await session.client(deadline)
        except BillingError as error:
            raise self._failed(error) from None
        finally:
            if probe:
                session.circuit_breaker.leave_probe()

    async def send_once(
        self,
        request: Message,
        deadline: Deadline,
        outcome_of: Callable[[CallError], Outcome],
        mark_sent: Callable[[], Awaitable[None]] | None = None,
    ) -> Message:
        """A call that changes something, never repeated. What fails before `mark_sent` returns was never sent."""
        rpc = request.DESCRIPTOR.name.removesuffix("Request")
        await self.log_in(deadline)
        session = self._session or _no_key()
        client = await session.client(deadline)
        await _wait_for_slot(rpc, session, deadline)
        started_s, channel, method, sent = time.monotonic(), client.channel, client.methods[rpc], False
        try:
            await channel.connect(deadline.remaining_s())
            if mark_sent is not None:
                await mark_sent()
            self._counters.cloud_calls += 1
            client.calls += 1
            sent = True
            sys.audit("viam_billing.cloud.about_to_send", rpc)
            answer = await channel.unary(method, request, deadline.remaining_s(), client.metadata)
        except CALL_ERRORS as error:
            meaning = translate(error, rpc, outcome_of(error) if sent else Outcome.NEVER_SENT, session.redact)
            session.failed(error, meaning, channel, started_s)
            if isinstance(meaning, errors.KeyRejectedError) and not session.token_refused(client):
                raise self._failed(login_expired(rpc)) from None
            raise self._failed(meaning) from None
        finally:
            session.slots.release()
        sys.audit("viam_billing.cloud.answered", rpc)
        session.answered(client)
        self._counters.last_success = self._now()
        return answer

    def _failed(self, error: BillingError) -> BillingError:
        self._counters.last_error = error.message
        return error


async def _wait_for_slot(rpc: str, session: Session, deadline: Deadline) -> None:
    """Take one of the places of the calls that may be in flight."""
    taking, in_time = asyncio.create_task(session.slots.acquire()), False
    try:
        in_time = bool((await asyncio.wait({taking}, timeout=deadline.remaining_s()))[0])
    finally:
        if not in_time:  # or its caller was cancelled, perhaps in the moment in which it got one
            taking.cancel()
            taking.add_done_callback(lambda taken: taken.cancelled() or session.slots.release())  # type: ignore[func-returns-value]
    if not in_time:
        raise _NoSlotError(f"{CALLS_AT_ONCE} calls were before it ({rpc}). Try again later.")


def _no_key() -> NoReturn:
    raise errors.NotConfiguredError("no API key is known. Set api_key (or api_key_file) and api_key_id of an owner.")


def login_expired(rpc: str) -> errors.CloudError:
    """What a change gets that met an expired token: it was refused, and is not sent again by the module."""
    return errors.CloudError(
        f"the login had expired and the cloud refused the call ({rpc}); nothing was done. "
        "The module logs in anew: repeat the call.",
        Outcome.REFUSED,
    )
