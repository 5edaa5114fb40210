"""One connection and one login to the cloud, shared by all services with the same key and address.

client() --> connected and logged in? --yes--> an AppClient
| no
v
one login for all callers: import and certificates (in a thread), channel, Authenticate
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.cloud.error_mapping import translate_login
from viam_billing.cloud.failures import CALL_ERRORS, CallError, Cause, cause_of
from viam_billing.cloud.token import Token
from viam_billing.core.errors import (
    BillingError,
    CloudTimeoutError,
    CloudUnreachableError,
    KeyRejectedError,
    service_closed,
)
from viam_billing.core.redaction import redacted

if TYPE_CHECKING:
    from types import ModuleType

    from viam_billing.cloud.transport import AppClient, Channel
    from viam_billing.core.times import Deadline
    from viam_billing.settings.app_address import AppAddress

LOGGER: Final = logging.getLogger(__name__)

CALLS_AT_ONCE: Final = 32
"""A fleet's worth of calls must not overrun the cloud or a small computer."""

_LOGIN_S: Final = 10.0
_IDLE_S: Final = 30.0
"""A router may have forgotten a connection that was silent for so long, without telling anybody."""
_USELESS_TOKENS: Final = 3
"""Tokens in a row of which none got a call through: the key is to blame."""
_LONGEST_CALL_S: Final = 150.0


class Session:
    """Connects when first needed, and logs in anew when the cloud no longer takes the token."""

    def __init__(self, address: AppAddress, key_id: str, key: str, ca_file: str | None = None) -> None:
        self._address = address
        self._key_id = key_id
        self._key = key
        self._ca_file = ca_file
        self._channel: Channel | None = None
        self._client: AppClient | None = None
        self._login: asyncio.Task[AppClient] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._last_answer_s = 0.0
        self._lost_s = 0.0
        self._useless_tokens = 0
        self.redact = partial(redacted, key=key)
        self.circuit_breaker = CircuitBreaker(address.text)
        self.slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self.when_key_rejected: list[Callable[[], None]] = []
        self.closed = False
        self.logins = 0

    @property
    def connected(self) -> bool:
        """Whether there is a login, and the cloud answered last."""
        return self._client is not None and not self.circuit_breaker.is_open

    async def client(self, deadline: Deadline, refused: Token | None = None) -> AppClient:
        """A logged-in client, made now if there is none.

        Args:
            deadline: how long this caller waits; the login goes on for others.
            refused: a token that the cloud no longer takes. Whoever reports it first starts the one new login.

        Raises:
            BillingError: the login's error, or `cloud_timeout` at the deadline.
        """
        client = self._client
        if client is not None and client.token is not refused:
            is_idle = time.monotonic() - self._last_answer_s > _IDLE_S
            return self._on_new_channel(client) if is_idle else client
        if self.closed:
            raise service_closed()
        self._client = None
        task = self.begin_login()
        await asyncio.wait({task}, timeout=deadline.remaining_s())
        if task.cancelled():
            raise service_closed()
        if not task.done():
            raise CloudTimeoutError("the cloud did not answer the login in time. Try again later.")
        error = task.exception()
        if isinstance(error, BillingError):
            raise error.copy() from None  # each caller gets an error of its own
        return task.result()

    def begin_login(self) -> asyncio.Task[AppClient]:
        """The login under way, or a new one."""
        if self._login is None:
            self._login = asyncio.create_task(self._log_in(), name="viam-billing login")
            self._login.add_done_callback(self._login_ended)
        return self._login

    async def _log_in(self) -> AppClient:
        started_s = time.monotonic()
        transport = await asyncio.to_thread(_transport)
        if self._channel is None:
            self._channel = await transport.opened(self._address, self._ca_file)
        channel = self._channel
        self.logins += 1
        try:
            token = await channel.log_in(self._key_id, self._key, _LOGIN_S)
        except CALL_ERRORS as error:
            raise self._login_failed(error, channel, started_s) from None
        self.answered()
        client: AppClient = transport.AppClient(channel, Token(token))
        if self._channel is channel:
            self._client = client
        return client

    def _login_ended(self, task: asyncio.Task[AppClient]) -> None:
        if self._login is task:
            self._login = None
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, BillingError):
            LOGGER.error("a login ended in a defect: %s", type(error).__name__)

    def _login_failed(self, error: CallError, channel: Channel, started_s: float) -> BillingError:
        meaning = translate_login(error, self.redact)
        self.failed(error, meaning, channel, started_s)
        if isinstance(meaning, CloudTimeoutError):
            self.no_answer_since(started_s, meaning)
        if isinstance(meaning, KeyRejectedError):
            self.reject_key()
        return meaning

    def _on_new_channel(self, client: AppClient) -> AppClient:
        """The same login over a new connection: the token belongs to the login."""
        self._retire(client.channel)
        self._channel = client.channel.reopened()
        self._client = type(client)(self._channel, client.token)
        self._last_answer_s = time.monotonic()
        return self._client

    def answered(self, token: Token | None = None) -> None:
        """The cloud gave an answer, so it is there, and took the token."""
        self._last_answer_s = time.monotonic()
        if self.circuit_breaker.in_doubt:
            self.circuit_breaker.answered()
        if token is not None:
            token.answered = True
            self._useless_tokens = 0

    def failed(self, error: CallError, meaning: BillingError, channel: Channel, started_s: float) -> None:
        """Tell the circuit breaker what a call that failed, and began at `started_s`, says about the cloud.

        Silence is recorded by the caller, which knows how long it waited.
        """
        cause = cause_of(error)
        if self.closed:
            return
        if cause is Cause.NOT_CONNECTED:
            self._retire(channel)  # the next one connects when the circuit breaker lets it
            self.circuit_breaker.connection_failed(meaning)
        elif cause is Cause.LOST and started_s >= self._lost_s:  # else another call on the same connection has told
            self._lost_s = time.monotonic()
            self.circuit_breaker.connection_lost(meaning)
        elif cause in (Cause.ANSWER, Cause.UNREADABLE) and not isinstance(meaning, CloudUnreachableError):
            self.answered()

    def no_answer_since(self, started_s: float, error: BillingError) -> None:
        """A call's whole time passed without an answer. If nobody had one, the connection is given up."""
        if self._last_answer_s < started_s and not self.closed:
            self.circuit_breaker.connection_failed(error)
            self._login = None
            if self._channel is not None:
                self._retire(self._channel)

    def token_refused(self, token: Token) -> bool:
        """The cloud refused a call for its token. Returns whether that means the key: a fresh token of no other call.

        Several callers may use up a token before any of them knows. But tokens of which none gets a call through, one
        after the other, are useless.
        """
        client = self._client
        if client is not None and client.token is token:
            self._client = None
            self._useless_tokens += not token.answered
        means_key = token.is_fresh() or self._useless_tokens >= _USELESS_TOKENS
        if means_key:
            self._useless_tokens = 0
            self.reject_key()
        elif self._client is None:
            self.begin_login()
        return means_key

    def reject_key(self) -> None:
        """The cloud does not know the key: what was learned with it is forgotten."""
        for forget in self.when_key_rejected:
            forget()

    def _retire(self, channel: Channel) -> None:
        """No new calls on a channel; those under way may end."""
        if self._channel is channel:
            self._channel = None
            self._client = None
        self._close(channel, _LONGEST_CALL_S)

    def _close(self, channel: Channel, grace_s: float | None) -> None:
        closing = asyncio.create_task(channel.close(grace_s), name="viam-billing channel closing")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def close(self) -> None:
        """Drop the connection; calls under way end with `cloud_unreachable`. May be called twice."""
        self.closed = True
        self._client = None
        if self._login is not None:
            self._login.cancel()
        if self._channel is not None:
            self._close(self._channel, None)
            self._channel = None


def _transport() -> ModuleType:
    """Import gRPC core and the SDK's clients: tens of milliseconds, for which the event loop would stand still."""
    from viam_billing.cloud import transport  # noqa: PLC0415 - see above

    return transport
