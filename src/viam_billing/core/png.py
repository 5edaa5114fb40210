"""Whether bytes are a PNG: its frame alone, as no picture is decoded here."""

from __future__ import annotations

import zlib
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def is_png(content: bytes) -> bool:
    """Whether all of it is one PNG: each chunk whole and with its own sum, from IHDR over IDAT to the only IEND."""
    if not content.startswith(_SIGNATURE):
        return False
    kinds, at = [], len(_SIGNATURE)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            return False
        kinds.append(content[at + 4 : at + 8])
        at = end
    return kinds[:1] == [b"IHDR"] and b"IDAT" in kinds and kinds[-1] == b"IEND" and kinds.count(b"IEND") == 1
