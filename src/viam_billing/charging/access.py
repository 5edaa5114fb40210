"""What one service brings to the shared journal: its cloud client, its limits and its scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from viam_billing.charging.limits import Limits
from viam_billing.cloud import decoding
from viam_billing.core.errors import KeyLacksPermissionError, NotConfiguredError
from viam_billing.core.times import Deadline

if TYPE_CHECKING:
    from viam_billing.charging.charge import ChargeRequest, Entry
    from viam_billing.cloud.client import CloudClient
    from viam_billing.cloud.decoding import SeenInvoice
    from viam_billing.settings.policy import Policy

CHARGE_TIME_S: Final[Mapping[str, float]] = {
    "charge_organization": 60.0,
    "create_invoice_and_charge_immediately": 150.0,
}
"""How long each command's charge may take: the second answers up to two minutes later."""


class ServiceAccess:
    """One service's way to the cloud. A charge under way outlives its service and keeps using it."""

    def __init__(self, cloud: CloudClient, policy: Policy) -> None:
        self.cloud = cloud
        self._policy = policy
        self.closed = False

    @property
    def limits(self) -> Limits:
        """`charge_limits`.

        Raises:
            NotConfiguredError: if there are none; a configuration that allows a charge has them.
        """
        config = self._policy.config
        if config.per_charge_limit is None or config.per_day_limit is None:
            raise NotConfiguredError("no limits are known. Set the attribute charge_limits.")
        return Limits(config.per_charge_limit, config.per_day_limit)

    def sees(self, org_id: str) -> bool:
        """Whether an organization is in the service's scope."""
        return self._policy.sees_org(org_id)

    async def invoices(self, org_id: str) -> list[SeenInvoice]:
        """An organization's invoices, read now, within `timeout_s`.

        Raises:
            BillingError: if they cannot be read.
        """
        deadline = Deadline(self._policy.config.timeout_s)
        return decoding.seen_invoices(await self.cloud.get_invoices_summary(org_id, deadline))

    async def invoices_if_permitted(self, org_id: str) -> list[SeenInvoice] | None:
        """As `invoices`; None where the API key may charge but not read."""
        try:
            return await self.invoices(org_id)
        except KeyLacksPermissionError:
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

        Raises:
            BillingError: its `outcome` tells what is known of the charge.
        """
        parameters: dict[str, Any] = msgspec.json.decode(request.parameters)
        deadline = Deadline(CHARGE_TIME_S[request.command])

        async def mark_and_restart_time() -> None:
            await mark_sent()
            deadline.renew()  # the time of the login, and of waiting for other calls, is not the charge's

        return await self.cloud.charge(request.command, parameters, deadline, mark_and_restart_time)
