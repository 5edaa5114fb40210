"""The server's HTTP/2 and gRPC, with clients that behave and clients that do not."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from grpclib.client import Channel
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, ResponseReceived, StreamReset, TrailersReceived
from viam.proto.app.billing import BillingServiceStub, GetCurrentMonthUsageRequest

from support.sandbox_server import PREFIX, SandboxServer, running
from viam_billing_sandbox.faults import Fault
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID
from viam_billing_sandbox.server.grpc import framed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATH = f"{PREFIX}GetCurrentMonthUsage"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = framed(GetCurrentMonthUsageRequest(org_id=DEFAULT_ORG_ID).SerializeToString())


@pytest_asyncio.fixture
async def server() -> AsyncIterator[SandboxServer]:
    """A server without faults."""
    async with running() as made:
        yield made


async def call_by_hand(server: SandboxServer, body: bytes = REQUEST, **headers: str) -> dict[str, str]:
    """Returns the headers and trailers of the answer to a request, and `reset` for a stream that was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False))
    h2.initiate_connection()
    usual = {":method": "POST", ":scheme": "http", ":path": PATH, "content-type": "application/grpc"}
    given = {**usual, **dict(server.metadata), **{name.replace("_", "-"): text for name, text in headers.items()}}
    h2.send_headers(1, [(name, text) for name, text in given.items() if text])
    h2.send_data(1, body, end_stream=True)
    answer: dict[str, str] = {}
    while not answer.keys() & {"grpc-status", "reset"} and answer.get(":status", "200") == "200":
        writer.write(h2.data_to_send())
        for event in h2.receive_data(await reader.read(65536)):
            answer |= _told(event)
    writer.close()
    await writer.wait_closed()
    return answer


def _told(event: Event) -> dict[str, str]:
    if isinstance(event, (ResponseReceived, TrailersReceived)):
        return {str(name): str(text) for name, text in event.headers or ()}
    return {"reset": str(event.error_code)} if isinstance(event, StreamReset) else {}


@pytest.mark.parametrize(
    ("headers", "body", "status", "message"),
    [
        ({}, REQUEST, "0", ""),
        ({"grpc_timeout": "5S"}, REQUEST, "0", ""),
        ({"grpc_timeout": "soon"}, REQUEST, "0", ""),
        ({"authorization": "Bearer nobody's"}, REQUEST, "16", "invalid or expired token"),
        ({"authorization": ""}, REQUEST, "16", "invalid or expired token"),
        ({":path": "/viam.app.v1.BillingService/Nothing"}, REQUEST, "12", "no such method"),
        ({":path": ""}, REQUEST, "12", "no such method"),
        ({}, b"", "13", "not one message"),
        ({}, REQUEST[:-1], "13", "not one message"),
        ({}, REQUEST * 2, "13", "not one message"),
        ({}, framed(b"\xff" * 9), "13", "no protobuf"),
        ({}, framed(b"\xff", is_compressed=True), "12", "compression"),
        ({"grpc_encoding": "gzip"}, framed(b"\xff", is_compressed=True), "13", "decompressed"),
    ],
)
async def test_a_request_is_answered_or_refused(
    server: SandboxServer, headers: dict[str, str], body: bytes, status: str, message: str
) -> None:
    answer = await call_by_hand(server, body, **headers)
    assert answer[":status"] == "200"
    assert answer["content-type"] == "application/grpc"
    assert answer["grpc-status"] == status
    assert message in answer.get("grpc-message", "")


async def test_what_is_not_grpc_is_refused_in_http(server: SandboxServer) -> None:
    assert (await call_by_hand(server, content_type="text/html"))[":status"] == "415"


async def test_a_deadline_that_the_client_does_not_watch_ends_the_call(server: SandboxServer) -> None:
    server.set_fault(Fault(latency_before_s=60))
    answer = await call_by_hand(server, grpc_timeout="10m")
    assert answer["grpc-status"] == "4"
    assert server.calls.counts.in_flight == 0


async def test_an_answer_is_compressed_only_for_clients_that_take_it(server: SandboxServer) -> None:
    server.set_fault(Fault(answer="gzip"))
    assert "grpc-encoding" not in await call_by_hand(server)
    assert (await call_by_hand(server, grpc_accept_encoding="identity,gzip"))["grpc-encoding"] == "gzip"


async def test_grpclib_is_served_as_well(server: SandboxServer) -> None:
    channel = Channel("127.0.0.1", server.port)
    try:
        stub = BillingServiceStub(channel)
        request = GetCurrentMonthUsageRequest(org_id=DEFAULT_ORG_ID)
        answers = await asyncio.gather(
            *(stub.GetCurrentMonthUsage(request, metadata=dict(server.metadata), timeout=10) for _ in range(50))
        )
    finally:
        channel.close()
    assert len(answers) == 50
    assert server.calls.counts.in_flight == 0


async def test_a_large_pdf_arrives_whole_by_core(server: SandboxServer) -> None:
    server.set_fault(Fault("GetInvoicePdf", pdf_size_bytes=24_000_000))
    invoice = server.calls.cloud.scenario.organizations[DEFAULT_ORG_ID].invoices[0]
    async with server.core() as caller:
        content = await caller.pdf(invoice.id)
    assert len(content) == 24_000_000
    assert content.endswith(b"%%EOF\n")


@pytest.mark.parametrize("seed", range(40))
async def test_garbage_costs_a_client_its_connection_and_nobody_else_theirs(server: SandboxServer, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    frames = b"".join(
        chance.randbytes(chance.randrange(3))
        + length.to_bytes(3, "big")
        + bytes([chance.randrange(12), chance.randrange(256)])
        + chance.randrange(5).to_bytes(4, "big")
        + chance.randbytes(length)
        for length in (chance.randrange(40) for _ in range(30))
    )
    writer.write((PREFACE if seed % 2 else b"") + frames)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), timeout=5)
    writer.close()
    async with server.core() as caller:
        assert await caller.usage() > 0
    assert server.calls.counts.in_flight == 0
