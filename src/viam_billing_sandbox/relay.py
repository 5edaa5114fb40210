"""The public listener: passes bytes between callers and the gRPC server, so that a fault can reach the connection.

    caller -- TCP or unix socket --> _Outer = _Inner -- loopback TCP --> grpc.aio server

gRPC offers no way to cut one connection. Here the server's peer is the port of an _Inner, which names the caller.
"""

from __future__ import annotations

import asyncio
import socket
import stat
import struct
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Connections = Literal["normal", "refuse", "silent"]

_LOOPBACK: Final = "127.0.0.1"
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_BACKLOG: Final = 1024


class Relay:
    """Listens, and knows every open connection.

    `mode` holds for new connections: `refuse` closes them at once, `silent` accepts them and never says a word.
    """

    def __init__(self, backend_port: int) -> None:
        self.mode: Connections = "normal"
        self.backend_port = backend_port
        self.outer: set[_Outer] = set()
        self.by_inner_port: dict[int, _Outer] = {}
        self._servers: list[asyncio.Server] = []
        self._socket_path: Path | None = None

    async def listen_tcp(self, host: str, port: int) -> int:
        """Listens on a TCP port, and answers which one it got."""
        server = await asyncio.get_running_loop().create_server(lambda: _Outer(self), host, port, backlog=_BACKLOG)
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def listen_unix(self, path: Path) -> None:
        """Listens on a unix socket; one that was left behind is replaced.

        Raises:
            OSError: Something else than a socket is there, or the path is too long.
        """
        _remove_socket(path)
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: _Outer(self), str(path), backlog=_BACKLOG)
        self._servers.append(server)
        self._socket_path = path

    def drop(self, grpc_peer: str) -> None:
        """Cuts the connection that a call came by; without effect where it is gone already."""
        port = grpc_peer.rpartition(":")[2]
        connection = self.by_inner_port.get(int(port)) if port.isdecimal() else None
        if connection is not None:
            connection.abort()

    def cut(self) -> None:
        """Cuts all open connections."""
        for connection in tuple(self.outer):
            connection.abort()

    def close(self) -> None:
        """Stops listening and cuts everything."""
        for server in self._servers:
            server.close()
        self.cut()
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)


class _Pipe(asyncio.Protocol):
    """One end of a connection; what it reads goes out at `other`."""

    transport: asyncio.Transport
    other: _Pipe | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The loop hands a Transport to a stream protocol, but says so only in its documentation.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.other is not None:
            self.other.transport.close()
            self.other = None


class _Inner(_Pipe):
    """The end towards the gRPC server."""


class _Outer(_Pipe):
    """The end towards the caller."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._inner_port = 0
        self._early = bytearray()
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._relay.mode == "refuse":
            _reset(self.transport)
            return
        self._relay.outer.add(self)
        if self._relay.mode == "silent":
            return  # goes on reading, into nothing, so that the caller's leaving is noticed
        self.transport.pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is None and self._connecting is not None:
            self._early += data  # Python 3.10 goes on reading although it was told to pause
        else:
            super().data_received(data)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        make: Callable[[], _Inner] = _Inner
        try:
            _, inner = await loop.create_connection(make, _LOOPBACK, self._relay.backend_port)
        except OSError:
            self.abort()
            return
        if self.transport.is_closing():
            inner.transport.abort()
            return
        self.other, inner.other = inner, self
        self._inner_port = inner.transport.get_extra_info("sockname")[1]
        self._relay.by_inner_port[self._inner_port] = self
        if self._early:
            inner.transport.write(bytes(self._early))
            self._early.clear()
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.outer.discard(self)
        self._relay.by_inner_port.pop(self._inner_port, None)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Cuts the connection: the caller sees a reset, not an end."""
        _reset(self.transport)


def _remove_socket(path: Path) -> None:
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise FileExistsError(f"{path} is there and is no socket")
    path.unlink(missing_ok=True)


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
