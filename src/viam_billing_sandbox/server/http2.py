"""One HTTP/2 connection: complete requests in, answers out under flow control, raw frames where a fault wants them."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from viam_billing_sandbox.server.output import Output
from viam_billing_sandbox.server.stream import EARLY_HINTS, Headers, Stream, StreamClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CONFIGURATION: Final = H2Configuration(
    client_side=False,
    # Faults send what HTTP/2 forbids, and odd headers of a client do no harm.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
)
_MAX_STREAMS: Final = 4096
_MAX_HEADER_BYTES: Final = 1024 * 1024
_MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
_HIGHEST_STREAM_ID: Final = 2**31 - 1
_GOAWAY: Final = 7


class Connection(asyncio.Protocol):
    """Speaks HTTP/2 with one client, and hands each complete request to `on_request`."""

    def __init__(self, on_request: Callable[[Stream], None], connections: set[Connection]) -> None:
        self.output: Output
        self._on_request = on_request
        self._connections = connections
        self._h2 = H2Connection(_CONFIGURATION)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MAX_HEADER_BYTES,
            },
        )
        self._h2.decoder.max_header_list_size = _MAX_HEADER_BYTES
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RequestReceived: self._request_received,
            DataReceived: self._request_data_received,
            StreamEnded: self._request_ended,
            StreamReset: self._stream_reset,
            WindowUpdated: lambda _: self._wake(),
            RemoteSettingsChanged: lambda _: self._wake(),
            ConnectionTerminated: lambda _: self._close(),
        }
        self._streams: dict[int, Stream] = {}
        self._last_stream_id: int | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets the client with the server's settings."""
        # asyncio passes a Transport to stream protocols, although its types promise less.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.output = Output(transport)
        self._connections.add(self)
        self._h2.initiate_connection()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Closes all streams: their clients have left."""
        self._connections.discard(self)
        self._drop_streams()

    def pause_writing(self) -> None:
        """Holds data back: the client reads too slowly."""
        self.output.is_paused = True

    def resume_writing(self) -> None:
        """Sends data again."""
        self.output.is_paused = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Reads frames; a client that breaks HTTP/2 is told so and loses its connection."""
        if self.output.is_mute:
            return
        try:
            for event in self._h2.receive_data(data):
                self._handlers.get(type(event), _ignore)(event)
        except ProtocolError:
            self._close()  # with the GOAWAY that h2 has prepared, which names the client's mistake
        else:
            self._send()

    def send_headers(self, stream: Stream, headers: Headers, *, end: bool) -> None:
        """See Stream."""
        if not stream.is_open:
            raise StreamClosed
        self._h2.send_headers(stream.id, headers, end_stream=end)
        stream.is_answered = stream.is_answered or headers[0] != EARLY_HINTS
        self._sent(stream, end=end)

    async def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        """See Stream."""
        start = 0
        while True:
            if not stream.is_open:
                raise StreamClosed
            window = self._h2.local_flow_control_window(stream.id)
            room = min(window, self._h2.max_outbound_frame_size, len(data) - start)
            if self.output.is_paused or (room <= 0 and start < len(data)):
                await self._progress()
                continue
            is_last = start + room == len(data)
            self._h2.send_data(stream.id, data[start : start + room], end_stream=end and is_last)
            self._sent(stream, end=end and is_last)
            start += room
            if is_last:
                return

    def reset_stream(self, stream: Stream, code: ErrorCodes) -> None:
        """See Stream."""
        if stream.is_open:
            self._h2.reset_stream(stream.id, code)
            self._sent(stream, end=True)

    def send_frame(self, frame_type: int, body: bytes, *, stream_id: int = 0) -> None:
        """Sends a frame of any type, known to HTTP/2 or not."""
        header = len(body).to_bytes(3, "big") + bytes([frame_type, 0]) + stream_id.to_bytes(4, "big")
        self._send()
        self.output.write(header + body)

    def go_away(self, last_stream_id: int = _HIGHEST_STREAM_ID) -> None:
        """Sends GOAWAY without an error, and closes the connection once the streams up to that one have ended.

        Streams above it are dropped: the client may take them for never processed.
        """
        self._last_stream_id = last_stream_id
        # By hand: h2 sends nothing more after a GOAWAY of its own.
        self.send_frame(_GOAWAY, struct.pack(">II", last_stream_id, ErrorCodes.NO_ERROR))
        for stream in [each for each in self._streams.values() if each.id > last_stream_id]:
            del self._streams[stream.id]
            stream.is_refused = True
            stream.close()
        self._close_if_retired()

    def _request_received(self, event: RequestReceived) -> None:
        stream_id = event.stream_id or 0
        if self._last_stream_id is None or stream_id <= self._last_stream_id:
            self._streams[stream_id] = Stream(self, stream_id, dict(_pairs(event.headers or ())))

    def _request_data_received(self, event: DataReceived) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        stream = self._streams.get(event.stream_id or 0)
        if stream is not None:
            stream.body += event.data or b""
            if len(stream.body) > _MAX_REQUEST_BYTES:
                stream.reset(ErrorCodes.ENHANCE_YOUR_CALM)

    def _request_ended(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream_id or 0)
        if stream is not None:
            self._on_request(stream)

    def _stream_reset(self, event: StreamReset) -> None:
        stream = self._streams.pop(event.stream_id or 0, None)
        if stream is not None:
            stream.close()
            self._close_if_retired()
        self._wake()

    def _sent(self, stream: Stream, *, end: bool) -> None:
        self._send()
        if end:
            self._streams.pop(stream.id, None)
            stream.close()
            self._close_if_retired()

    def _send(self) -> None:
        self.output.write(self._h2.data_to_send())

    def _close_if_retired(self) -> None:
        if self._last_stream_id is not None and not self._streams:
            # Only now is it known which stream was the last.
            last_stream_id = min(self._last_stream_id, self._h2.highest_inbound_stream_id)
            self.send_frame(_GOAWAY, struct.pack(">II", last_stream_id, ErrorCodes.NO_ERROR))
            self.output.close()

    def _close(self) -> None:
        self._send()
        self._drop_streams()
        self.output.close()

    def _drop_streams(self) -> None:
        for stream in tuple(self._streams.values()):
            stream.close()
        self._streams.clear()
        self._wake()

    async def _progress(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def _ignore(_event: Event) -> None:
    pass


def _pairs(headers: Iterable[object]) -> Iterable[tuple[bytes, bytes]]:
    for header in headers:
        # Without a configured encoding h2 returns bytes, although its types allow text.
        if isinstance(header, tuple) and isinstance(header[0], bytes) and isinstance(header[1], bytes):
            yield header[0], header[1]
