"""What tests of the charger share: a charge that has reached the cloud, its error, who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from support.fake_charges import Scene
from viam_billing.core.errors import BillingError


async def code_of(work: Awaitable[object]) -> str:
    """The code of the error that something ends in."""
    with pytest.raises(BillingError) as caught:
        await work
    return caught.value.code


async def under_way(scene: Scene, key: str = "k", org_id: str = "a", number: int = 1) -> asyncio.Task[Any]:
    """A charge that has reached the cloud."""
    task = asyncio.ensure_future(scene.charge(key, org_id))
    await scene.cloud.arrived(number)
    return task


async def attempts(scene: Scene, number: int) -> None:
    """Wait until there are so many, under way or waiting for their turn."""
    while len(scene.charger._attempts) < number:  # noqa: ASYNC110, SLF001 - nothing else shows who waits
        await asyncio.sleep(0.001)


async def joined(scene: Scene, number: int, key: str = "k") -> None:
    """Wait until so many callers wait for the key's attempt."""
    while scene.charger._attempts[key].waiting < number:  # noqa: ASYNC110, SLF001 - nothing else shows who waits
        await asyncio.sleep(0.001)
