from __future__ import annotations

import asyncio
import gc

import pytest

from support.conditions import holds
from support.turns import counted_turns
from viam_billing.commands.worker_pool import for_each, in_turns

NAMES = [str(number) for number in range(1000)]


def never(_: str) -> bool:
    """Nothing pauses."""
    return False


class Work:
    """Counts what is under way; a name of `held` does not end before the test says so."""

    def __init__(self, *held: str) -> None:
        self.held = set(held)
        self.open = asyncio.Event()
        self.under_way: set[str] = set()
        self.most = 0
        self.done = 0

    async def __call__(self, name: str) -> str:
        """For one name."""
        self.under_way.add(name)
        self.most = max(self.most, len(self.under_way))
        try:
            await (self.open.wait() if name in self.held else asyncio.sleep(0))
        finally:
            self.under_way.discard(name)
        self.done += 1
        return f"did {name}"

    def is_held(self, name: str) -> bool:
        """Whether a name waits, as a row that was refused does before it asks again."""
        return name in self.held


async def test_results_keep_the_order_of_the_names() -> None:
    """Whichever is ready first."""
    work = Work("0", "500")
    work.open.set()
    assert list((await for_each(NAMES, work, never)).items()) == [(name, f"did {name}") for name in NAMES]


async def test_a_bounded_number_is_under_way() -> None:
    """Two for each place at the cloud."""
    work = Work()
    await for_each(NAMES, work, never)
    assert 32 < work.most <= 64


async def test_no_names_are_no_work() -> None:
    """And no wait."""
    assert await for_each([], Work(), never) == {}


async def test_those_that_only_pause_hold_nobody_up() -> None:
    """More of them than are under way at once; all others are done meanwhile, still a bounded number at once."""
    paused = NAMES[:200]
    work = Work(*paused)
    running = asyncio.create_task(for_each(NAMES, work, work.is_held))
    await holds(lambda: work.done >= 800)
    assert len(work.under_way) == 200
    assert work.most <= 264
    work.open.set()
    assert len(await running) == 1000


async def test_after_the_pauses_there_are_as_few_under_way_as_before() -> None:
    """Those who helped leave."""
    work = Work(*NAMES[:100])
    running = asyncio.create_task(for_each(NAMES, work, work.is_held))
    await holds(lambda: len(work.under_way & work.held) >= 100)
    work.held = {*NAMES[400:]}
    work.open.set()
    work.open = asyncio.Event()
    await holds(lambda: work.done >= 400)
    work.held.clear()
    work.open.set()
    assert len(await running) == 1000
    assert work.most <= 64 + 200


async def test_without_a_pause_nobody_helps() -> None:
    """A cloud that is slow has its bounded number and no more, however often they are looked at."""
    work = Work(*NAMES)
    looks = 0

    def never_paused(_: str) -> bool:
        nonlocal looks
        looks += 1
        return False

    running = asyncio.create_task(for_each(NAMES, work, never_paused))
    await holds(lambda: looks >= 3 * 64)
    assert len(work.under_way) == 64
    work.open.set()
    await running


async def test_an_exception_ends_all(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing goes on behind the caller's back, and of many it is the first one that counts."""
    work = Work(*NAMES)

    async def fails(name: str) -> str:
        if int(name) >= 60:
            raise LookupError(name)
        return await work(name)

    with pytest.raises(LookupError):
        await for_each(NAMES, fails, never)
    await asyncio.sleep(0)
    assert work.under_way == set()
    gc.collect()
    assert caplog.records == []


async def test_a_caller_that_leaves_ends_all() -> None:
    """Its work is for nobody."""
    work = Work(*NAMES)
    running = asyncio.create_task(for_each(NAMES, work, never))
    await holds(lambda: len(work.under_way) >= 64)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)
    assert work.under_way == set()


async def test_work_that_never_waits_lets_others_have_their_turns() -> None:
    """Ten thousand rows from memory would hold up everybody else."""
    done = 0
    most_in_one_turn = 0

    async def at_once(_: str) -> None:
        nonlocal done
        done += 1

    async def watch() -> None:
        nonlocal most_in_one_turn
        while True:
            before = done
            await asyncio.sleep(0)
            most_in_one_turn = max(most_in_one_turn, done - before)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await for_each([str(number) for number in range(10_000)], at_once, never)
    watching.cancel()
    assert most_in_one_turn <= 150


async def test_rows_are_gone_through_by_turns() -> None:
    """All of them, in order."""
    with counted_turns() as turns:
        assert [name async for name in in_turns(NAMES)] == NAMES
    assert turns.count >= 15
