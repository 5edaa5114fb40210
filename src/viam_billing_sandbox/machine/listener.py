"""The machine's port: gRPC is passed on as it is, HTTP/1.1 is answered here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from viam_billing.core.tasks import within

if TYPE_CHECKING:
    from pathlib import Path

Http = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LIMIT: Final = 32 * 1024
"""Bytes of an HTTP request's head, and of what is read ahead."""

_FIRST_BYTES_S: Final = 30.0
_MOST_CONNECTIONS: Final = 200
_CHUNK: Final = 64 * 1024
_PREFACE: Final = b"PRI "
"""How HTTP/2 begins, and no request of HTTP/1.1 does."""


class Listener:
    """Listens on one port of both loopback addresses; a connection that fails ends alone."""

    def __init__(self, grpc_socket: Path, http: Http) -> None:
        self._grpc_socket = grpc_socket
        self._http = http
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.StreamWriter, None] = {}
        """Connections that have said nothing yet, the oldest first."""

    async def listen(self, port: int) -> int:
        """Listens; 0 takes a free port. Returns the port.

        Raises:
            OSError: The port is taken.
        """
        server = await asyncio.start_server(self._accepted, "127.0.0.1", port, limit=LIMIT)
        self._servers.append(server)
        port = server.sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):
            # "localhost" may mean either, and a client that tries ::1 first would lose time.
            self._servers.append(await asyncio.start_server(self._accepted, "::1", port, limit=LIMIT))
        return port

    async def close(self) -> None:
        """Stops listening and ends all connections."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _MOST_CONNECTIONS:
            oldest = next(iter(self._silent), writer)
            self._silent.pop(oldest, None)
            oldest.transport.abort()
            if oldest is writer:
                return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._silent[writer] = None
        try:
            first = await within(_FIRST_BYTES_S, reader.readexactly(len(_PREFACE)))
            self._silent.pop(writer, None)
            await (self._pass_on(first, reader, writer) if first == _PREFACE else self._http(first, reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            writer.transport.abort()  # the client left, or is too slow
        finally:
            self._silent.pop(writer, None)
            writer.close()

    async def _pass_on(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._grpc_socket))
        inner_writer.write(first)
        ways = [
            asyncio.ensure_future(_copy(reader, inner_writer)),
            asyncio.ensure_future(_copy(inner_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
