"""gRPC core in the place of the SDK's channel, so that an app-level `ViamClient` talks over it.

    ViamClient, generated stubs --> Channel.request --> Stream --> grpc.aio

Imported in a thread when the first connection is needed: that costs more than all else at the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined] # is there

import grpclib.client
from google.protobuf.message import DecodeError, Message
from grpclib.const import Cardinality, Status
from msgspec import Struct
from typing_extensions import Self

from viam_billing.cloud import certificates
from viam_billing.cloud.failures import (
    CLOSED,
    PAGE,
    CallError,
    CallFailedError,
    Cause,
    UnreadableAnswerError,
    cause_of,
)
from viam_billing.cloud.pages import is_page
from viam_billing.settings.app_address import AppAddress
from viam_billing.version import MODULE_NAME, VERSION

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # core writes to stderr by itself, which viam-server logs as errors
os.environ.setdefault("GRPC_DNS_RESOLVER", "native")  # names resolve as for everything else on the machine

import grpc
import grpc.aio
from viam.app.viam_client import ViamClient
from viam.gen.app.v1 import app_grpc, billing_grpc
from viam.gen.proto.rpc.v1 import auth_grpc, auth_pb2

LARGEST_ANSWER_BYTES: Final = 16 * 2**20
_LONGEST_TOKEN: Final = 8192
_FRESH_S: Final = 30.0
"""A token that lay unused for longer may have expired and says nothing about the key."""

_OPTIONS: Final = (
    ("grpc.enable_retries", 0),  # `client` repeats reads itself: core cannot tell how often it did
    ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    # While a call is under way a silent connection is found dead within 15 s. Servers put up with the few pings that
    # core sends without data in between, also over the two minutes of the longest charge.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel connects at once, whatever an older one has met
    ("grpc.primary_user_agent", f"{MODULE_NAME}/{VERSION}"),
)


class AppClient(ViamClient):
    """The SDK's app-level client on a channel, logged in with a token of unknown lifetime; and the generated stubs.

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
        grpclib_channel = cast("grpclib.client.Channel", channel)
        self._channel = grpclib_channel
        self.channel = channel
        self.billing = billing_grpc.BillingServiceStub(grpclib_channel)
        self.app = app_grpc.AppServiceStub(grpclib_channel)
        self.sdk_billing = self.billing_client

    def is_fresh(self) -> bool:
        """Whether the token was just given out and one call only has used it: its refusal means the key."""
        return self.calls == 1 and time.monotonic() - self._issued_s < _FRESH_S


async def opened(address: AppAddress, ca_file: str | None) -> Channel:
    """A channel that is not connected yet. Raises: NotConfiguredError: for a file without certificates."""
    if not address.tls:
        return Channel(address, None)
    return Channel(address, await asyncio.to_thread(certificates.trust_for, address, ca_file))


class Channel:
    """As much of grpclib's Channel as generated stubs use. Connects with its first call, or by `connect`."""

    def __init__(self, address: AppAddress, trust: certificates.Trust | None) -> None:
        """`trust` is None for a connection without TLS. Needs a running event loop."""
        self._address = address
        self._trust = trust
        host = f"[{address.host}]" if ":" in address.host else address.host
        target = f"unix:{address.path}" if address.path else f"dns:///{host}:{address.port}"
        proxy = _proxy_for(address)
        self._proxied = proxy is not None
        options = [*_OPTIONS, ("grpc.enable_http_proxy", 0) if proxy is None else ("grpc.http_proxy", proxy)]
        if trust is None:
            self._core = grpc.aio.insecure_channel(target, options=options)
        else:
            if trust.name is not None:
                options.append(("grpc.ssl_target_name_override", trust.name))
            credentials = grpc.ssl_channel_credentials(root_certificates=trust.roots)
            self._core = grpc.aio.secure_channel(target, credentials, options=options)
        self._methods: dict[str, Any] = {}
        self.closed = False

    def reopened(self) -> Channel:
        """Another channel to the same place, with a connection of its own."""
        return Channel(self._address, self._trust)

    async def log_in(self, key_id: str, key: str, timeout_s: float) -> str:
        """An access token for an API key. Raises: CallFailedError, UnreadableAnswerError."""
        credentials = auth_pb2.Credentials(type="api-key", payload=key)
        request = auth_pb2.AuthenticateRequest(entity=key_id, credentials=credentials)
        stub = auth_grpc.AuthServiceStub(cast("grpclib.client.Channel", self))
        token: str = (await stub.Authenticate(request, timeout=timeout_s)).access_token
        if not 0 < len(token) <= _LONGEST_TOKEN or not (token.isascii() and token.isprintable()):
            raise UnreadableAnswerError("it has no token that a call could carry")
        return token

    async def connect(self, timeout_s: float) -> None:
        """Wait until a connection stands. Raises: CallFailedError: if none comes about; no call was sent."""
        state = self._core.get_state(try_to_connect=True)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_connected(state), timeout_s)
            return
        raise CallFailedError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded")

    async def _until_connected(self, state: grpc.ChannelConnectivity) -> None:
        while state is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE or self.closed:
                raise CallFailedError(Status.UNAVAILABLE, "failed to connect to all addresses")
            await self._core.wait_for_state_change(state)
            state = self._core.get_state(try_to_connect=True)

    def request(
        self,
        name: str,
        cardinality: Cardinality,  # noqa: ARG002 - grpclib's signature
        request_type: type[Message],  # noqa: ARG002 - the same
        reply_type: type[Message],
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Stream:
        """A call that is about to be made."""
        method = self._methods.get(name)
        if (
            method is None
        ):  # a stream of one message also tells that a second one came, which core's unary call waits for
            method = self._methods[name] = self._core.unary_stream(name)
        return Stream(self, name, method, reply_type, timeout, tuple((metadata or {}).items()))

    async def told_apart(self, error: CallError, metadata: Mapping[str, str], timeout_s: float) -> CallError:
        """The error of a read, which is that of a page where something that is not gRPC answers."""
        if cause_of(error) is not Cause.NO_TRAILERS or self._proxied or not isinstance(error, CallFailedError):
            return error
        page = await is_page(self._address, self._trust, *error.sent, metadata, timeout_s)
        return CallFailedError(error.status, f"{PAGE}200") if page else error

    async def close(self, grace_s: float | None = None) -> None:
        """Close the connection; calls under way have `grace_s` to end, and are then cancelled."""
        self.closed = True
        await self._core.close(grace_s)


class Stream(Struct, eq=False):
    """One call, in the steps in which generated stubs make it."""

    channel: Channel
    name: str
    method: Any
    reply_type: type[Message]
    timeout_s: float | None
    metadata: tuple[tuple[str, str], ...]
    request: bytes = b""
    call: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.call is not None:
            self.call.cancel()  # changes nothing about a call that has ended

    async def send_message(self, message: Message, *, end: bool = False) -> None:  # noqa: ARG002 - a request is one message
        """Take the request, which is sent when the answer is asked for."""
        self.request = message.SerializeToString()

    async def recv_message(self) -> Message:
        """Send the request. Returns the answer.

        Raises:
            CallFailedError, UnreadableAnswerError: for every other end.
        """
        answer: Message | None = None
        async for message in self:
            if answer is not None:
                raise UnreadableAnswerError("it goes on after its message")
            answer = message
        if answer is None:
            raise UnreadableAnswerError("it ended before its message did")
        return answer

    async def __aiter__(self) -> AsyncIterator[Message]:
        try:
            self.call = self.method(self.request, timeout=self.timeout_s, metadata=self.metadata)
            sys.audit("viam_billing.cloud.handed_over", self.name)
            async for data in self.call:
                yield self.reply_type.FromString(data)
        except DecodeError:
            raise UnreadableAnswerError("it is not the message that the call answers with") from None
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError) as error:
            raise self._failure(error) from None

    def _failure(self, error: BaseException) -> BaseException:
        if isinstance(error, grpc.aio.AioRpcError):
            said_more = bool(error.initial_metadata() or error.trailing_metadata())
            status, words = Status(error.code().value[0]), error.details() or ""
            failed = CallFailedError(status, words, said_more=said_more)
            failed.sent = (self.name, self.request)
            return failed
        if self.channel.closed and not _is_being_cancelled(asyncio.current_task()):
            return CallFailedError(Status.CANCELLED, CLOSED)
        return error


def _is_being_cancelled(task: asyncio.Task[Any] | None) -> bool:
    """Whether the caller's own task was cancelled. Python 3.10 cannot tell."""
    return task is not None and sys.version_info >= (3, 11) and task.cancelling() > 0


def _proxy_for(address: AppAddress) -> str | None:
    """The proxy that the environment names. Core itself reads lower-case names only, and uses it for loopback too."""
    proxy = getproxies_environment().get("https")
    if not address.verified or proxy is None or proxy_bypass_environment(address.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
