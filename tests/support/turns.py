"""Whether others get their turns of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Turns:
    """How many another task had."""

    count: int = 0


@contextlib.contextmanager
def counted_turns() -> Iterator[Turns]:
    """Counts those of another task while the block runs."""
    turns = Turns()

    async def count() -> None:
        while True:
            await asyncio.sleep(0)
            turns.count += 1

    counting = asyncio.create_task(count())
    try:
        yield turns
    finally:
        counting.cancel()
