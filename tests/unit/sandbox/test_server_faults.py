"""Each fault of the server as gRPC core meets it, which shares no code with the server."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from support.sandbox_server import SandboxServer, running
from viam_billing_sandbox.faults import Answer, Fault, Frame, GoAway, When

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def server() -> AsyncIterator[SandboxServer]:
    """A server without faults."""
    async with running() as made:
        yield made


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault(answer="gzip"),
        Fault(answer_size_bytes=20 * 1024 * 1024),
        Fault(chunk_bytes=50, chunk_delay_s=0.001),
        Fault(goaway="graceful", latency_before_s=0.05),
        Fault(goaway="last", latency_before_s=0.05),
        Fault(ignore_pings=True),
        *(Fault(frame=frame) for frame in ("unknown", "origin", "altsvc", "priority_update")),
    ],
    ids=lambda fault: " ".join(f"{name}={value}" for name, value in fault.to_request().items() if value),
)
async def test_a_harmless_oddity_is_answered(server: SandboxServer, fault: Fault) -> None:
    server.set_fault(fault)
    async with server.core() as caller:
        assert await caller.usage() > 0
        assert await caller.usage() > 0


@pytest.mark.parametrize("answer", ["not_protobuf", "not_utf8", "too_short", "no_message"])
async def test_an_unreadable_answer_is_no_message_for_core(server: SandboxServer, answer: Answer) -> None:
    server.set_fault(Fault(answer=answer))
    async with server.core() as caller:
        assert math.isnan(await caller.usage())


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (Fault(answer="broken_gzip"), "INTERNAL", "Decompression failed"),
        (Fault(answer="unknown_encoding"), "INTERNAL", "grpc-encoding"),
        (Fault(answer="no_trailers"), "UNKNOWN", "END_STREAM"),
        (Fault(answer="cut_off"), "UNAVAILABLE", "reset by peer"),
        (Fault(drop_connection=True), "UNAVAILABLE", "reset by peer"),
        (Fault(frame="early_hints"), "UNKNOWN", "status: 103"),
        (Fault(http_status=500), "UNKNOWN", "status: 500"),
        (Fault(http_status=403), "PERMISSION_DENIED", "status: 403"),
        (Fault(http_status=503), "UNAVAILABLE", "status: 503"),
        (Fault(http_status=200), "UNKNOWN", "END_STREAM"),
        (Fault(reset="REFUSED_STREAM"), "UNAVAILABLE", "error code 7"),
        (Fault(reset="ENHANCE_YOUR_CALM"), "RESOURCE_EXHAUSTED", "error code 11"),
        (Fault(goaway="refused"), "UNAVAILABLE", "GOAWAY"),
        (Fault(status="INTERNAL", message="50% größer"), "INTERNAL", "50% größer"),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
async def test_a_fault_ends_the_call_at_once(server: SandboxServer, fault: Fault, status: str, text: str) -> None:
    server.set_fault(fault)
    async with server.core() as caller:
        error = await caller.refusal()
    assert error is not None
    assert error.code().name == status
    assert text in (error.details() or "")


@pytest.mark.parametrize(
    "fault",
    [Fault(never_answer=True), Fault(mute_connection=True), Fault(answer="left_open"), Fault(latency_before_s=60)],
    ids=["never_answer", "mute_connection", "left_open", "latency"],
)
async def test_a_call_without_an_end_lasts_until_the_callers_deadline(server: SandboxServer, fault: Fault) -> None:
    server.set_fault(fault)
    async with server.core() as caller:
        started_s = time.monotonic()
        error = await caller.refusal()
    assert error is not None
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started_s >= 1.0


@pytest.mark.parametrize(("when", "finished"), [("before", 0), ("after", 1)])
async def test_a_fault_comes_before_or_after_the_work(server: SandboxServer, when: When, finished: int) -> None:
    server.set_fault(Fault(reset="REFUSED_STREAM", when=when))
    async with server.core() as caller:
        assert await caller.refusal() is not None
    assert server.calls.counts.finished["GetCurrentMonthUsage"] == finished


@pytest.mark.parametrize("frame", ["unknown", "early_hints"])
async def test_a_status_too_may_follow_a_frame(server: SandboxServer, frame: Frame) -> None:
    server.set_fault(Fault(frame=frame))
    server.metadata = [("authorization", "Bearer nobody's")]
    async with server.core() as caller:
        error = await caller.refusal()
    assert error is not None
    assert error.code() is (grpc.StatusCode.UNKNOWN if frame == "early_hints" else grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize(("goaway", "answered"), [("graceful", 3), ("last", 1), ("refused", 0)])
async def test_a_connection_that_is_going_away_answers_what_its_goaway_promises(
    server: SandboxServer, goaway: GoAway, answered: int
) -> None:
    async with server.core() as caller:
        await caller.usage()
        server.set_fault(Fault(latency_before_s=0.1))
        server.set_fault(Fault(goaway=goaway, count=1))
        outcomes = await asyncio.gather(*(caller.refusal() for _ in range(3)))
    assert outcomes.count(None) == answered
    assert server.calls.counts.finished["GetCurrentMonthUsage"] == 1 + answered


async def test_a_muted_connection_stays_open(server: SandboxServer) -> None:
    async with server.core() as caller:
        assert await caller.usage() > 0
        server.listener.mute()
        assert await caller.refusal() is not None
        assert server.listener.open_connections == 1


async def test_a_token_has_the_text_or_the_size_that_a_fault_wants(server: SandboxServer) -> None:
    sessions = server.calls.cloud.sessions
    key = server.calls.cloud.scenario.keys[0]
    assert sessions.log_in(key.id, key.secret, token="odd\n") == "odd\n"
    token = sessions.log_in(key.id, key.secret, size_bytes=20_000)
    assert token is not None
    assert len(token) == 20_000
    assert sessions.key_of(token) == key
