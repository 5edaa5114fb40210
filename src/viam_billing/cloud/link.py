"""One connection and one login to the cloud, shared by all callers with the same key and address.

session() --> connected and logged in? --yes--> a Session
                    | no
                    v
           one task for all callers: import the SDK's client and read certificates (in a thread),
           open the channel, log in --> a Session
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from grpclib.exceptions import GRPCError
from viam import logging

from viam_billing.cloud.circuit_breaker import Presence
from viam_billing.cloud.connection import Connection, Session, Token
from viam_billing.cloud.error_mapping import CALL_ERRORS, is_failed_connection, translate_login
from viam_billing.core.errors import BillingError, CloudTimeoutError, CloudUnreachableError, KeyRejectedError
from viam_billing.core.redaction import redacted

if TYPE_CHECKING:
    from types import ModuleType

    from viam_billing.core.times import Deadline
    from viam_billing.settings.app_address import AppAddress

LOGGER: Final = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Calls in flight at most, so that a fleet's worth of questions does not overrun the cloud or a small computer."""

_LOGIN_TIME_S: Final = 20.0

_WORTHLESS_TOKENS: Final = 3
"""Tokens in a row of which not one got a call through: the key is meant."""

_SILENT_LOGIN_S: Final = 0.9
"""A login without an answer for so long, while the cloud counts as away, is given up for a new one."""


class Link:
    """Connects on first need and never before; renews its token when a call finds it expired."""

    def __init__(self, address: AppAddress, key_id: str, key: str) -> None:
        self._address = address
        self._key_id = key_id
        self._key = key
        self._tls: ssl.SSLContext | None = None
        self._cloud_client: ModuleType | None = None
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._login: asyncio.Task[Session] | None = None
        self._login_began_s = 0.0
        self.redact = partial(redacted, key=key)
        self.when_key_rejected: list[Callable[[], None]] = []
        self.presence = Presence(address.text)
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.starting = asyncio.Lock()
        """Held by the one call that is about to begin."""
        self._worthless_tokens = 0
        self.closed = False
        self.logins = 0

    @property
    def connected(self) -> bool:
        """Whether there is a session and the cloud answered last."""
        return self._session is not None and not self.presence.away

    async def session(self, deadline: Deadline, expired: Session | None = None) -> Session:
        """The session, made now if there is none.

        Args:
            deadline: how long this caller waits; the login goes on for others.
            expired: a session whose token the cloud no longer takes. Whoever says so first starts the one new login.

        Raises:
            BillingError: the login's error, or `cloud_timeout` at the deadline.
        """
        while not self.closed:
            if self._session is not None and (expired is None or self._session.token is not expired.token):
                return self._session
            self._session = None
            login = self._current_login()
            try:
                return await asyncio.wait_for(asyncio.shield(login), deadline.remaining_s())
            except asyncio.TimeoutError:
                raise CloudTimeoutError("the cloud did not answer the login in time. Try again later.") from None
            except asyncio.CancelledError:
                if not login.cancelled():
                    raise  # the caller left
        raise service_closed()

    def _current_login(self) -> asyncio.Task[Session]:
        """The login under way, or a new one. One that got no answer while the cloud went away is given up."""
        silent = self.presence.away and time.monotonic() - self._login_began_s > _SILENT_LOGIN_S
        if self._login is not None and silent:
            self._login.cancel()
            self._login = None
            self._retire_connection()
        if self._login is None:
            self._login_began_s = time.monotonic()
            self._login = asyncio.create_task(self._log_in(), name="viam-billing login")
            self._login.add_done_callback(self._login_done)
        return self._login

    def replace(self, session: Session, started_s: float) -> bool:
        """Put a new connection in a session's place, unless its own one has given an answer since `started_s`.

        The token stays: it belongs to the login and not to the connection. Returns whether there is another one now.
        """
        connection = session.connection
        if self._connection is not connection:
            return self._connection is not None
        if connection.last_answer_s >= started_s:
            return False
        self._connection = None
        connection.retire()
        if self._session is session and self._cloud_client is not None:
            self._connection = Connection(self._cloud_client.open_channel(self._address, self._tls))
            client = self._cloud_client.CloudClient(self._connection.channel, session.token.text)
            self._session = Session(self._connection, client, session.token)
        return True

    async def prepare(self) -> ModuleType:
        """Import what talks to the cloud and read certificates; once, and in a thread. Returns the client's module."""
        if self._cloud_client is not None:
            return self._cloud_client
        cloud_client, self._tls = await asyncio.to_thread(_prepare, self._address)
        self._cloud_client = cloud_client
        return cloud_client

    def _login_done(self, task: asyncio.Task[Session]) -> None:
        if self._login is task:
            self._login = None
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, BillingError):
            LOGGER.error("a login ended in a defect: %s", type(error).__name__)

    async def _log_in(self) -> Session:
        started_s = time.monotonic()
        cloud_client = await self.prepare()
        if self._connection is None:
            self._connection = Connection(cloud_client.open_channel(self._address, self._tls))
        connection = self._connection
        connection.begin_call()
        try:
            self.logins += 1
            token = await cloud_client.log_in(connection.channel, self._key_id, self._key, _LOGIN_TIME_S)
        except CALL_ERRORS as error:
            raise self._login_failed(error, connection, started_s) from None
        finally:
            connection.end_call()
        connection.answered()
        self.presence.answered()
        self._session = Session(connection, cloud_client.CloudClient(connection.channel, token), Token(token))
        return self._session

    def _login_failed(self, error: BaseException, connection: Connection, started_s: float) -> BillingError:
        meaning = translate_login(error, self.redact)
        self.note_failure(error, meaning, connection, started_s)
        if isinstance(meaning, CloudTimeoutError):
            self.presence.no_answer_since(started_s, meaning)
        if self._connection is connection:
            self._connection = None
        connection.retire()
        if isinstance(meaning, KeyRejectedError):
            self.reject_key()
        return meaning

    def token_rejected(self, token: Token) -> bool:
        """A call was refused for its token. Returns whether that means the key and not the token.

        Several callers may use a token up before any of them knows; but tokens of which not one got a call through, one
        after the other, are not short-lived, they are worthless.
        """
        if not token.answers and not token.in_flight:
            self._worthless_tokens += 1
        means_key = token.means_key() or self._worthless_tokens >= _WORTHLESS_TOKENS
        if means_key:
            self._worthless_tokens = 0
            self.reject_key()
        return means_key

    def token_taken(self) -> None:
        """A call got through with its token."""
        self._worthless_tokens = 0

    def reject_key(self) -> None:
        """The cloud does not know the key: whoever remembers what it gave for it is told to forget it."""
        for forget in self.when_key_rejected:
            forget()

    def _retire_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.retire()

    def note_failure(
        self, error: BaseException, meaning: BillingError, connection: Connection, started_s: float
    ) -> None:
        """Tell the presence what a failed call says about the cloud; what a silence means, its caller knows."""
        if self.closed:
            return
        if is_failed_connection(error):
            self.presence.failed(meaning)
        elif meaning.connection_lost:
            if started_s >= connection.broke_s:  # else it is the loss that another call in flight has told
                self.presence.connection_broke(meaning, answers=connection.answers)
                connection.broke()
        elif isinstance(error, GRPCError) and not isinstance(meaning, (CloudUnreachableError, CloudTimeoutError)):
            connection.answered()
            self.presence.answered()

    def close(self) -> None:
        """Drop the connection; calls in flight end as lost. May be called twice."""
        self.closed = True
        if self._login is not None:
            self._login.cancel()
        self._session = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def service_closed() -> CloudUnreachableError:
    """What a call meets whose service was removed, or the module stopped, before it was made."""
    return CloudUnreachableError("the service was closed while the call was under way. Repeat the call.")


def _prepare(address: AppAddress) -> tuple[ModuleType, ssl.SSLContext | None]:
    """What takes tens of milliseconds and would stop the event loop: the import of the SDK's clients, certificates."""
    from viam_billing.cloud import attempts, cloud_client  # noqa: F401, PLC0415 - see above; attempts imports stamina

    return cloud_client, cloud_client.tls_context(address)
