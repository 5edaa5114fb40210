"""One attempt and those who wait for it."""

from __future__ import annotations

import asyncio

import pytest

from support.fake_charges import Scene, request
from viam_billing.charging.attempt import Attempt
from viam_billing.charging.charge import Entry
from viam_billing.core.errors import BillingError
from viam_billing.core.times import Deadline


async def never() -> Entry:
    """No outcome."""
    await asyncio.Event().wait()
    raise AssertionError


def attempt(scene: Scene, *, reserved: bool) -> Attempt:
    """One that never ends by itself."""
    made = Attempt(request(), scene.desk())
    made.reserved = reserved
    made.task = asyncio.get_running_loop().create_task(never())
    return made


@pytest.mark.parametrize(("reserved", "words"), [(True, "goes on"), (False, "not this charge's turn")])
async def test_a_caller_whose_time_ends_is_told_how_it_stands(scene: Scene, reserved: bool, words: str) -> None:  # noqa: FBT001 - from the table
    """The attempt itself goes on."""
    made = attempt(scene, reserved=reserved)
    with pytest.raises(BillingError, match=words) as caught:
        await made.outcome(Deadline(0))
    assert made.task is not None
    assert (caught.value.code, made.task.done(), made.waiting) == ("cloud_timeout", False, 0)
    made.task.cancel()


@pytest.mark.parametrize(("reserved", "code"), [(True, "charge_outcome_unknown"), (False, "cloud_unreachable")])
async def test_an_attempt_that_is_cancelled_is_told(scene: Scene, reserved: bool, code: str) -> None:  # noqa: FBT001 - from the table
    """Once it is reserved, nobody knows."""
    made = attempt(scene, reserved=reserved)
    waiting = asyncio.ensure_future(made.outcome(Deadline(60)))
    await asyncio.sleep(0)
    assert made.task is not None
    made.task.cancel()
    with pytest.raises(BillingError) as caught:
        await waiting
    assert caught.value.code == code


async def test_a_caller_that_leaves_does_not_end_it(scene: Scene) -> None:
    """Nor is it counted any longer."""
    made = attempt(scene, reserved=True)
    waiting = asyncio.ensure_future(made.outcome(Deadline(60)))
    await asyncio.sleep(0)
    assert made.waiting == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert made.task is not None
    assert (made.waiting, made.task.done()) == (0, False)
    made.task.cancel()


async def test_one_that_was_not_started_cannot_be_waited_for(scene: Scene) -> None:
    """That would be a defect."""
    with pytest.raises(AssertionError):
        await Attempt(request(), scene.desk()).outcome(Deadline(1))
