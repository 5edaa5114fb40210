"""An access token of unknown lifetime, and what a refusal of it can mean."""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct, field

_FRESH_S: Final = 30.0
"""A token that lay unused for longer may have expired and says nothing about the key."""


class Token(Struct, eq=False):
    """`calls` were sent with it; `answered` is whether one of them got through."""

    text: str
    calls: int = 0
    answered: bool = False
    issued_s: float = field(default_factory=time.monotonic)

    def is_fresh(self) -> bool:
        """Whether it was just given out and one call only has used it: its refusal means the key."""
        return self.calls == 1 and time.monotonic() - self.issued_s < _FRESH_S
