"""A channel of gRPC core: how it connects, and one call on it.

Imported in a thread when the first connection is needed: that costs more than all else at the start.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

from google.protobuf.message import DecodeError, Message
from grpclib.const import Status

from viam_billing.cloud import certificates, failures, wire
from viam_billing.cloud.failures import PAGE, CallError, CallFailedError, Cause, UnreadableAnswerError, cause_of
from viam_billing.cloud.pages import is_page, tls_context
from viam_billing.core.tasks import within
from viam_billing.settings.app_address import AppAddress
from viam_billing.storage.disk import DiskThread
from viam_billing.version import MODULE_NAME, VERSION

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # core writes to stderr by itself, which viam-server logs as errors
os.environ.setdefault("GRPC_DNS_RESOLVER", "native")  # names resolve as for everything else on the machine

import grpc
import grpc.aio
from viam.gen.proto.rpc.v1 import auth_pb2

LARGEST_ANSWER_BYTES: Final = 16 * 2**20
_WITH_LISTS: Final = {
    "viam.app.v1.BillingService": ("GetInvoicesSummary", "GetInvoicePdf"),
    "viam.app.v1.AppService": ("ListLocations",),
}
"""The calls that have a large answer; any other may have 32 under way, so that theirs are small."""
_LARGEST_OTHER_BYTES: Final = 256 * 1024
_LARGE_NAMES: Final = [{"service": service, "method": name} for service, names in _WITH_LISTS.items() for name in names]
_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {"name": [{}], "maxResponseMessageBytes": _LARGEST_OTHER_BYTES},
        {"name": _LARGE_NAMES, "maxResponseMessageBytes": LARGEST_ANSWER_BYTES},
    ]
}

_OPTIONS: Final = (
    ("grpc.enable_retries", 0),  # `client` repeats reads itself: core cannot tell how often it did
    ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # Of a stream no more is read ahead; the probe would raise that as long as the cloud sends faster than a disk takes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 2**20),
    # While a call is under way a silent connection is found dead within 15 s. Servers put up with the few pings that
    # core sends without data in between, also over the two minutes of the longest charge.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel connects at once, whatever an older one has met
    ("grpc.primary_user_agent", f"{MODULE_NAME}/{VERSION}"),
)


class Method(NamedTuple):
    """A call's path, and the class of its answer."""

    name: str
    reply_type: Any


Metadata: TypeAlias = Mapping[str, str]
_AUTHENTICATE: Final = Method("/proto.rpc.v1.AuthService/Authenticate", auth_pb2.AuthenticateResponse)
_ENDS: Final = (grpc.aio.AioRpcError, grpc.aio.UsageError, DecodeError, UnreadableAnswerError)


async def opened(address: AppAddress, ca_file: str | None, thread: DiskThread) -> Channel:
    """A channel that is not connected yet. Raises: NotConfiguredError: for a file without certificates."""
    if not address.tls:
        return Channel(address, None)
    trust = partial(certificates.trust_for, address, ca_file)  # a disk may hang for ever, a loopback for some seconds
    return Channel(address, await (thread.run(trust) if address.verified else asyncio.to_thread(trust)))


class Channel:
    """Connects with its first call, or by `connect`."""

    def __init__(self, address: AppAddress, trust: certificates.Trust | None) -> None:
        """`trust` is None for a connection without TLS. Needs a running event loop."""
        self._address = address
        self._trust = trust
        host = f"[{address.host}]" if ":" in address.host else address.host
        target = f"unix:{quote(address.path)}" if address.path else f"dns:///{host}:{address.port}"
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
        self._reading_large = asyncio.Lock()
        self._page_tls: asyncio.Future[ssl.SSLContext] | None = None
        self.closed = False

    def reopened(self) -> Channel:
        """Another channel to the same place, with a connection of its own."""
        return Channel(self._address, self._trust)

    async def log_in(self, key_id: str, key: str, timeout_s: float) -> str:
        """An access token for an API key. Raises: CallFailedError, UnreadableAnswerError."""
        credentials = auth_pb2.Credentials(type="api-key", payload=key)
        request = auth_pb2.AuthenticateRequest(entity=key_id, credentials=credentials)
        token: str = getattr(await self.unary(_AUTHENTICATE, request, timeout_s, {}), "access_token", "")
        if not token or not (token.isascii() and token.isprintable()):
            raise UnreadableAnswerError("it has no token that a call could carry")
        return token

    async def connect(self, timeout_s: float) -> None:
        """Wait until a connection stands. Raises: CallFailedError: if none comes about; no call was sent."""
        until_s = time.monotonic() + timeout_s
        while (state := self._core.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE or self.closed:
                raise CallFailedError(Status.UNAVAILABLE, "failed to connect to all addresses")
            try:
                await within(until_s - time.monotonic(), self._core.wait_for_state_change(state))
            except asyncio.TimeoutError:
                raise CallFailedError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded") from None

    async def unary(self, method: Method, request: Message, timeout_s: float | None, metadata: Metadata) -> Message:
        """The answer of a call. Raises: CallFailedError, UnreadableAnswerError: for every other end."""
        async with aclosing(self.stream(method, request, timeout_s, metadata)) as messages:
            answer: Message | None = await anext(messages, None)
            try:  # core's own unary call would wait for the deadline if a second message came
                if answer is None or await anext(messages, None) is not None:
                    raise UnreadableAnswerError("it has no message or several")
            except CallFailedError as error:  # after its message not even a refusal says that nothing was done
                if cause_of(error) in (Cause.ANSWER, Cause.REFUSED_STREAM):
                    raise UnreadableAnswerError("it has a message and fails") from None
                raise
        return answer

    async def stream(
        self, method: Method, request: Message, timeout_s: float | None, metadata: Metadata
    ) -> AsyncGenerator[Any, None]:
        """The messages of an answer. Raises: as `unary`."""
        sent = (method.name, request.SerializeToString())
        call: Any = None
        failure: CallError | None = None
        try:
            core_method: Any = self._core.unary_stream(method.name)
            call = core_method(sent[1], timeout=timeout_s, metadata=tuple(metadata.items()))
            sys.audit("viam_billing.cloud.handed_over", method.name)
            async with aclosing(aiter(call)) as parts:  # left suspended, it would keep call and connection alive
                async for data in parts:
                    if wire.SUSPECT.search(data) is None:
                        yield method.reply_type.FromString(data)
                    elif len(data) <= wire.LARGE_BYTES:
                        yield wire.read(method.reply_type, data)
                    else:
                        reading = self._read_large(method.reply_type, data)
                        del data  # megabytes are not kept while the message is used
                        yield await reading
        except _ENDS as error:
            failure = _failure(error, sent, begun=call is not None)
        except asyncio.CancelledError as error:
            raise error.with_traceback(None)  # noqa: B904 - core's frames would keep them alive too
        finally:
            if call is not None:
                call.cancel()  # changes nothing about a call that has ended
                call = None
        if failure is not None:  # raised here, so that whoever keeps it keeps no call and no connection
            raise failure

    async def _read_large(self, reply_type: Any, data: bytes) -> Any:  # noqa: ANN401 - as `wire.read`
        async with self._reading_large:  # several at once would only be slower, and hold up others
            return await asyncio.to_thread(wire.read, reply_type, data)

    async def told_apart(self, error: CallError, metadata: Mapping[str, str], timeout_s: float) -> CallError:
        """The error of a read, which is that of a page where something that is not gRPC answers."""
        if cause_of(error) is not Cause.NO_TRAILERS or self._proxied or not isinstance(error, CallFailedError):
            return error
        if self._trust is not None and self._page_tls is None:
            made = asyncio.to_thread(tls_context, self._trust, verified=self._address.verified)
            self._page_tls = asyncio.ensure_future(made)
        tls = None if self._page_tls is None else await asyncio.shield(self._page_tls)
        page = await is_page(self._address, tls, error, metadata, timeout_s)
        return CallFailedError(error.status, f"{PAGE}200") if page else error

    async def close(self, grace_s: float | None = None) -> None:
        """Close the connection; calls under way have `grace_s` to end, and are then cancelled."""
        self.closed = True
        await self._core.close(grace_s)


def _failure(error: Exception, sent: tuple[str, bytes], *, begun: bool) -> CallError:
    if isinstance(error, UnreadableAnswerError):
        return error.with_traceback(None)
    if isinstance(error, DecodeError):
        return UnreadableAnswerError("it is not the message that the call answers with")
    if not isinstance(error, grpc.aio.AioRpcError):  # the channel was closed
        return CallFailedError(Status.UNAVAILABLE, "Stream removed (closed)") if begun else failures.NotSentError()
    said_more = bool(error.initial_metadata() or error.trailing_metadata())
    return CallFailedError(Status(error.code().value[0]), error.details() or "", said_more=said_more, sent=sent)


def _proxy_for(address: AppAddress) -> str | None:
    """The proxy that the environment names. Core itself reads lower-case names only, and uses it for loopback too."""
    if not address.verified or not any(name.lower() == "https_proxy" for name in os.environ):
        return None
    from urllib import request  # noqa: PLC0415 - half a megabyte that few need

    proxy = request.getproxies_environment().get("https")
    if proxy is None or request.proxy_bypass_environment(address.host):  # type: ignore[attr-defined] # is there
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
