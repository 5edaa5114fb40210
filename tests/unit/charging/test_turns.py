"""One charge at a time for each organization."""

from __future__ import annotations

import asyncio

import pytest

from viam_billing.charging.turns import Turns


async def test_who_comes_first_is_served_first() -> None:
    """And knows whether there was somebody before."""
    turns, order = Turns(), []

    async def take(name: str) -> bool:
        async with turns.of("a") as waited:
            order.append(name)
            await asyncio.sleep(0)
            return waited

    assert list(await asyncio.gather(take("1"), take("2"), take("3"))) == [False, True, True]
    assert order == ["1", "2", "3"]


async def test_organizations_do_not_wait_for_each_other() -> None:
    """Each has a queue of its own."""
    turns = Turns()
    async with turns.of("a"), turns.of("b") as waited:
        assert not waited


async def test_who_is_cancelled_leaves_the_queue() -> None:
    """And nothing is left of a queue that is over."""
    turns = Turns()
    async with turns.of("a"):

        async def wait() -> None:
            async with turns.of("a"):
                raise AssertionError("it is not its turn")

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not turns._locks  # noqa: SLF001 - nothing else shows it
    assert not turns._users  # noqa: SLF001 - the same
