"""An HTTP proxy that knows CONNECT only, for tests of HTTPS_PROXY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field


@dataclass
class HttpProxy:
    """`url` is what HTTPS_PROXY takes; `connected` lists the hosts and ports that callers have asked for.

    `hosts` says which address a `host:port` really has, so that any name can be that of a sandbox.
    """

    url: str
    hosts: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one caller: 200 and a tunnel, or 502."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, _, rest = request.partition(" ")
            target = rest.partition(" ")[0]
            if method != "CONNECT":
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
                return
            self.connected.append(target)
            host, _, port = target.rpartition(":")
            try:
                far = await asyncio.open_connection(*self.hosts.get(target, (host.strip("[]"), int(port))))
            except OSError:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def http_proxy(hosts: Mapping[str, tuple[str, int]] | None = None) -> AsyncIterator[HttpProxy]:
    """Runs a proxy on a free port of 127.0.0.1."""
    proxy = HttpProxy("", hosts or {})
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
