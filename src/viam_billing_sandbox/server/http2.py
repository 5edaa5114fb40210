"""One HTTP/2 connection: complete requests in, answers out under flow control, raw frames where a fault wants them."""

from __future__ import annotations

import asyncio
import socket
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Headers = list[tuple[bytes, bytes]]

EARLY_HINTS: Final = (b":status", b"103")

_CONFIGURATION: Final = H2Configuration(
    client_side=False,
    # A fault may send what HTTP/2 forbids, and a client's odd header is its own affair.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
)
_MAX_STREAMS: Final = 4096
_MAX_HEADER_BYTES: Final = 1024 * 1024
_MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
_HIGHEST_STREAM_ID: Final = 2**31 - 1
_FRAME_HEADER_BYTES: Final = 9
_PING: Final = 6
_GOAWAY: Final = 7
_ACK: Final = 1
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class StreamClosed(Exception):  # noqa: N818 - the client's right, not an error of the sandbox
    """The client has reset the stream or is gone; nothing more can be sent."""


class Stream:
    """One request and its answer.

    `on_close` is called once, when the answer has been sent to its end or the client has left. `is_refused` says that
    a GOAWAY has declared the request as not processed.
    """

    def __init__(self, connection: Connection, stream_id: int, headers: dict[bytes, bytes]) -> None:
        self.connection = connection
        self.id = stream_id
        self.headers = headers
        self.body = bytearray()
        self.is_open = True
        self.is_answered = False
        self.is_refused = False
        self.on_close: Callable[[], None] = _nothing

    def send_headers(self, headers: Headers, *, end: bool = False) -> None:
        """Sends headers, or trailers after data.

        Raises:
            StreamClosed: See the class.
        """
        self.connection.send_headers(self, headers, end=end)

    async def send_data(self, data: bytes, *, end: bool = False) -> None:
        """Sends data as fast as the client takes it.

        Raises:
            StreamClosed: See the class.
        """
        await self.connection.send_data(self, data, end=end)

    def reset(self, code: ErrorCodes) -> None:
        """Ends the stream with RST_STREAM."""
        self.connection.reset_stream(self, code)

    def close(self) -> None:
        """Marks the stream as closed."""
        if self.is_open:
            self.is_open = False
            self.on_close()


def _nothing() -> None:
    pass


class Connection(asyncio.Protocol):
    """Speaks HTTP/2 with one client, and hands each complete request to `on_request`."""

    def __init__(self, on_request: Callable[[Stream], None], connections: set[Connection]) -> None:
        self.acknowledges_pings = True
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
            ConnectionTerminated: lambda _: self._transport.close(),
        }
        self._transport: asyncio.Transport
        self._streams: dict[int, Stream] = {}
        self._outgoing = bytearray()
        self._flush_scheduled = False
        self._is_paused = False
        self._is_mute = False
        self._last_stream_id: int | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets the client with the server's settings."""
        # asyncio hands a Transport to a stream protocol, but says so only in its documentation.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._connections.add(self)
        self._h2.initiate_connection()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Closes all streams: their clients have left."""
        self._connections.discard(self)
        for stream in tuple(self._streams.values()):
            stream.close()
        self._streams.clear()
        self._wake()

    def pause_writing(self) -> None:
        """Holds data back: the client reads too slowly."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Sends data again."""
        self._is_paused = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Reads frames; a client that breaks HTTP/2 is told so and loses its connection."""
        if self._is_mute:
            return
        try:
            for event in self._h2.receive_data(data):
                self._handlers.get(type(event), _ignore)(event)
        except ProtocolError:
            # h2 has queued a GOAWAY that names the client's mistake.
            self._send()
            self._flush()
            self._transport.close()
            return
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
            if self._is_paused or (room <= 0 and start < len(data)):
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
        self._send(header + body)

    def go_away(self, last_stream_id: int = _HIGHEST_STREAM_ID) -> None:
        """Sends GOAWAY without an error, and closes the connection once the streams up to that one have ended.

        Streams above it are dropped: the client may take them for never processed.
        """
        self._last_stream_id = last_stream_id
        # By hand: after a GOAWAY of its own h2 would let no answer out.
        self.send_frame(_GOAWAY, struct.pack(">II", last_stream_id, ErrorCodes.NO_ERROR))
        for stream in [each for each in self._streams.values() if each.id > last_stream_id]:
            del self._streams[stream.id]
            stream.is_refused = True
            stream.close()
        self._close_if_retired()

    def mute(self) -> None:
        """Neither hears nor says anything from now on, as if the network had swallowed the connection."""
        self._flush()
        self._is_mute = True

    def flush(self) -> None:
        """Hands everything written so far to the operating system."""
        self._flush()

    def abort(self) -> None:
        """Cuts the connection: the client sees a reset."""
        reset_transport(self._transport)

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

    def _send(self, raw: bytes = b"") -> None:
        """Queues what h2 has to say, then the raw frame; all of one turn of the event loop leaves in one write."""
        queued = self._h2.data_to_send()
        self._outgoing += queued if self.acknowledges_pings else _without_ping_acks(queued)
        self._outgoing += raw
        if self._outgoing and not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._outgoing and not self._is_mute:
            self._transport.write(bytes(self._outgoing))
        self._outgoing.clear()

    def _close_if_retired(self) -> None:
        if self._last_stream_id is not None and not self._streams:
            # Only now is it known which stream was the last.
            last_stream_id = min(self._last_stream_id, self._h2.highest_inbound_stream_id)
            self.send_frame(_GOAWAY, struct.pack(">II", last_stream_id, ErrorCodes.NO_ERROR))
            self._flush()
            self._transport.close()

    async def _progress(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def reset_transport(transport: asyncio.Transport) -> None:
    """Closes a connection with RST in place of FIN, where it is TCP."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


def _ignore(_event: Event) -> None:
    pass


def _pairs(headers: Iterable[object]) -> Iterable[tuple[bytes, bytes]]:
    for header in headers:
        # h2 gives bytes as long as no encoding is configured; its types say that it may be text too.
        if isinstance(header, tuple) and isinstance(header[0], bytes) and isinstance(header[1], bytes):
            yield header[0], header[1]


def _without_ping_acks(frames: bytes) -> bytes:
    kept = bytearray()
    start = 0
    while start < len(frames):
        end = start + _FRAME_HEADER_BYTES + int.from_bytes(frames[start : start + 3], "big")
        frame_type, flags = frames[start + 3], frames[start + 4]
        if not (frame_type == _PING and flags & _ACK):
            kept += frames[start:end]
        start = end
    return bytes(kept)
