"""A cloud that answers with whatever bytes a test gives it, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from viam.gen.proto.rpc.v1 import auth_pb2

from viam_billing_sandbox.server.grpc import OK_HEADERS, framed, trailers
from viam_billing_sandbox.server.listener import Listener
from viam_billing_sandbox.server.stream import Stream, StreamClosed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grpclib.const import Status as _Status
    from typing_extensions import Self

from grpclib.const import Status

_AT_ONCE_BYTES: Final = 2**20
_LOGIN: Final = framed(auth_pb2.AuthenticateResponse(access_token="token").SerializeToString())


class RawCloud:
    """Listens on a port of 127.0.0.1; every login is good.

    `bodies` has the whole body of the answer to each RPC, `b"..."` in frames of gRPC; others get an empty message.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.encoding = b""
        self.status: _Status = Status.OK
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._serving: set[asyncio.Task[None]] = set()
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._listener: Listener = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def answer(self, messages: Mapping[str, bytes]) -> None:
        """Answer these RPCs with these messages, and all others with empty ones."""
        self.bodies = {rpc: framed(message) for rpc, message in messages.items()}

    async def _listen(self) -> Listener:
        listener = Listener(self._serve, None)
        self.address = f"http://127.0.0.1:{listener.listen_tcp('127.0.0.1', 0)}"
        return listener

    async def _close(self) -> None:
        self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _serve(self, stream: Stream) -> None:
        task = self._loop.create_task(self._answer(stream))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _answer(self, stream: Stream) -> None:
        rpc = stream.headers[b":path"].rpartition(b"/")[2].decode()
        body = _LOGIN if rpc == "Authenticate" and rpc not in self.bodies else self.bodies.get(rpc, framed(b""))
        encoding = [(b"grpc-encoding", self.encoding)] if self.encoding and rpc != "Authenticate" else []
        try:
            stream.send_headers([*OK_HEADERS, *encoding])
            for start in range(0, len(body), _AT_ONCE_BYTES):
                await stream.send_data(body[start : start + _AT_ONCE_BYTES])
            stream.send_headers(trailers(self.status), end=True)
        except StreamClosed:
            pass  # the module has had enough
