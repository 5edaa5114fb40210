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
from typing import TYPE_CHECKING, Final

from grpclib.exceptions import GRPCError
from msgspec import Struct, field
from viam import logging

from viam_billing.errors import BillingError, CloudTimeoutError, CloudUnreachableError
from viam_billing.presence import Presence
from viam_billing.retry import CALL_ERRORS, is_failed_connection, translate_login

if TYPE_CHECKING:
    from types import ModuleType

    from grpclib.client import Channel

    from viam_billing.address import AppAddress
    from viam_billing.cloud_client import CloudClient
    from viam_billing.times import Deadline

LOGGER: Final = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Calls in flight at most, so that a fleet's worth of questions does not overrun the cloud or a small computer."""

_LOGIN_TIME_S: Final = 20.0
_FRESH_S: Final = 30.0
"""A token is given out at once; one that lay unused for longer may have ended and says nothing about the key."""


class Connection:
    """A channel with what is known of it. Retired, it is closed when the last call on it has ended."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.answers = 0
        self.last_answer_s = time.monotonic()
        self._calls = 0
        self._retired = False

    def begin_call(self) -> None:
        """A call is about to use it."""
        self._calls += 1

    def end_call(self) -> None:
        """A call on it has ended."""
        self._calls -= 1
        self._close_if_unused()

    def answered(self) -> None:
        """The cloud gave an answer on it, so it is alive."""
        self.answers += 1
        self.last_answer_s = time.monotonic()

    def retire(self) -> None:
        """No new calls: it is dead, or looks like it. Those under way may still end."""
        self._retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._retired and not self._calls:
            self.channel.close()


class Session(Struct):
    """A logged-in client: a connection and one token."""

    connection: Connection
    client: CloudClient
    token: str
    issued_at_s: float = field(default_factory=time.monotonic)
    calls: int = 0

    def begin_call(self) -> bool:
        """Count a call. Returns whether it is the first one of a fresh token: a rejection of it means the key."""
        self.calls += 1
        return self.calls == 1 and time.monotonic() - self.issued_at_s < _FRESH_S


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
        self.presence = Presence(address.text)
        self.slots = asyncio.Semaphore(AT_ONCE)
        self._closed = False
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
        if self._closed:
            raise _closed()
        if self._session is not None and (expired is None or self._session.token != expired.token):
            return self._session
        self._session = None
        if self._login is None:
            self._login = asyncio.create_task(self._log_in(), name="viam-billing login")
            self._login.add_done_callback(self._login_done)
        login = self._login
        try:
            return await asyncio.wait_for(asyncio.shield(login), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise CloudTimeoutError("the cloud did not answer the login in time. Try again later.") from None
        except asyncio.CancelledError:
            if login.cancelled():
                raise _closed() from None
            raise

    def replace(self, session: Session, started_s: float) -> None:
        """Put a new connection in a session's place, unless its own one has given an answer since `started_s`.

        The token stays: it belongs to the login and not to the connection.
        """
        connection = session.connection
        if self._connection is not connection or connection.last_answer_s >= started_s:
            return
        self._connection = None
        connection.retire()
        if self._session is session and self._cloud_client is not None:
            self._connection = Connection(self._cloud_client.open_channel(self._address, self._tls))
            client = self._cloud_client.CloudClient(self._connection.channel, session.token)
            self._session = Session(self._connection, client, session.token, session.issued_at_s, session.calls)

    async def prepare(self) -> ModuleType:
        """Import what talks to the cloud and read certificates; once, and in a thread. Returns the client's module."""
        if self._cloud_client is not None:
            return self._cloud_client
        cloud_client, self._tls = await asyncio.to_thread(_prepare, self._address)
        self._cloud_client = cloud_client
        return cloud_client

    def _login_done(self, task: asyncio.Task[Session]) -> None:
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
        self._session = Session(connection, cloud_client.CloudClient(connection.channel, token), token)
        return self._session

    def _login_failed(self, error: BaseException, connection: Connection, started_s: float) -> BillingError:
        meaning = translate_login(error)
        self.note_failure(error, meaning, connection)
        if isinstance(meaning, CloudTimeoutError):
            self.presence.no_answer_since(started_s, meaning)
        self._connection = None
        connection.retire()
        return meaning

    def note_failure(self, error: BaseException, meaning: BillingError, connection: Connection) -> None:
        """Tell the presence what a failed call says about the cloud; what a silence means, its caller knows."""
        if is_failed_connection(error):
            self.presence.failed(meaning)
        elif meaning.connection_lost:
            self.presence.connection_broke(meaning, answers=connection.answers)
            connection.answers = 0
        elif isinstance(error, GRPCError) and not isinstance(meaning, (CloudUnreachableError, CloudTimeoutError)):
            connection.answered()
            self.presence.answered()

    def close(self) -> None:
        """Drop the connection; calls in flight end as lost. May be called twice."""
        self._closed = True
        if self._login is not None:
            self._login.cancel()
        self._session = None
        if self._connection is not None:
            self._connection.channel.close()
            self._connection = None


def _closed() -> CloudUnreachableError:
    return CloudUnreachableError("the service was closed while the call was under way. Repeat the call.")


def _prepare(address: AppAddress) -> tuple[ModuleType, ssl.SSLContext | None]:
    """What takes tens of milliseconds and would stop the event loop: the import of the SDK's clients, certificates."""
    from viam_billing import attempts, cloud_client  # noqa: F401, PLC0415 - see above; attempts imports stamina

    return cloud_client, cloud_client.tls_context(address)
