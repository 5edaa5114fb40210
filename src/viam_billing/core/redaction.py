"""Removes keys and tokens from texts for answers and logs."""

from __future__ import annotations

import re
from typing import Final

_SHORTEST_KEY: Final = 8
_SHORTEST_PART: Final = 6
_BEARER: Final = re.compile(r"Bearer\s+\S+", re.IGNORECASE)


def redacted(text: str, key: str | None = None) -> str:
    """The text with `***` in place of bearer tokens and, where it is given, of the key."""
    if key is not None and len(key) >= _SHORTEST_KEY:
        text = "…".join(_without_start_of_key(part, key) for part in text.replace(key, "***").split("…"))
    return _BEARER.sub("Bearer ***", text)


def _without_start_of_key(text: str, key: str) -> str:
    """Redact a key that was cut when the text was shortened, so that only its start is left."""
    for length in range(min(len(text), len(key) - 1), _SHORTEST_PART - 1, -1):
        if text.endswith(key[:length]):
            return f"{text[:-length]}***"
    return text
