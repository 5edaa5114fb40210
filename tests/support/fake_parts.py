"""What stands in for clocks and for the cloud where a test needs no network: written by hand, driven by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from grpclib.client import Channel
from typing_extensions import override
from viam.gen.app.v1 import billing_pb2

from viam_billing.cloud.cloud_client import CloudClient
from viam_billing.cloud.connection import Connection, Session, Token
from viam_billing.cloud.link import Link
from viam_billing.core.times import Deadline
from viam_billing.settings.app_address import AppAddress

if TYPE_CHECKING:
    from google.protobuf.message import Message

Script: TypeAlias = Callable[[], Awaitable["Message"]]
"""How the cloud answers one call: a message, or what it raises."""

FIRST_TOKEN = "token"
NOON_S = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


class Clock:
    """A clock that goes when the test says so."""

    def __init__(self, now_s: float = NOON_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class FakeChannel(Channel):
    """A channel that never connects and counts its closings."""

    closed = 0

    @override
    def close(self) -> None:
        self.closed += 1


class FakeClient(CloudClient):
    """Answers each call with the next of its scripts, the last one for ever; keeps the names of the calls."""

    def __init__(self, *scripts: Script, connects: bool = True) -> None:
        self.scripts = list(scripts)
        self.asked: list[str] = []
        self._connects = connects

    async def _next(self, rpc: str) -> Message:
        self.asked.append(rpc)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await script()

    @override
    async def read(self, rpc: str, request: Message, timeout_s: float) -> Message:
        return await asyncio.wait_for(self._next(rpc), timeout_s)

    @override
    async def call(self, rpc: str, request: Message, timeout_s: float, before_send: Callable[[], None]) -> Message:
        if self._connects:
            before_send()
        return await asyncio.wait_for(self._next(rpc), timeout_s)

    @override
    async def stream(
        self, rpc: str, request: Message, timeout_s: float, take: Callable[[Any], Awaitable[None]]
    ) -> None:
        await take(await self._next(rpc))


class FakeLink(Link):
    """Hands out its sessions one after the other: who calls one expired gets the next."""

    def __init__(self, *sessions: Session, error: Exception | None = None) -> None:
        super().__init__(AppAddress("http://localhost:1", "localhost", 1), "id", "key")
        self.sessions = list(sessions)
        self.error = error

    @override
    async def session(self, deadline: Deadline, expired: Session | None = None) -> Session:
        if self.error is not None:
            raise self.error
        if expired is self.sessions[0] and len(self.sessions) > 1:
            self.sessions.pop(0)
            self.logins += 1
        return self.sessions[0]


def fresh_session(client: CloudClient, token: str = FIRST_TOKEN) -> Session:
    """A session whose token no call has used."""
    return Session(Connection(FakeChannel()), client, Token(token))


def used_session(client: CloudClient, token: str = FIRST_TOKEN) -> Session:
    """A session whose token has served a call before."""
    session = fresh_session(client, token)
    session.token.calls = session.token.answers = 1
    return session


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


def waiting(event: asyncio.Event, message: Message) -> Script:
    """A script that answers when it is told to."""

    async def script() -> Message:
        await event.wait()
        return message

    return script
