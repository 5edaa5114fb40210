"""Background tasks."""

from __future__ import annotations

import asyncio
from typing import Any


def retrieve_exception(task: asyncio.Future[Any]) -> None:
    """A done callback for a task that may outlive its callers: asyncio then does not log its exception as lost."""
    if not task.cancelled():
        task.exception()
