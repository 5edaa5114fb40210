"""Accepts connections on TCP ports or a unix socket, with TLS or without, and refuses or ignores them on demand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from typing import TYPE_CHECKING, Final, Literal

from viam_billing_sandbox.server.http2 import Connection
from viam_billing_sandbox.server.output import Output
from viam_billing_sandbox.server.stream import Stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from pathlib import Path

Connections = Literal["normal", "refuse", "silent"]

_BACKLOG: Final = 1024


class Listener:
    """Accepts connections and knows those that are open.

    `mode` applies to new connections: `refuse` resets them, `silent` accepts them and sends nothing.
    """

    def __init__(self, on_request: Callable[[Stream], None], tls: ssl.SSLContext | None) -> None:
        self.mode: Connections = "normal"
        self.connections: set[Connection] = set()
        self._silent: set[_Silent] = set()
        self._on_request = on_request
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket_path: Path | None = None

    @property
    def open_connections(self) -> int:
        """The number of open connections, silent ones included."""
        return len(self.connections) + len(self._silent)

    def listen_tcp(self, host: str, port: int) -> int:
        """Listens on a TCP port. Returns which one it got.

        Raises:
            OSError: The port is taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._listen(listening)
        bound: int = listening.getsockname()[1]
        return bound

    def listen_unix(self, path: Path) -> None:
        """Listens on a unix socket; a left-over socket is replaced.

        Raises:
            OSError: Something other than a socket is there, or the path is too long.
        """
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(f"{path} is there and is no socket")
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(str(path))
        except OSError as error:
            listening.close()
            raise OSError(f"cannot listen on {path}: {error}") from error
        listening.listen(_BACKLOG)
        self._listen(listening)
        self._socket_path = path

    def cut(self) -> None:
        """Resets all open connections."""
        connections: list[Connection | _Silent] = [*self.connections, *self._silent]
        for connection in connections:
            connection.output.abort()

    def mute(self) -> None:
        """Silences all open connections without closing them."""
        for connection in self.connections:
            connection.output.mute()

    def close(self) -> None:
        """Stops listening and cuts everything."""
        for task in self._tasks:
            task.cancel()
        for listening in self._sockets:
            listening.close()
        self.cut()
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)

    def _listen(self, listening: socket.socket) -> None:
        listening.setblocking(False)  # noqa: FBT003 - its only parameter
        self._sockets.append(listening)
        self._start(self._accept(listening))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(listening)
            if accepted.family != socket.AF_UNIX:
                # asyncio sets it only for sockets that it makes itself.
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._open(accepted))

    async def _open(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        # A client may leave during the TLS handshake, or speak no TLS.
        with contextlib.suppress(OSError):
            if self.mode == "normal":
                await loop.connect_accepted_socket(
                    lambda: Connection(self._on_request, self.connections), accepted, ssl=self._tls
                )
            else:
                is_refused = self.mode == "refuse"
                await loop.connect_accepted_socket(lambda: _Silent(self._silent, is_refused=is_refused), accepted)


class _Silent(asyncio.Protocol):
    """A connection that is never answered, not even in a TLS handshake, or that is reset at once."""

    def __init__(self, connections: set[_Silent], *, is_refused: bool) -> None:
        self._connections = connections
        self._is_refused = is_refused
        self.output: Output

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # As in http2.Connection.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.output = Output(transport)
        if self._is_refused:
            self.output.abort()
        else:
            self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)
