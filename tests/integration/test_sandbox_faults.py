"""Every fault of the sandbox, as a caller meets it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time

import pytest
from grpclib import GRPCError, Status

from support.sandbox_caller import (
    CONNECTION_LOST,
    HARBOR_ID,
    calling,
    refused,
)
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault
from viam_billing_sandbox.faults import Pdf
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID


async def test_latency_delays_a_call(sandbox: SandboxProcess) -> None:
    """Latencies before and after the work add up."""
    async with calling(sandbox) as caller:
        sandbox.control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=0.1, latency_after_s=0.1))
        started_s = time.monotonic()
        await caller.usage()
    assert time.monotonic() - started_s >= 0.2


async def test_a_status_falls_on_some_calls(sandbox: SandboxProcess) -> None:
    """`skip` lets calls pass first, `count` ends the fault."""
    sandbox.control.set_fault(
        Fault("GetCurrentMonthUsage", status="UNAVAILABLE", message="maintenance", skip=1, count=1)
    )
    async with calling(sandbox) as caller:
        await caller.usage()
        with pytest.raises(GRPCError, match="maintenance"):
            await caller.usage()
        await caller.usage()


async def test_a_fault_falls_on_one_organization_or_location(sandbox: SandboxProcess) -> None:
    """Whatever the request calls the ID; requests that name another one, or the same text as no ID, go on."""
    for org_or_location in (HARBOR_ID, "pier7hl001", "Visit"):
        sandbox.control.set_fault(Fault(status="INTERNAL", only_for=org_or_location))
    async with calling(sandbox) as caller:
        await caller.usage()
        assert await caller.payer("wh1north01")
        for call in (caller.charge(), caller.payer("pier7hl001"), caller.invoice_ids(HARBOR_ID)):
            with refused(Status.INTERNAL):
                await call


@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after", 1)])
async def test_a_status_comes_before_or_after_the_work(sandbox: SandboxProcess, when: str, charges: int) -> None:
    """After the work, the charge is made although the caller is told otherwise."""
    fault = Fault("ChargeOrganization", status="INTERNAL", when="after" if when == "after" else "before")
    sandbox.control.set_fault(fault)
    async with calling(sandbox) as caller:
        with refused(Status.INTERNAL):
            await caller.charge()
    assert len(sandbox.control.stats().charges) == charges


@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after", 1)])
async def test_a_call_is_never_answered(sandbox: SandboxProcess, when: str, charges: int) -> None:
    """Only the caller's own deadline ends the call."""
    fault = Fault("ChargeOrganization", never_answer=True, when="after" if when == "after" else "before")
    sandbox.control.set_fault(fault)
    async with calling(sandbox) as caller:
        with pytest.raises(asyncio.TimeoutError):
            await caller.charge(timeout_s=0.2)
    stats = sandbox.control.wait_for(lambda now: now.in_flight == 0)
    assert len(stats.charges) == charges


@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after", 1)])
async def test_a_connection_is_dropped(sandbox: SandboxProcess, when: str, charges: int) -> None:
    """The caller's connection is cut in the middle of the call; a new one works."""
    fault = Fault("ChargeOrganization", drop_connection=True, when="after" if when == "after" else "before", count=1)
    sandbox.control.set_fault(fault)
    async with calling(sandbox) as caller:
        with pytest.raises(CONNECTION_LOST):
            await caller.charge(timeout_s=5)
        assert len(sandbox.control.stats().charges) == charges
        assert await caller.charge(timeout_s=5)


async def test_a_drop_leaves_other_connections_alone(sandbox: SandboxProcess) -> None:
    """Only the connection of the faulty call is cut."""
    sandbox.control.set_fault(Fault("ChargeOrganization", drop_connection=True))
    async with calling(sandbox) as waiting, calling(sandbox) as victim:
        sandbox.control.set_fault(Fault("GetCurrentMonthUsage", latency_before_s=0.2))
        usage = asyncio.ensure_future(waiting.usage())
        with pytest.raises(CONNECTION_LOST):
            await victim.charge(timeout_s=5)
        assert await usage > 0


async def test_work_goes_on_when_the_caller_has_left(sandbox: SandboxProcess) -> None:
    """A charge that has arrived is made, although its caller's deadline passed before."""
    sandbox.control.set_fault(Fault("ChargeOrganization", latency_before_s=0.3))
    async with calling(sandbox) as caller:
        with pytest.raises(asyncio.TimeoutError):
            await caller.charge(timeout_s=0.1)
        assert not sandbox.control.stats().charges
    stats = sandbox.control.wait_for(lambda now: now.finished.get("ChargeOrganization") == 1)
    assert len(stats.charges) == 1


async def test_a_token_lives_for_some_calls(sandbox: SandboxProcess) -> None:
    """A token that is used up is refused, a new one works."""
    sandbox.control.token_lifetime(calls=1)
    async with calling(sandbox) as caller:
        await caller.usage()
        with refused(Status.UNAUTHENTICATED):
            await caller.usage()
    async with calling(sandbox) as caller:
        await caller.usage()


async def test_a_token_lives_for_some_time(sandbox: SandboxProcess) -> None:
    """A token that is too old is refused."""
    async with calling(sandbox) as caller:
        await caller.usage()
        sandbox.control.token_lifetime(seconds=0)
        with refused(Status.UNAUTHENTICATED):
            await caller.usage()


async def test_tokens_can_be_expired(sandbox: SandboxProcess) -> None:
    """All tokens end at once, and logins are counted."""
    async with calling(sandbox) as caller:
        sandbox.control.expire_tokens()
        with refused(Status.UNAUTHENTICATED):
            await caller.usage()
    assert sandbox.control.stats().logins == 1


async def test_a_pdf_breaks_off(sandbox: SandboxProcess) -> None:
    """Half of the bytes arrive, then UNAVAILABLE."""
    sandbox.control.set_fault(Fault("GetInvoicePdf", pdf="half", pdf_size_bytes=200_000))
    received = bytearray()
    async with calling(sandbox) as caller:
        invoice_id = (await caller.invoice_ids(DEFAULT_ORG_ID))[0]
        with refused(Status.UNAVAILABLE):
            await caller.pdf(received, invoice_id)
    assert len(received) == 100_000


@pytest.mark.parametrize(
    ("how", "form"),
    [
        ("cut", rb"%PDF-.{199972,}startxref\n\d+\n"),
        ("short", rb"%PDF-1\.7.{15}"),
        ("page", rb"<!DOCTYPE html>.*</html>\n"),
        ("empty", rb""),
        ("other_start", rb"(?!%PDF-).*%%EOF\n"),
    ],
)
async def test_something_else_comes_in_place_of_a_pdf(sandbox: SandboxProcess, how: Pdf, form: bytes) -> None:
    """And then OK: only the bytes tell."""
    sandbox.control.set_fault(Fault("GetInvoicePdf", pdf=how, pdf_size_bytes=200_000))
    received = bytearray()
    async with calling(sandbox) as caller:
        await caller.pdf(received, (await caller.invoice_ids(DEFAULT_ORG_ID))[0])
    assert re.fullmatch(form, received, re.DOTALL)


def test_connections_can_be_refused(sandbox: SandboxProcess) -> None:
    """New connections are reset at once, the control stays reachable."""
    sandbox.control.connections("refuse")
    address = ("127.0.0.1", sandbox.port)
    # The reset may come while the caller is still connecting.
    with pytest.raises(ConnectionResetError), socket.create_connection(address, timeout=5) as connection:
        connection.recv(1)
    assert sandbox.control.stats().open_connections == 0


async def test_an_outage_ends(sandbox: SandboxProcess) -> None:
    """A cloud gone dark loses its callers, and serves them again once the faults are cleared."""
    async with calling(sandbox) as caller:
        sandbox.control.go_dark()
        sandbox.control.clear_faults()
        with contextlib.suppress(*CONNECTION_LOST):  # the cut may reach the caller only now
            await caller.usage()
        assert await caller.usage() > 0


async def test_connections_can_be_silent(sandbox: SandboxProcess) -> None:
    """A new connection is accepted and never hears a word."""
    sandbox.control.connections("silent")
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(reader.read(1), timeout=0.2)
    writer.close()
    await writer.wait_closed()


async def test_all_connections_can_be_cut(sandbox: SandboxProcess) -> None:
    """A call under way ends with its connection."""
    sandbox.control.set_fault(Fault("GetCurrentMonthUsage", never_answer=True))
    async with calling(sandbox) as caller:
        usage = asyncio.ensure_future(caller.usage())
        await asyncio.to_thread(sandbox.control.wait_for, lambda now: now.in_flight == 1)
        sandbox.control.cut()
        with pytest.raises(CONNECTION_LOST):
            await usage
    sandbox.control.wait_for(lambda now: (now.open_connections, now.in_flight) == (0, 0))
