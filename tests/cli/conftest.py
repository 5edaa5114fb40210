from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from support.fake_robot import FakeRobot, fake_robot


@pytest_asyncio.fixture
async def robot() -> AsyncIterator[FakeRobot]:
    """A machine whose service answers what the test says."""
    async with fake_robot() as running:
        yield running
