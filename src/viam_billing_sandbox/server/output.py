"""What a connection writes: collected until the event loop turns, swallowed where a fault wants silence."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_HEADER_BYTES: Final = 9
_PING: Final = 6
_ACK: Final = 1


class Output:
    """The way out of one connection. While `is_paused` the client reads too slowly."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.acknowledges_pings = True
        self.is_paused = False
        self.is_mute = False
        self._transport = transport
        self._waiting = bytearray()
        self._flush_scheduled = False

    def write(self, frames: bytes) -> None:
        """Takes whole frames; all of one turn of the event loop leave in one write."""
        self._waiting += frames if self.acknowledges_pings else _without_ping_acks(frames)
        if self._waiting and not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Hands everything to the operating system."""
        self._flush_scheduled = False
        if self._waiting and not self.is_mute:
            self._transport.write(bytes(self._waiting))
        self._waiting.clear()

    def mute(self) -> None:
        """Swallows everything that is written from now on."""
        self.flush()
        self.is_mute = True

    def close(self) -> None:
        """Closes the connection after everything has been sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Closes the connection at once, with RST in place of FIN where it is TCP."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()


def _without_ping_acks(frames: bytes) -> bytes:
    kept = bytearray()
    start = 0
    while start < len(frames):
        end = start + _HEADER_BYTES + int.from_bytes(frames[start : start + 3], "big")
        frame_type, flags = frames[start + 3], frames[start + 4]
        if not (frame_type == _PING and flags & _ACK):
            kept += frames[start:end]
        start = end
    return bytes(kept)
