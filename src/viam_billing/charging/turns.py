"""One charge at a time for each organization, first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A queue for each organization that has one."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, org_id: str) -> AsyncIterator[bool]:
        """Wait for the organization's turn, and keep it inside; whether there was somebody to wait for.

        Who is cancelled while waiting leaves the queue.
        """
        lock = self._locks.setdefault(org_id, asyncio.Lock())
        self._users[org_id] = self._users.get(org_id, 0) + 1
        try:
            waits = self._users[org_id] > 1  # the lock itself is free for a moment between two of them
            async with lock:
                yield waits
        finally:
            self._users[org_id] -= 1
            if not self._users[org_id]:
                del self._users[org_id], self._locks[org_id]
