"""Takes keys and tokens out of texts that are told or kept."""

from __future__ import annotations

import re
from typing import Final

_SHORTEST_SECRET: Final = 8
_SHORTEST_PART: Final = 6
_BEARER: Final = re.compile(r"Bearer\s+\S+", re.IGNORECASE)


def redacted(text: str, key: str | None = None) -> str:
    """A text without the tokens that are in it, and without the key where one is known."""
    if key is not None and len(key) >= _SHORTEST_SECRET:
        text = "…".join(_without_cut_key(part, key) for part in text.replace(key, "***").split("…"))
    return _BEARER.sub("Bearer ***", text)


def _without_cut_key(text: str, key: str) -> str:
    """A text that was shortened may end in the first part of a key."""
    for length in range(min(len(text), len(key) - 1), _SHORTEST_PART - 1, -1):
        if text.endswith(key[:length]):
            return f"{text[:-length]}***"
    return text
