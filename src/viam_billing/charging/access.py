"""What one service brings to the shared journal (cloud client, limits, scope), and the attempts that it makes."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from viam_billing.charging.charge import ChargeRequest, Entry
from viam_billing.charging.refusals import Limits
from viam_billing.cloud.client import CloudClient
from viam_billing.cloud.decoding import SeenInvoice, seen_invoices
from viam_billing.core import errors
from viam_billing.core.money import Cents
from viam_billing.core.times import Deadline
from viam_billing.settings.policy import Policy

CHARGE_TIME_S: Final = {"charge_organization": 60.0, "create_invoice_and_charge_immediately": 150.0}
"""How long each command's charge may take: the second answers up to two minutes later."""


class ServiceAccess:
    """One service's way to the cloud. A charge under way outlives its service and keeps using it."""

    def __init__(self, cloud: CloudClient, policy: Policy) -> None:
        self.cloud = cloud
        self.policy = policy
        config = policy.config
        self.limits = Limits(config.per_charge_limit or Cents(0), config.per_day_limit or Cents(0))
        """`charge_limits`; without any, which a configuration that allows a charge has, nothing is within them."""
        self.closed = False

    async def invoices(self, org_id: str) -> list[SeenInvoice]:
        """An organization's invoices, read now, within `timeout_s`. Raises: BillingError: if they cannot be read."""
        deadline = Deadline(self.policy.config.timeout_s)
        return await seen_invoices(await self.cloud.get_invoices_summary(org_id, deadline))

    async def invoices_if_permitted(self, org_id: str) -> list[SeenInvoice] | None:
        """As `invoices`; None where the API key may charge but not read."""
        try:
            return await self.invoices(org_id)
        except errors.KeyLacksPermissionError:
            return None

    async def shows_no_new_invoice(self, entry: Entry) -> bool:
        """Whether the invoices, read again, are all among those before the sending; false where that is not known."""
        if entry.known_invoices is None:
            return False
        try:
            invoices = await self.invoices(entry.org_id)
        except Exception:  # noqa: BLE001 - without a list nothing speaks for a failure
            return False
        return {invoice.id for invoice in invoices} <= set(entry.known_invoices)

    async def send(self, request: ChargeRequest, mark_sent: Callable[[], Awaitable[None]]) -> str:
        """Send a charge once. `mark_sent` is awaited right before the first byte leaves. Returns the invoice's id.

        Raises: BillingError: its `outcome` tells what is known of the charge.
        """
        deadline = Deadline(CHARGE_TIME_S[request.command])

        async def mark_and_restart_time() -> None:
            await mark_sent()
            deadline.renew()  # the time of the login, and of waiting for other calls, is not the charge's

        parameters: dict[str, Any] = msgspec.json.decode(request.parameters)
        return await self.cloud.charge(request.command, parameters, deadline, mark_and_restart_time)


class Attempt:
    """One attempt at a charge, a task of its own: a caller that leaves does not end it once it is `reserved`."""

    def __init__(self, request: ChargeRequest, access: ServiceAccess) -> None:
        self.request = request
        self.access = access
        self.reserved = False
        """Set right before the reservation is written: from then on only the disk knows whether it was."""
        self.dropped = False
        self.callers: list[Callable[[], Awaitable[None]]] = []  # how each that waits writes down that it charges
        self.task: asyncio.Task[Entry]

    async def outcome(self, deadline: Deadline, begin: Callable[[], Awaitable[None]]) -> Entry:
        """Wait for the outcome, or its error in a copy for each caller; `cloud_timeout` if the caller's time ends."""
        self.callers.append(begin)
        try:
            await asyncio.wait({self.task}, timeout=deadline.remaining_s())
        finally:
            self.callers.remove(begin)
        if not self.task.done():
            raise errors.CloudTimeoutError(
                "the charge is under way and goes on. Send the same idempotency_key again to learn its outcome."
                if self.reserved
                else "it was not this charge's turn yet. Nothing was sent. Send the same idempotency_key again.",
                errors.Outcome.UNKNOWN if self.reserved else errors.Outcome.NEVER_SENT,
            )
        if self.task.cancelled() and self.reserved:
            raise errors.ChargeOutcomeUnknownError(
                "the module was stopped while the charge was under way. It looks for the invoice at its next start: "
                "send the same idempotency_key again then.",
                errors.Outcome.UNKNOWN,
            )
        error = errors.service_closed() if self.task.cancelled() else self.task.exception()
        if error is not None:
            raise copy.copy(error)
        return self.task.result()
