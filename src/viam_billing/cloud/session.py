"""One connection and one login to the cloud, shared by all services with the same key and address."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.cloud.api_key import ApiKey
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.cloud.error_mapping import translate_login
from viam_billing.cloud.failures import CALL_ERRORS, CallError, Cause, cause_of
from viam_billing.core import errors
from viam_billing.core.errors import BillingError
from viam_billing.core.tasks import wait_shared
from viam_billing.core.times import Deadline
from viam_billing.settings.app_address import AppAddress
from viam_billing.storage.disk import DiskThread

if TYPE_CHECKING:
    from viam_billing.cloud.app_client import AppClient
    from viam_billing.cloud.transport import Channel

LOGGER: Final = logging.getLogger(__name__)

CALLS_AT_ONCE: Final = 32
"""A fleet's worth of calls must not overrun the cloud or a small computer."""

_LOGIN_S: Final = 10.0
_IDLE_S: Final = 30.0
"""A router may have forgotten a connection that was silent for so long, without telling anybody."""
_USELESS_TOKENS: Final = 3
"""Tokens in a row of which none got a call through: the key is to blame."""
_LONGEST_CALL_S: Final = 150.0
_TOKENS_KEPT: Final = 4
"""Those that are taken out of texts: a call may still be under way with one of the last."""


class Session:
    """Connects when first needed, and logs in again when the cloud no longer takes the token."""

    def __init__(self, address: AppAddress, key_id: str, api_key: ApiKey, ca_file: str | None = None) -> None:
        self._address = address
        self._key_id = key_id
        self.api_key = api_key
        self._key: str | None = None  # of the last login
        self.redact = api_key.secrets.redact
        self._ca_file = ca_file
        self._channel: Channel | None = None
        self._client: AppClient | None = None
        self._login: asyncio.Task[AppClient] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._last_answer_s = 0.0
        self._lost_s = 0.0
        self._useless_tokens = 0
        self._tokens: deque[str] = deque()
        self._certificates = DiskThread("certificates")
        self.circuit_breaker = CircuitBreaker(address.text)
        self.slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self.when_key_rejected: list[Callable[[], None]] = []
        self.when_key_changed: list[Callable[[str], None]] = []
        self.closed = False
        self.logins = 0

    @property
    def connected(self) -> bool:
        """Whether there is a login, and the cloud answered last."""
        return self._client is not None and not self.circuit_breaker.is_open

    async def client(self, deadline: Deadline, refused: AppClient | None = None) -> AppClient:
        """A logged-in client. The login is shared, and goes on for others when a caller's time is over.

        `refused` is a client whose token the cloud no longer takes; whoever reports it first starts the one new login.

        Raises: BillingError: the login's error, or `cloud_timeout` at the deadline.
        """
        changed = self.api_key.in_file and await self._key_changed()
        client = self._client
        if client is not None and client is not refused and not changed:
            if time.monotonic() - self._last_answer_s > _IDLE_S:
                self._reconnect(client)
            return client
        if self.closed:
            raise errors.service_closed()
        self._client = None
        try:
            return await wait_shared(self.begin_login(), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise errors.CloudTimeoutError("the cloud did not answer the login in time. Try again later.") from None

    async def _key_changed(self) -> bool:
        """Whether the file has another key now. One that cannot be read matters to the next login only."""
        with contextlib.suppress(errors.NotConfiguredError):
            return self._client is not None and await self.api_key.read() != self._key
        return False

    def begin_login(self) -> asyncio.Task[AppClient]:
        """The login under way, or a new one."""
        if self._login is None:
            self._login = asyncio.create_task(self._log_in(), name="viam-billing login")
            self._login.add_done_callback(self._login_ended)
        return self._login

    async def _log_in(self) -> AppClient:
        key = await self.api_key.read(newest=True)
        started_s = time.monotonic()
        transport, app_client = await asyncio.to_thread(_imported)
        channel: Channel = self._channel or await transport.opened(self._address, self._ca_file, self._certificates)
        if self.closed:  # while certificates were read
            await channel.close()
            raise errors.service_closed()
        self._channel = channel
        self.logins += 1
        try:
            token = await channel.log_in(self._key_id, key, _LOGIN_S)
        except CALL_ERRORS as call_error:
            error = await channel.told_apart(call_error, {}, _LOGIN_S)
            meaning = translate_login(error, self.redact)
            self.failed(error, meaning, channel, started_s)
            if isinstance(meaning, errors.CloudTimeoutError):
                self.no_answer_since(started_s, meaning)
            if isinstance(meaning, errors.KeyRejectedError):
                self._reject_key()
                if await self.api_key.read(newest=True) != key:
                    return await self._log_in()
            raise meaning from None
        finally:
            if self._channel is not channel:  # given up meanwhile, or another login's took its place
                self._retire(channel)
        self.answered()
        self._keep_secret(token)
        if self._key != key:
            self._key = key
            for changed in self.when_key_changed:
                changed(key)
        client: AppClient = app_client.AppClient(channel, token)
        if self._channel is channel:
            self._client = client
        return client

    def _keep_secret(self, token: str) -> None:
        self.api_key.secrets.add(token)
        self._tokens.append(token)
        if len(self._tokens) > _TOKENS_KEPT:
            self.api_key.secrets.discard(self._tokens.popleft())

    def _login_ended(self, task: asyncio.Task[AppClient]) -> None:
        if self._login is task:
            self._login = None
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, BillingError):
            LOGGER.error("a login ended in a defect: %s", type(error).__name__)

    def _reconnect(self, client: AppClient) -> None:
        """Give a client a new connection; its token belongs to the login and stays."""
        self._retire(client.channel)
        self._channel = client.channel.reopened()
        self._client = client
        client.use(self._channel)
        self._last_answer_s = time.monotonic()

    def answered(self, client: AppClient | None = None) -> None:
        """The cloud gave an answer, so it is there, and took the client's token."""
        self._last_answer_s = time.monotonic()
        if self.circuit_breaker.in_doubt:
            self.circuit_breaker.answered()
        if client is not None:
            client.answered = True
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
        elif cause in (Cause.ANSWER, Cause.UNREADABLE) and not isinstance(meaning, errors.CloudUnreachableError):
            self.answered()

    def no_answer_since(self, started_s: float, error: BillingError) -> None:
        """A call's whole time passed without an answer. If nobody had one, the connection is given up."""
        if self._last_answer_s < started_s and not self.closed:
            self.circuit_breaker.connection_failed(error)
            self._login = None
            if self._channel is not None:
                self._retire(self._channel)

    def token_refused(self, client: AppClient) -> bool:
        """The cloud refused a client's token. Returns whether that means the key: a fresh token of no other call.

        Several callers may use up a token before any of them knows. But tokens of which none gets a call through, one
        after the other, are useless.
        """
        if self._client is client:
            self._client = None
            self._useless_tokens += not client.answered
        means_key = client.is_fresh() or self._useless_tokens >= _USELESS_TOKENS
        if means_key:
            self._useless_tokens = 0
            self._reject_key()
        elif self._client is None:
            self.begin_login()
        return means_key

    def _reject_key(self) -> None:
        for forget in self.when_key_rejected:  # what was learned with the key
            forget()

    def _retire(self, channel: Channel, grace_s: float | None = _LONGEST_CALL_S) -> None:
        """No new calls on a channel; those under way have so long to end."""
        if self._channel is channel:
            self._channel = self._client = None
        closing = asyncio.create_task(channel.close(grace_s), name="viam-billing channel closing")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def close(self) -> None:
        """Drop the connection; calls under way end with `cloud_unreachable`. May be called twice."""
        self.closed = True
        if self._login is not None:
            self._login.cancel()
        if self._channel is not None:
            self._retire(self._channel, None)
        while self._tokens:
            self.api_key.secrets.discard(self._tokens.popleft())


def _imported() -> tuple[ModuleType, ModuleType]:
    """GRPC core and the SDK's clients: importing them stops the event loop for tens of milliseconds."""
    from viam_billing.cloud import app_client, transport  # noqa: PLC0415 - see above

    return transport, app_client
