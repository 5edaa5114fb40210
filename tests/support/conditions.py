"""Waiting for what a test expects to come to hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def holds(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Return as soon as it does.

    Raises:
        TimeoutError: It did not come to hold.
    """
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"it did not come to hold within {within_s} s")
        await asyncio.sleep(0.001)
