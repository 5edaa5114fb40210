"""The SDK's app-level ViamClient over a connection that the link dials and a token that the link renews.

`ViamClient.create_from_dial_options` blocks the event loop with a TLS probe, gives a login no deadline and fetches its
token once. What it makes is a client of three parts, channel, metadata and options, which are made here instead.
Imported when the first connection is needed: importing the SDK's clients costs a third as much as all else of the SDK.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError
from viam.app.billing_client import BillingClient
from viam.app.viam_client import ViamClient
from viam.gen.app.v1 import app_grpc, billing_grpc
from viam.gen.proto.rpc.v1 import auth_grpc, auth_pb2

from viam_billing.core.errors import CloudError

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from grpclib.client import UnaryStreamMethod, UnaryUnaryMethod

    from viam_billing.settings.app_address import AppAddress

_OF_BILLING_CLIENT: Final[dict[str, Callable[[BillingClient, Any, float], Awaitable[Message]]]] = {
    "GetCurrentMonthUsage": lambda client, request, s: client.get_current_month_usage(request.org_id, timeout=s),
    "GetInvoicesSummary": lambda client, request, s: client.get_invoices_summary(request.org_id, timeout=s),
    "GetOrgBillingInformation": lambda client, request, s: client.get_org_billing_information(
        request.org_id, timeout=s
    ),
}
"""The calls for which the SDK's BillingClient has a method with a timeout; others go through the generated stubs."""


class CloudClient(ViamClient):
    """A ViamClient on a given channel, logged in with a given token."""

    def __init__(self, channel: Channel, token: str) -> None:
        self._channel = channel
        self._metadata = {"authorization": f"Bearer {token}"}
        self._billing = billing_grpc.BillingServiceStub(channel)
        self._app = app_grpc.AppServiceStub(channel)
        self._closed = False

    async def read(self, rpc: str, request: Message, timeout_s: float) -> Message:
        """One unary call, with the SDK's own method where it has one."""
        method = _OF_BILLING_CLIENT.get(rpc)
        if method is None:
            return await self.call(rpc, request, timeout_s, before_send=lambda: None)
        with _broken_connection():
            try:
                return await method(self.billing_client, request, timeout_s)
            except AssertionError:
                raise _empty_answer(rpc) from None

    async def call(self, rpc: str, request: Message, timeout_s: float, before_send: Callable[[], None]) -> Message:
        """One unary call through the generated stub.

        Args:
            rpc: its name.
            request: its request.
            timeout_s: the time for all of it, connecting included.
            before_send: called when the connection stands, right before the first byte of the request leaves. What
                fails earlier was certainly never sent.
        """
        method: UnaryUnaryMethod[Any, Any] = self._method(rpc)
        sys.audit("viam_billing.cloud.about_to_send", rpc)
        with _broken_connection():
            async with method.open(timeout=timeout_s, metadata=self._metadata) as stream:
                await stream.send_request()
                before_send()
                await stream.send_message(request, end=True)
                sys.audit("viam_billing.cloud.handed_over", rpc)
                answer: Message | None = await stream.recv_message()
        sys.audit("viam_billing.cloud.answered", rpc)
        if answer is None:
            raise _empty_answer(rpc)
        return answer

    async def stream(
        self, rpc: str, request: Message, timeout_s: float, take: Callable[[Any], Awaitable[None]]
    ) -> None:
        """One call with a streamed answer, each message handed to `take`."""
        method: UnaryStreamMethod[Any, Any] = self._method(rpc)
        with _broken_connection():
            async with method.open(timeout=timeout_s, metadata=self._metadata) as stream:
                await stream.send_message(request, end=True)
                async for message in stream:
                    await take(message)

    def _method(self, rpc: str) -> Any:  # noqa: ANN401 - the generated stubs are not typed
        return getattr(self._billing, rpc, None) or getattr(self._app, rpc)


@contextlib.contextmanager
def _broken_connection() -> Iterator[None]:
    """Give a broken connection its name: grpclib meets one that broke between two of its steps as an AttributeError."""
    try:
        yield
    except AttributeError as error:
        if "_transport" not in str(error) and "_frame" not in str(error):
            raise
        raise StreamTerminatedError("Connection lost") from None


def _empty_answer(rpc: str) -> CloudError:
    return CloudError(f"the cloud's answer was empty ({rpc}). Try again later, or ask Viam's support.")


def open_channel(address: AppAddress, tls: ssl.SSLContext | None) -> Channel:
    """A channel that connects, without blocking, with its first call. Needs a running event loop."""
    if address.path:
        return Channel(path=address.path)
    return Channel(address.host, address.port, ssl=tls)


def tls_context(address: AppAddress) -> ssl.SSLContext | None:
    """The TLS settings for an address. Reads the machine's certificates from disk: call it from a thread."""
    if not address.tls:
        return None
    context = ssl.create_default_context()
    if not address.verified:
        # A sandbox on this machine signs its own certificate. Loopback only: see address.is_loopback.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


async def log_in(channel: Channel, key_id: str, key: str, timeout_s: float) -> str:
    """An access token for an API key; of unknown lifetime."""
    request = auth_pb2.AuthenticateRequest(entity=key_id, credentials=auth_pb2.Credentials(type="api-key", payload=key))
    method: UnaryUnaryMethod[Any, Any] = auth_grpc.AuthServiceStub(channel).Authenticate
    with _broken_connection():
        async with method.open(timeout=timeout_s) as stream:
            await stream.send_message(request, end=True)
            answer = await stream.recv_message()
    if answer is None or not answer.access_token:
        raise _empty_answer("Authenticate")
    token: str = answer.access_token
    return token
