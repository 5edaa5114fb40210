"""The SDK's app-level `ViamClient` over a channel of gRPC core: its clients and all generated stubs work on it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast

import grpclib.client
from google.protobuf.message import Message
from grpclib.const import Cardinality
from msgspec import Struct
from typing_extensions import Self
from viam.app.viam_client import ViamClient
from viam.gen.app.v1 import app_grpc, billing_grpc

from viam_billing.cloud.transport import Channel, Metadata, Method

_FRESH_S: Final = 30.0
"""A token that lay unused for longer may have expired and says nothing about the key."""


class AppClient(ViamClient):
    """The SDK's app-level client on a channel, logged in with a token of unknown lifetime.

    `calls` were sent with the token; `answered` is whether one of them got through.
    """

    def __init__(self, channel: Channel, token: str) -> None:
        self._metadata = self.metadata = {"authorization": f"Bearer {token}"}
        self.calls = 0
        self.answered = False
        self._issued_s = time.monotonic()
        self.use(channel)

    def use(self, channel: Channel) -> None:
        """Make calls on another channel from now on."""
        self.channel = channel
        self._channel = cast("grpclib.client.Channel", _StubChannel(channel))
        stubs = billing_grpc.BillingServiceStub(self._channel), app_grpc.AppServiceStub(self._channel)
        self.methods: dict[str, Method] = {**vars(stubs[0]), **vars(stubs[1])}
        """The generated stubs' methods by the names of their RPCs."""

    def is_fresh(self) -> bool:
        """Whether the token was just given out and one call only has used it: its refusal means the key."""
        return self.calls == 1 and time.monotonic() - self._issued_s < _FRESH_S


class _StubChannel(Struct, frozen=True):
    """As much of grpclib's Channel as generated stubs use."""

    channel: Channel

    def request(
        self,
        name: str,
        cardinality: Cardinality,  # noqa: ARG002 - grpclib's signature
        request_type: type[Message],  # noqa: ARG002 - the same
        reply_type: type[Message],
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> _Stream:
        """A call that one of the SDK's generated stubs is about to make."""
        return _Stream(self.channel, Method(name, reply_type), timeout, metadata or {})


class _Stream(Struct, eq=False):
    """One call, in the steps in which the SDK's generated stubs make it."""

    channel: Channel
    method: Method
    timeout_s: float | None
    metadata: Metadata
    request: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send_message(self, message: Message, *, end: bool = False) -> None:  # noqa: ARG002 - a request is one message
        """Take the request, which is sent when the answer is asked for."""
        self.request = message

    async def recv_message(self) -> Message:
        """Send the request. Returns the answer. Raises: as `Channel.unary`."""
        return await self.channel.unary(self.method, self.request, self.timeout_s, self.metadata)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.channel.stream(self.method, self.request, self.timeout_s, self.metadata)
