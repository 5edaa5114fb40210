"""What tests of charging share: a charge that has reached the cloud, its error, callers that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.fake_charges import Scene, Sending
from viam_billing.core.errors import BillingError


async def code_of(work: Awaitable[object]) -> str:
    """The code of the error that something ends in."""
    with pytest.raises(BillingError) as caught:
        await work
    return caught.value.code


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    while not holds():  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.001)


async def under_way(scene: Scene, key: str = "k", org_id: str = "a", number: int = 1) -> asyncio.Task[Any]:
    """A charge that has reached the cloud."""
    task = asyncio.ensure_future(scene.charge(key, org_id))
    await scene.cloud.arrived(number)
    return task


async def unknown(scene: Scene, key: str = "k", org_id: str = "a", *, worked: bool = False) -> Sending:
    """A charge whose answer was lost."""
    task = await under_way(scene, key, org_id, len(scene.cloud.sendings) + 1)
    sending = scene.cloud.sendings[-1]
    if worked:
        sending.work()
    sending.lose()
    assert await code_of(task) == "charge_outcome_unknown"
    return sending
