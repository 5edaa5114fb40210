"""Tasks that nobody may be left to wait for."""

from __future__ import annotations

import asyncio
from typing import Any


def unwatched(task: asyncio.Future[Any]) -> None:
    """A done callback: whoever waited has the task's error; where all have left, asyncio would log it as lost."""
    if not task.cancelled():
        task.exception()
