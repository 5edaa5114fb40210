"""One attempt at a charge and those who wait for it: it is dropped with the last of them until it is reserved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from viam_billing.charging.refusals import stopped
from viam_billing.core.errors import CloudTimeoutError, service_closed

if TYPE_CHECKING:
    from viam_billing.charging.charge import ChargeRequest, Entry
    from viam_billing.charging.desk import Desk
    from viam_billing.core.times import Deadline


class Attempt:
    """A task that belongs to nobody: callers wait for it, their leaving does not end what is reserved."""

    def __init__(self, request: ChargeRequest, desk: Desk) -> None:
        self.request = request
        self.desk = desk
        self.reserved = False
        """From right before the reservation is written: whether it was, only the disk knows from there on."""
        self.dropped = False
        self.waiting = 0
        self.task: asyncio.Task[Entry] | None = None

    async def outcome(self, deadline: Deadline) -> Entry:
        """Wait for the outcome, as long as the caller's time lasts.

        Raises:
            BillingError: the attempt's error; `cloud_timeout` when the caller's time ends first.
        """
        task = self.task
        if task is None:
            raise AssertionError("an attempt is waited for after its start")
        self.waiting += 1
        try:
            await asyncio.wait({task}, timeout=deadline.remaining_s())
        finally:
            self.waiting -= 1
        if task.cancelled():
            raise stopped() if self.reserved else service_closed()
        if task.done():
            return task.result()
        raise CloudTimeoutError(
            "the charge is under way and goes on. Send the same idempotency_key again to learn its outcome."
            if self.reserved
            else "it was not this charge's turn yet. Nothing was sent. Send the same idempotency_key again."
        )
