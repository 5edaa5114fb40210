"""Whether bytes are a PNG: its frame and its size. What its pixels are is left to who shows it."""

from __future__ import annotations

import struct
import zlib
from typing import Final

LONGEST_SIDE: Final = 10_000
"""In pixels."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""How many bits a value may have, by the colour type."""
_OF_PALETTE: Final = 3


def is_png(content: bytes) -> bool:
    """Whether all of it is one PNG, each chunk whole and with its own sum, from IHDR to the only IEND."""
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
    if kinds[:1] != [b"IHDR"] or kinds[-1] != b"IEND" or kinds.count(b"IEND") != 1 or not dict(chunks).get(b"IDAT"):
        return False
    return _is_head(chunks[0][1], has_palette=b"PLTE" in kinds)


def _is_head(head: bytes, *, has_palette: bool) -> bool:
    """Whether IHDR tells a picture that has pixels, not too many, in a form that there is."""
    if len(head) != 13:  # noqa: PLR2004 - as the format has it
        return False
    width, height, depth, colour, compression, filters, interlaced = struct.unpack(">IIBBBBB", head)
    in_form = depth in _DEPTHS.get(colour, ()) and not compression and not filters and interlaced <= 1
    if colour == _OF_PALETTE and not has_palette:
        return False
    return in_form and 1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE
