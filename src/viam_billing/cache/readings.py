"""What a call gets from the cache, and what its answer tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from msgspec import Struct, field

from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.times import Deadline, to_rfc3339

T = TypeVar("T")


class Reading(Struct, frozen=True, gc=False):
    """An answer as one caller gets it; `stale_reason` is the error's code where it stands in for the cloud's."""

    value: dict[str, Any]
    as_of_s: float
    stale_reason: str | None = None


class Call(Struct):
    """One call of the module: its deadlines, and the readings that its answer was made of.

    `deadline` is that of what it reads, `caller` the caller's alone: a charge has its own time.
    """

    deadline: Deadline
    caller: Deadline
    readings: list[Reading] = field(default_factory=list)

    async def from_disk(self, work: Awaitable[T]) -> T:
        """The result of work on the disk. Raises: StateUnavailableError: if it takes longer than the cloud may."""
        try:
            return await asyncio.wait_for(work, self.deadline.remaining_s())
        except asyncio.TimeoutError:
            raise StateUnavailableError(
                "the disk does not answer in time. Find what keeps the files in state_dir busy, or try again later."
            ) from None


def provenance(readings: Iterable[Reading]) -> dict[str, Any]:
    """`as_of`, `stale` and `stale_reason` of an answer made of readings: the oldest time, stale if one is."""
    parts = list(readings)
    reason = next((part.stale_reason for part in parts if part.stale_reason), None)
    facts = {"as_of": to_rfc3339(min(part.as_of_s for part in parts)), "stale": reason is not None}
    return {**facts, "stale_reason": reason} if reason else facts
