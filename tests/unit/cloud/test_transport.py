"""Channels of gRPC core: where they connect, and what a call on a closed one has done."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
