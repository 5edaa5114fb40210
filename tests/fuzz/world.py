"""What every kind of fuzzing shares: a module that is asked, and what may come of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from grpclib import GRPCError, Status
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from typing_extensions import Self

from benchmarks.processes import peak_bytes, resident_bytes
from support.module_process import STATUS_OF_CODE, ModuleProcess

T = TypeVar("T")

PATIENCE_S: Final = 30.0
"""For one call. It is never reached where the time of each is bounded."""
_BAD_WORDS: Final = ("defect", "Traceback", "error in the event loop")
_MOST_ABOVE_BYTES: Final = 120_000_000
"""The bars of the benchmark are for one call; here thousands leave holes in the memory."""


class Target(Protocol):
    """Something to fuzz. In its `async with` it is ready, and judges one example after the other."""

    examples: SearchStrategy[Any]

    async def __aenter__(self) -> Self:
        """Start what it needs."""

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""

    async def judge(self, example: Any) -> None:  # noqa: ANN401 - what its strategy makes
        """Try one example. Raises: AssertionError: it found something."""


class World:
    """A module process. At the end of it nothing may have gone wrong unnoticed."""

    def __init__(self) -> None:
        self.module = ModuleProcess()
        self._idle_bytes = 0

    async def __aenter__(self) -> Self:
        await self.module.ready()
        return self

    async def warmed_up(self) -> None:
        """What is in memory now is what an idle module takes."""
        self._idle_bytes = resident_bytes(self.module)

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            above_bytes = peak_bytes(self.module) - self._idle_bytes
            log = self.module.log
        finally:
            await self.module.__aexit__()
        bad = [line for line in log.splitlines() if any(word in line for word in _BAD_WORDS)]
        if exc_info != (None, None, None):
            sys.stderr.write("".join(f"{line}\n" for line in bad[-3:]))
        else:
            assert above_bytes < _MOST_ABOVE_BYTES, f"{above_bytes / 1e6:.0f} MB above idle"
            assert not bad, bad[0]


async def ends_well(call: Awaitable[T], *others: Status) -> T | None:
    """The answer, or None for an error of the contract or one of the SDK's with another status that is good here.

    Raises: AssertionError: it is none.
    """
    try:
        return await call
    except GRPCError as caught:
        error = caught
    message = error.message or ""
    code = message.partition(": ")[0]
    assert error.status in (STATUS_OF_CODE.get(code), *others), f"{error.status}: {message}"
    assert len(message) <= 1000, f"{len(message)} characters"
    assert message.isprintable(), repr(message)
    assert "Traceback" not in message, message
    assert ".py" not in message, message
    return None


def fuzz(make: Callable[[], Target], number: int, examples: int) -> None:
    """One round: so many examples, others for each number. Raises: AssertionError: with the smallest example found."""
    loop = asyncio.new_event_loop()
    target = make()

    @seed(number)
    @settings(
        max_examples=examples,
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(target.examples)
    def judged(example: Any) -> None:  # noqa: ANN401 - see the target
        loop.run_until_complete(asyncio.wait_for(target.judge(example), 4 * PATIENCE_S))

    with contextlib.closing(loop):
        loop.run_until_complete(target.__aenter__())
        try:
            judged()
        except BaseException as error:
            loop.run_until_complete(target.__aexit__(type(error), error, error.__traceback__))
            raise
        loop.run_until_complete(target.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
