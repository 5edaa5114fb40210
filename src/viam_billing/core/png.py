"""Whether bytes are a PNG that can be shown: its frame, its size, and that its pixels unpack to that size."""

from __future__ import annotations

import struct
import zlib
from typing import Final

BOUNDS: Final = "10,000 pixels a side and 4 million in all"
_LONGEST_SIDE: Final = 10_000
_MOST_PIXELS: Final = 4_000_000
_AT_ONCE_BYTES: Final = 64 * 1024
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEAD: Final = struct.Struct(">IIBBBBB")
_CHANNELS_DEPTHS: Final = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
"""By the colour type: values of a pixel, and how many bits each may have."""
_PLAIN: Final = ((0, 0, 1, 1),)
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of a picture that is interlaced: the first pixel from the left and from above, and the steps."""


def is_png(content: bytes) -> bool:
    """Whether all of it is one PNG within `BOUNDS`, each chunk whole and with its own sum, from IHDR to the only IEND.

    Its pixels unpack to as many bytes as IHDR says; what would unpack to more is given up there.
    """
    if not content.startswith(_SIGNATURE):
        return False
    chunks, at = [], len(_SIGNATURE)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            return False
        chunks.append((content[at + 4 : at + 8], content[at + 8 : end - 4]))
        at = end
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1] != b"IEND" or kinds.count(b"IEND") != 1:
        return False
    size = _unpacked_bytes(chunks[0][1])
    return size > 0 and _unpacks_to(size, b"".join(part for kind, part in chunks if kind == b"IDAT"))


def _unpacked_bytes(head: bytes) -> int:
    """How many bytes the pixels are according to IHDR, each row after its filter; 0 if it is wrong or out of bounds."""
    if len(head) != _HEAD.size:
        return 0
    width, height, depth, colour, compression, filters, interlaced = _HEAD.unpack(head)
    channels, depths = _CHANNELS_DEPTHS.get(colour, (0, ()))
    if depth not in depths or compression or filters or interlaced > 1:
        return 0
    if max(width, height) > _LONGEST_SIDE or width * height > _MOST_PIXELS:
        return 0
    size = 0
    for left, top, right, down in _ADAM7 if interlaced else _PLAIN:
        columns, rows = -(-max(width - left, 0) // right), -(-max(height - top, 0) // down)
        size += rows * (1 + (columns * channels * depth + 7) // 8) if columns else 0
    return size


def _unpacks_to(size: int, packed: bytes) -> bool:
    """Whether a zlib stream is whole and so long. It is unpacked in parts, of which none is kept."""
    stream = zlib.decompressobj()
    try:
        while not stream.eof and size >= 0:
            part = stream.decompress(packed, _AT_ONCE_BYTES)
            packed = stream.unconsumed_tail
            if not part and not packed and not stream.eof:
                return False
            size -= len(part)
    except zlib.error:
        return False
    return stream.eof and size == 0
