"""An HTTP proxy that knows CONNECT only, for tests of HTTPS_PROXY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping


class HttpProxy:
    """`url` is what HTTPS_PROXY takes; `connected` lists the hosts and ports that callers have asked for."""

    def __init__(self, hosts: Mapping[str, tuple[str, int]]) -> None:
        """`hosts` says where a `host:port` really is, so that a sandbox can stand behind any name."""
        self.url = ""
        self.connected: list[str] = []
        self._hosts = hosts
        self._tunnels: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one caller in the background."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tunnels.add(task)
        task.add_done_callback(self._tunnels.discard)

    async def close(self) -> None:
        """Cuts all tunnels."""
        for task in tuple(self._tunnels):
            task.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ", 2)
            if method != "CONNECT" or target not in self._hosts:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            self.connected.append(target)
            far_reader, far_writer = await asyncio.open_connection(*self._hosts[target])
            async with _closing(far_writer):
                writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                pumps = [_pump(reader, far_writer), _pump(far_reader, writer)]
                tasks = [asyncio.ensure_future(pump) for pump in pumps]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    with contextlib.suppress(OSError, EOFError):
        try:
            yield
        finally:
            writer.close()
            await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def http_proxy(hosts: Mapping[str, tuple[str, int]]) -> AsyncIterator[HttpProxy]:
    """Runs a proxy on a free port of 127.0.0.1."""
    proxy = HttpProxy(hosts)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
