"""Channels of gRPC core: where they connect, and what a call on a closed one has done."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from google.protobuf.empty_pb2 import Empty

from support.conditions import holds
from viam_billing.cloud.api_key import ApiKey
from viam_billing.cloud.failures import CallFailedError, outcome_of_charge
from viam_billing.cloud.session import Session
from viam_billing.cloud.transport import Channel, Method
from viam_billing.core.errors import NotConfiguredError, Outcome
from viam_billing.core.secrets import Secrets
from viam_billing.settings.app_address import AppAddress

EMPTY_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The frame with which a server of HTTP/2 begins."""
ANSWER_HEADERS = [(":status", "200"), ("content-type", "application/grpc")]


@pytest.mark.parametrize("name", ["cloud.sock", "a#b.sock", "a%20b.sock", "a b?c.sock", "ü.sock"])
async def test_a_socket_is_reached_whatever_its_name(tmp_path: Path, name: str) -> None:
    path, left = str(tmp_path / name), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY_SETTINGS)
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_unix_server(serve, path):
        channel = Channel(AppAddress(path, path=path), None)
        await channel.connect(5)
        await channel.close()
        await left.wait()


async def test_a_charge_on_a_closed_channel_was_never_sent() -> None:
    channel = Channel(AppAddress("http://127.0.0.1:1", "127.0.0.1", 1), None)
    await channel.close()
    with pytest.raises(CallFailedError) as caught:
        await channel.unary(Method("/any.Service/Call", Empty), Empty(), 5, {})
    assert outcome_of_charge(caught.value) is Outcome.NEVER_SENT


class Unfinished:
    """A server on a socket that answers each call with one empty message and never ends it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answered = asyncio.Event()
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client has left it."""
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        with contextlib.suppress(ConnectionError):  # it may leave while it is written to
            while data := await reader.read(2**16):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        connection.send_headers(event.stream_id, ANSWER_HEADERS)
                        connection.send_data(event.stream_id, bytes(5))
                        self.answered.set()
                writer.write(connection.data_to_send())
        writer.close()
        self.left.set()


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """What is let go of goes by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
async def test_a_connection_ends_with_its_channel_although_the_error_of_a_cancelled_call_is_kept(
    tmp_path: Path,
) -> None:
    server = Unfinished(str(tmp_path / "cloud.sock"))
    async with await asyncio.start_unix_server(server.serve, server.path):
        channel = Channel(AppAddress(server.path, path=server.path), None)
        call = asyncio.create_task(channel.unary(Method("/any.Service/Call", Empty), Empty(), 30, {}))
        await server.answered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as kept:
            await call
        await channel.close()
        await asyncio.wait_for(server.left.wait(), 20)
    del kept


@pytest.mark.usefixtures("no_garbage_collection")
async def test_a_connection_ends_with_its_channel_after_an_answer_that_was_left_half_read(tmp_path: Path) -> None:
    server = Unfinished(str(tmp_path / "cloud.sock"))
    async with await asyncio.start_unix_server(server.serve, server.path):
        channel = Channel(AppAddress(server.path, path=server.path), None)
        async with contextlib.aclosing(channel.stream(Method("/any.Service/Call", Empty), Empty(), 30, {})) as messages:
            assert await anext(messages) == Empty()
        await channel.close()
        await asyncio.wait_for(server.left.wait(), 20)


async def test_certificates_on_a_disk_that_hangs_hold_up_nothing_else(tmp_path: Path) -> None:
    """A FIFO without a writer is like a file on a dead disk: whoever reads it waits."""
    path = tmp_path / "ca.pem"
    os.mkfifo(path)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    address = AppAddress("https://127.0.0.2", "127.0.0.2", 443, tls=True, verified=True)
    session = Session(address, "id", ApiKey(Secrets(), "key"), str(path))
    login = session.begin_login()
    writers: list[int] = []

    def is_read() -> bool:
        try:
            writers.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    await holds(is_read)
    assert await asyncio.wait_for(asyncio.to_thread(str, "done"), 5) == "done"
    os.close(writers[0])
    with pytest.raises(NotConfiguredError):
        await login
    session.close()
