"""The sandbox's server inside a test's own process, and a caller on gRPC core."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox.cloud import Cloud
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_ORG_ID, DEFAULT_PATH
from viam_billing_sandbox.scenario_file import load
from viam_billing_sandbox.server.calls import Calls
from viam_billing_sandbox.server.listener import Listener

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # these tests break connections on purpose

import grpc
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from viam_billing_sandbox.faults import Fault

PREFIX: Final = "/viam.app.v1.BillingService/"


class SandboxServer:
    """A cloud with the default scenario on a port of 127.0.0.1."""

    def __init__(self) -> None:
        self.calls = Calls(Cloud(load(DEFAULT_PATH, utc_now())), quiet=True)
        self.listener = Listener(self.calls.serve, None)
        self.port = self.listener.listen_tcp("127.0.0.1", 0)
        token = self.calls.cloud.sessions.log_in(DEFAULT_API_KEY_ID, DEFAULT_API_KEY)
        self.metadata = [("authorization", f"Bearer {token}")]

    def set_fault(self, fault: Fault) -> None:
        """Adds a fault."""
        self.calls.faults.add(fault)

    @contextlib.asynccontextmanager
    async def core(self) -> AsyncIterator[CoreCaller]:
        """Connects with gRPC core."""
        options = (("grpc.enable_retries", 0), ("grpc.max_receive_message_length", 64 * 1024 * 1024))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
            yield CoreCaller(channel, self.metadata)


class CoreCaller:
    """Makes calls over gRPC core, each with a time of 5 s by default."""

    def __init__(self, channel: grpc.aio.Channel, metadata: list[tuple[str, str]]) -> None:
        self._channel = channel
        self._metadata = metadata

    async def usage(self, timeout_s: float = 5.0) -> float:
        """Returns the default organization's subtotal."""
        send = self._channel.unary_unary(
            f"{PREFIX}GetCurrentMonthUsage",
            billing_pb2.GetCurrentMonthUsageRequest.SerializeToString,
            billing_pb2.GetCurrentMonthUsageResponse.FromString,
        )
        request = billing_pb2.GetCurrentMonthUsageRequest(org_id=DEFAULT_ORG_ID)
        answer: Any = await send(request, timeout=timeout_s, metadata=tuple(self._metadata))
        # Core swallows the error of a message that it cannot read, and returns None, which its types do not say.
        return float("nan") if answer is None else float(answer.subtotal)

    async def pdf(self, invoice_id: str) -> bytes:
        """Returns a PDF of the default organization."""
        send = self._channel.unary_stream(
            f"{PREFIX}GetInvoicePdf",
            billing_pb2.GetInvoicePdfRequest.SerializeToString,
            billing_pb2.GetInvoicePdfResponse.FromString,
        )
        request = billing_pb2.GetInvoicePdfRequest(id=invoice_id, org_id=DEFAULT_ORG_ID)
        return b"".join([answer.chunk async for answer in send(request, timeout=20, metadata=tuple(self._metadata))])

    async def refusal(self) -> grpc.aio.AioRpcError | None:
        """Returns the error of a call, or None where it was answered."""
        try:
            await self.usage(timeout_s=1.0)
        except grpc.aio.AioRpcError as error:
            return error
        return None


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[SandboxServer]:
    """Starts a server and stops it in the end."""
    server = SandboxServer()
    try:
        yield server
    finally:
        server.listener.close()
        server.calls.stop()
