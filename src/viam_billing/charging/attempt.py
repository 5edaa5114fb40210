"""One attempt at a charge, and the callers that wait for its outcome."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

from viam_billing.charging.refusals import stopped
from viam_billing.core.errors import CloudTimeoutError, service_closed

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from viam_billing.charging.access import ServiceAccess
    from viam_billing.charging.charge import ChargeRequest, Entry
    from viam_billing.core.times import Deadline


class Attempt:
    """A task of its own: a caller that leaves does not end it once it is `reserved`."""

    def __init__(self, request: ChargeRequest, access: ServiceAccess) -> None:
        self.request = request
        self.access = access
        self.reserved = False
        """Set right before the reservation is written: from then on only the disk knows whether it was."""
        self.dropped = False
        self.waiting = 0
        """How many callers wait for the outcome."""
        self.task: asyncio.Task[Entry]

    def start(self, work: Coroutine[Any, Any, Entry]) -> None:
        """Begin the attempt's task."""
        self.task = asyncio.create_task(work, name=f"viam-billing charge {self.request.key}")

    async def outcome(self, deadline: Deadline) -> Entry:
        """Wait for the outcome, as long as the caller's time lasts.

        Raises:
            BillingError: the attempt's error, a copy for each caller; `cloud_timeout` if the caller's time ends first.
        """
        self.waiting += 1
        try:
            await asyncio.wait({self.task}, timeout=deadline.remaining_s())
        finally:
            self.waiting -= 1
        if not self.task.done():
            raise CloudTimeoutError(
                "the charge is under way and goes on. Send the same idempotency_key again to learn its outcome."
                if self.reserved
                else "it was not this charge's turn yet. Nothing was sent. Send the same idempotency_key again."
            )
        if self.task.cancelled():
            raise stopped() if self.reserved else service_closed()
        error = self.task.exception()
        if error is not None:
            raise copy.copy(error)
        return self.task.result()
