"""Repeating a read: jittered back-off inside its time. Imported with the cloud's client, for stamina costs 9 ms."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from viam_billing.core.errors import BillingError

T = TypeVar("T")

_FIRST_WAIT_S: Final = 0.1
_JITTER_S: Final = 0.2

set_on_retry_hooks([])  # by default each retry is a warning in the log; an operator wants to see one line for an outage


async def repeat_again(call: Callable[[], Awaitable[T]]) -> T:
    """Call after a first attempt that failed, with a pause before each, until it answers or its error is final.

    The caller sees to its time.
    """
    await asyncio.sleep(_FIRST_WAIT_S + random.uniform(0, _JITTER_S))  # noqa: S311 - no secret
    async for attempt in stamina.retry_context(
        on=_may_repeat, attempts=None, timeout=None, wait_initial=2 * _FIRST_WAIT_S, wait_max=2.0, wait_jitter=_JITTER_S
    ):
        with attempt:
            return await call()
    raise AssertionError("stamina ends with an answer or an error")


def _may_repeat(error: Exception) -> bool:
    return isinstance(error, BillingError) and error.retryable
