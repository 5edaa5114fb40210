from __future__ import annotations

import asyncio
import threading

import pytest

from viam_billing.core.errors import StateUnavailableError
from viam_billing.storage.disk import Disk


async def test_work_on_one_path_runs_in_order() -> None:
    disk, done = Disk(), list[int]()
    for number in range(100):
        disk.thread("a").submit(lambda number=number: done.append(number))  # type: ignore[misc] # mypy infers no lambda
    await disk.thread("a").run(lambda: None)
    assert done == list(range(100))


async def test_a_path_that_hangs_holds_up_neither_the_loop_nor_other_paths() -> None:
    disk, goes_on = Disk(), threading.Event()
    hung = [asyncio.create_task(disk.thread("a").run(goes_on.wait)) for _ in range(100)]
    assert await asyncio.wait_for(disk.thread("b").run(lambda: 7), 5) == 7
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 8), 5) == 8  # where names are resolved, too
    assert not any(task.done() for task in hung)
    goes_on.set()
    assert all(await asyncio.gather(*hung))


async def test_a_path_that_hangs_takes_a_bounded_number_of_jobs() -> None:
    """More are refused at once, and taken again when it answers."""
    thread, goes_on, taken = Disk().thread("a"), threading.Event(), list[asyncio.Future[bool]]()
    with pytest.raises(StateUnavailableError, match="does not answer"):
        taken.extend(thread.begin(goes_on.wait) for _ in range(5000))
    assert len(taken) < 5000
    goes_on.set()
    assert all(await asyncio.gather(*taken))
    assert await thread.run(lambda: 7) == 7


async def test_who_takes_a_path_up_again_comes_after_the_work_that_is_under_way() -> None:
    disk, goes_on, done = Disk(), threading.Event(), list[str]()

    def slow() -> None:
        goes_on.wait(30)
        done.append("first")

    disk.thread("a").submit(slow)
    second = asyncio.create_task(disk.thread("a").run(lambda: done.append("second")))
    await asyncio.sleep(0)
    goes_on.set()
    await second
    assert done == ["first", "second"]


async def test_a_caller_that_is_cancelled_does_not_stop_its_work() -> None:
    thread, goes_on, done = Disk().thread("a"), threading.Event(), list[str]()

    def slow() -> None:
        goes_on.wait(30)
        done.append("done")

    caller = asyncio.create_task(thread.run(slow))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    goes_on.set()
    await thread.run(lambda: None)
    assert done == ["done"]


async def test_a_thread_is_a_daemon_and_ends_while_there_is_nothing_to_do() -> None:
    thread = await Disk().thread("a").run(threading.current_thread)
    assert thread.daemon
    await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()


async def test_a_thread_that_has_ended_starts_again() -> None:
    disk = Disk()
    thread = disk.thread("a")
    await asyncio.to_thread((await thread.run(threading.current_thread)).join, 30)
    assert await thread.run(lambda: 7) == 7
