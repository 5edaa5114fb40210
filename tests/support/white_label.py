"""An address and a logo, as an organization has them that bills others."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

ADDRESS: Final = {
    "address_line_1": "1 Main Street",
    "city": "Springfield",
    "state": "IL",
    "zipcode": "62701",
    "country": "US",
}


def png(size_bytes: int = 0) -> bytes:
    """A picture of one pixel, with a comment that makes it a size."""
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    tail = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    missing = size_bytes - len(head + tail) - 12
    return head + (chunk(b"tEXt", b"Comment\0".ljust(missing, b"x")) if missing > 0 else b"") + tail


def picture(width: int, height: int, *, depth: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    """A PNG that says to be of a size and a form, whatever its pixels are."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", b"pixels") + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encoded(content: bytes) -> str:
    """As a request has it."""
    return base64.b64encode(content).decode()


LOGO: Final = encoded(png())
PARAMETERS: Final = {"billing_address": ADDRESS, "email": "help@example.com", "content_base64": LOGO}
"""Values that the service takes, by the names of the parameters."""
