"""How calls are made and timed: one after the other, or by many callers at once; two sides always in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Ask = Callable[[], Awaitable[None]]

_SLICES = 10
"""The sides take turns this often in a round, so that what slows the machine for a while slows both."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    calls: int
    """Of a round, one after the other."""
    many_calls: int
    """Of a round, by many callers."""
    few_calls: int
    """Of a round, where one call takes long."""
    starts: int
    memory_calls: int
    silence_s: float
    idle_s: float
    """For how long a caller is watched while nothing else goes on."""
    extremes: int
    """Kinds of the largest requests, and of answers, at most."""
    fleet: tuple[int, int]
    """Locations and organizations."""
    charged: tuple[int, int]
    """Keys of a crowd, all of one amount, and how many of them fit into the day."""


FULL = Size(
    rounds=3,
    calls=2000,
    many_calls=4000,
    few_calls=40,
    starts=9,
    memory_calls=10_000,
    silence_s=4.0,
    idle_s=10.0,
    extremes=100,
    fleet=(10_000, 200),
    charged=(200, 150),
)
QUICK = Size(
    rounds=1,
    calls=100,
    many_calls=200,
    few_calls=5,
    starts=1,
    memory_calls=300,
    silence_s=0.5,
    idle_s=0.5,
    extremes=3,
    fleet=(300, 5),
    charged=(40, 30),
)


async def latencies_s(ask: Ask, calls: int) -> list[float]:
    """The time of each of so many calls, one after the other."""
    times = []
    for _ in range(calls):
        started_s = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - started_s)
    return times


async def latencies_in_turn_s(ours: Ask, other: Ask, calls: int) -> tuple[list[float], list[float]]:
    """A round of both sides; who is first changes with every slice."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(_SLICES):
        sides = ((ours, times[0]), (other, times[1]))
        for ask, into in sides if number % 2 else reversed(sides):
            into.extend(await latencies_s(ask, max(1, calls // _SLICES)))
    return times


async def per_s(ask: Ask, calls: int, callers: int) -> float:
    """Calls in a second, with so many callers who each ask again as soon as they have their answer."""
    left = calls

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    started_s = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return calls / (time.perf_counter() - started_s)


async def per_s_in_turn(ours: Ask, other: Ask, calls: int, callers: int) -> tuple[float, float]:
    """A round of both sides, in four slices."""
    part = max(callers, calls // 4)
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(4):
        sides = ((ours, rates[0]), (other, rates[1]))
        for ask, into in sides if number % 2 else reversed(sides):
            into.append(await per_s(ask, part, callers))
    # Equal work in each slice: the rate of the whole is the harmonic mean.
    our_rate, other_rate = (len(side) / sum(1 / rate for rate in side) for side in rates)
    return our_rate, other_rate
