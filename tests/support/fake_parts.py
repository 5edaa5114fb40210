"""What stands in for clocks and for the cloud where a test needs no network: written by hand, driven by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

from grpclib.const import Status
from typing_extensions import override
from viam.gen.app.v1 import billing_pb2

from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.cloud.api_key import ApiKey
from viam_billing.cloud.failures import CallError, CallFailedError
from viam_billing.cloud.session import Session
from viam_billing.core.secrets import Secrets
from viam_billing.core.times import Deadline
from viam_billing.settings.app_address import AppAddress
from viam_billing.storage.database import Database

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from viam_billing.cloud.app_client import AppClient

Script: TypeAlias = Callable[[], Awaitable["Message"]]
"""How the cloud answers one call: a message, or what it raises."""

NOON_S = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""

LOST = CallFailedError(Status.UNAVAILABLE, "Stream removed (Socket closed)")
SILENCE = CallFailedError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded")
NOT_CONNECTED = CallFailedError(Status.UNAVAILABLE, "failed to connect to all addresses; last error: refused")
REFUSED_STREAM = CallFailedError(
    Status.UNAVAILABLE, "Stream removed (RST_STREAM (Received RST_STREAM with error code 7))"
)


def answered(status: Status, words: str = "words") -> CallFailedError:
    """An error that the cloud itself answered."""
    return CallFailedError(status, words)


class Clock:
    """A clock that goes when the test says so."""

    def __init__(self, now_s: float = NOON_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def make_journal(database: Database, app_address: str = "https://app.viam.com", now: Clock | None = None) -> Journal:
    """The journal of a cloud in a database, which leaves no mark outside of its folder."""
    return Journal(database, app_address, now or Clock(), Identity("/state", app_address, None))


class _Names(dict[str, str]):
    """The methods of all RPCs, each its own name."""

    def __missing__(self, rpc: str) -> str:
        return rpc


class FakeChannel:
    """A channel that connects or does not; `connects` is None or the error."""

    def __init__(self, client: FakeClient, connects: CallFailedError | None = None) -> None:
        self.client = client
        self.connects = connects
        self.closed = False

    async def unary(self, rpc: str, _: Message, timeout_s: float, __: object) -> Message:
        """As the real one; a method is its RPC's name here."""
        client = self.client
        client.asked.append(rpc)
        script = client.scripts.pop(0) if len(client.scripts) > 1 else client.scripts[0]
        try:
            return await asyncio.wait_for(script(), timeout_s)
        except asyncio.TimeoutError:
            raise SILENCE from None

    async def connect(self, timeout_s: float) -> None:  # noqa: ARG002 - the channel's signature
        """As the real one."""
        if self.connects is not None:
            raise self.connects

    async def told_apart(self, error: CallError, *_: object) -> CallError:
        """As the real one, where no page is met."""
        return error

    async def close(self, grace_s: float | None = None) -> None:  # noqa: ARG002 - the channel's signature
        """As the real one."""
        self.closed = True


class FakeClient:
    """A logged-in client that answers each call with the next of its scripts, the last one for ever."""

    def __init__(self, *scripts: Script, connects: CallFailedError | None = None, used: bool = True) -> None:
        """`used`: whether the token has served a call before."""
        self.scripts = list(scripts)
        self.asked: list[str] = []
        self.channel = FakeChannel(self, connects)
        self.calls, self.answered = int(used), used
        self.metadata: dict[str, str] = {}
        self.methods = _Names()

    def is_fresh(self) -> bool:
        """As the real one, of a token that was just given out."""
        return self.calls == 1


class FakeSession(Session):
    """Hands out its clients one after the other: a caller that reports one's token refused gets the next."""

    def __init__(self, *clients: FakeClient, error: Exception | None = None) -> None:
        super().__init__(AppAddress("http://localhost:1", "localhost", 1), "id", ApiKey(Secrets(), "key"))
        self.clients = list(clients)
        self.error = error

    @override
    async def client(self, deadline: Deadline, refused: AppClient | None = None) -> AppClient:
        if self.error is not None:
            raise self.error
        if refused is not None and cast("FakeClient", refused) is self.clients[0] and len(self.clients) > 1:
            self.clients.pop(0)
            self.logins += 1
        return cast("AppClient", self.clients[0])

    @override
    def begin_login(self) -> asyncio.Task[AppClient]:
        return asyncio.create_task(self.client(Deadline(1)))


def usage(subtotal: float) -> billing_pb2.GetCurrentMonthUsageResponse:
    """What an organization has cost."""
    return billing_pb2.GetCurrentMonthUsageResponse(subtotal=subtotal)


def answering(message: Message) -> Script:
    """A script that answers."""

    async def script() -> Message:
        return message

    return script


def failing(error: BaseException) -> Script:
    """A script that ends in an error."""

    async def script() -> Message:
        raise error

    return script


async def no_status() -> NoReturn:
    """For the parts of a service that nobody asks for its status."""
    raise AssertionError("nobody asks for it")


def waiting(event: asyncio.Event, message: Message) -> Script:
    """A script that answers when it is told to."""

    async def script() -> Message:
        await event.wait()
        return message

    return script
