"""Repeating a read: jittered back-off inside its time. Imported with the cloud's client, for stamina costs 9 ms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from viam_billing.errors import BillingError

T = TypeVar("T")

set_on_retry_hooks([])  # by default each retry is a warning in the log; an operator wants to see one line for an outage


async def repeat(call: Callable[[], Awaitable[T]], time_s: float) -> T:
    """Call until it answers, its error is final, or its time is over; the error is then the last one."""
    async for attempt in stamina.retry_context(
        on=_may_repeat, attempts=None, timeout=time_s, wait_initial=0.1, wait_max=2.0, wait_jitter=0.2
    ):
        with attempt:
            return await call()
    raise AssertionError("stamina ends with an answer or an error")


def _may_repeat(error: Exception) -> bool:
    return isinstance(error, BillingError) and error.retryable
