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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from viam import logging

from viam_billing.errors import BillingError, CloudTimeoutError
from viam_billing.retry import CALL_ERRORS, translate_login

if TYPE_CHECKING:
    from types import ModuleType

    from grpclib.client import Channel

    from viam_billing.address import AppAddress
    from viam_billing.cloud_client import CloudClient
    from viam_billing.times import Deadline

LOGGER: Final = logging.getLogger(__name__)

_LOGIN_TIME_S: Final = 20.0
_FRESH_S: Final = 30.0
"""A token is given out at once; one that lay unused for longer may have ended and says nothing about the key."""


@dataclass(slots=True)
class Session:
    """A logged-in client: a channel and one token of it."""

    client: CloudClient
    issued_at: float = field(default_factory=time.monotonic)
    calls: int = 0

    def begin_call(self) -> bool:
        """Count a call. Returns whether it is the first one of a fresh token: a rejection of it means the key."""
        self.calls += 1
        return self.calls == 1 and time.monotonic() - self.issued_at < _FRESH_S


class Link:
    """Connects on first need and never before; renews its token when a call finds it expired."""

    def __init__(self, address: AppAddress, key_id: str, key: str) -> None:
        self._address = address
        self._key_id = key_id
        self._key = key
        self._channel: Channel | None = None
        self._tls: ssl.SSLContext | None = None
        self._session: Session | None = None
        self._login: asyncio.Task[Session] | None = None
        self._closed = False
        self.logins = 0

    @property
    def connected(self) -> bool:
        """Whether there is a session; a connection that broke since shows at the next call."""
        return self._session is not None

    async def session(self, deadline: Deadline, expired: Session | None = None) -> Session:
        """The session, made now if there is none.

        Args:
            deadline: how long this caller waits; the login goes on for others.
            expired: a session whose token the cloud no longer takes. Whoever says so first starts the one new login.

        Raises:
            BillingError: the login's error, or `cloud_timeout` at the deadline.
        """
        if self._session is not None and self._session is not expired:
            return self._session
        self._session = None
        if self._login is None:
            self._login = asyncio.create_task(self._log_in(), name="viam-billing login")
            self._login.add_done_callback(self._login_done)
        try:
            return await asyncio.wait_for(asyncio.shield(self._login), deadline.remaining_s())
        except asyncio.TimeoutError:
            raise CloudTimeoutError("the cloud did not answer the login in time. Try again later.") from None

    def _login_done(self, task: asyncio.Task[Session]) -> None:
        self._login = None
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, BillingError):
            LOGGER.error("a login ended in a defect: %r", error)

    async def _log_in(self) -> Session:
        started = time.monotonic()
        try:
            cloud_client, self._tls = await asyncio.to_thread(_prepare, self._address, self._tls)
            if self._channel is None:
                self._channel = cloud_client.open_channel(self._address, self._tls)
            left_s = max(0.1, _LOGIN_TIME_S - (time.monotonic() - started))
            self.logins += 1
            token = await cloud_client.log_in(self._channel, self._key_id, self._key, left_s)
        except CALL_ERRORS as error:
            self._drop_channel()
            raise translate_login(error) from None
        self._session = Session(cloud_client.CloudClient(self._channel, token))
        return self._session

    def _drop_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def close(self) -> None:
        """Drop the connection; calls in flight end as lost. May be called twice."""
        if self._login is not None:
            self._login.cancel()
        self._session = None
        self._drop_channel()


def _prepare(address: AppAddress, tls: ssl.SSLContext | None) -> tuple[ModuleType, ssl.SSLContext | None]:
    """What takes tens of milliseconds and would stop the event loop: the import of the SDK's clients, certificates."""
    from viam_billing import cloud_client  # noqa: PLC0415 - see above

    return cloud_client, tls or cloud_client.tls_context(address)


class Links:
    """The links of the process: services with the same key and address share one."""

    def __init__(self, make: Callable[[AppAddress, str, str], Link] = Link) -> None:
        self._make = make
        self._links: dict[tuple[str, str, str], tuple[Link, int]] = {}

    def acquire(self, address: AppAddress, key_id: str, key: str) -> Link:
        """The link for a key and an address; to be given back with `release`."""
        name = (address.text, key_id, key)
        link, users = self._links.get(name) or (self._make(address, key_id, key), 0)
        self._links[name] = (link, users + 1)
        return link

    def release(self, link: Link) -> None:
        """Give a link back; the last user's release closes it."""
        for name, (known, users) in list(self._links.items()):
            if known is link:
                if users > 1:
                    self._links[name] = (link, users - 1)
                else:
                    del self._links[name]
                    link.close()
