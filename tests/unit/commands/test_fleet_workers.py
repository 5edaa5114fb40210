from __future__ import annotations

import asyncio
import gc

import pytest

from support.conditions import holds
from viam_billing.cache.readings import Reading
from viam_billing.commands.fleet import WORKERS, read_each
from viam_billing.core.errors import CloudError

NAMES = [str(number) for number in range(1000)]


def read(name: str) -> Reading:
    """What is read of a name."""
    return Reading({"name": name}, 0.0)


class Work:
    """Counts what is under way; a name of `held` does not end before the test says so."""

    def __init__(self, *held: str) -> None:
        self.held = set(held)
        self.open = asyncio.Event()
        self.under_way: set[str] = set()
        self.most = 0
        self.done = 0

    async def __call__(self, name: str) -> Reading:
        """For one name."""
        self.under_way.add(name)
        self.most = max(self.most, len(self.under_way))
        try:
            await (self.open.wait() if name in self.held else asyncio.sleep(0))
        finally:
            self.under_way.discard(name)
        self.done += 1
        return read(name)


async def test_results_keep_the_order_of_the_names() -> None:
    work = Work("0", "500")
    work.open.set()
    assert list((await read_each(NAMES, work)).items()) == [(name, read(name)) for name in NAMES]


async def test_a_fixed_number_is_under_way() -> None:
    work = Work()
    await read_each(NAMES, work)
    assert work.most == WORKERS


async def test_a_name_that_is_given_twice_is_worked_on_once() -> None:
    work = Work()
    assert list(await read_each(["a", "b", "a"], work)) == ["a", "b"]
    assert work.done == 2


async def test_no_names_are_no_work() -> None:
    assert await read_each([], Work()) == {}


async def test_an_error_is_its_rows() -> None:
    error = CloudError("oh.")

    async def fails(name: str) -> Reading:
        if name == "b":
            raise error
        return read(name)

    assert await read_each(["a", "b", "c"], fails) == {"a": read("a"), "b": error, "c": read("c")}


async def test_a_defect_ends_all(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing goes on behind the caller's back, and of many it is the first one that counts."""
    work = Work(*NAMES)

    async def fails(name: str) -> Reading:
        if int(name) >= 100:
            raise LookupError(name)
        return await work(name)

    with pytest.raises(LookupError):
        await read_each(NAMES, fails)
    await asyncio.sleep(0)
    assert work.under_way == set()
    gc.collect()
    assert caplog.records == []


async def test_a_caller_that_leaves_ends_all() -> None:
    work = Work(*NAMES)
    running = asyncio.create_task(read_each(NAMES, work))
    await holds(lambda: len(work.under_way) == WORKERS)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)
    assert work.under_way == set()


async def test_work_that_never_waits_lets_others_have_their_turns() -> None:
    """Ten thousand rows from memory would hold up everybody else."""
    done = 0
    most_in_one_turn = 0

    async def at_once(name: str) -> Reading:
        nonlocal done
        done += 1
        return read(name)

    async def watch() -> None:
        nonlocal most_in_one_turn
        while True:
            before = done
            await asyncio.sleep(0)
            most_in_one_turn = max(most_in_one_turn, done - before)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await read_each([str(number) for number in range(10_000)], at_once)
    watching.cancel()
    assert most_in_one_turn <= WORKERS
