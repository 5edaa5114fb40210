"""The commands that change or notify. Each is sent at most once: after an error, check before you repeat it.

The text of `CloudUnreachableError` and `CloudTimeoutError` says whether it may have been done; after a `MachineError`
it may have been. With `dry_run=True` everything is checked and nothing is sent.
"""

from __future__ import annotations

from typing import Literal, overload

from viam_billing_client import answers
from viam_billing_client.commands.base import READ_S, Commands


class ChangeCommands(Commands):
    """Tiers, payers, reminders to pay. Each raises CommandNotAllowedError, OutOfScopeError, KeyLacksPermissionError."""

    @overload
    async def send_payment_required_email(
        self,
        *,
        customer_org_id: str,
        billing_owner_org_id: str | None = None,
        dry_run: Literal[False] = False,
        timeout: float = READ_S,
    ) -> answers.EmailSent: ...
    @overload
    async def send_payment_required_email(
        self,
        *,
        customer_org_id: str,
        billing_owner_org_id: str | None = None,
        dry_run: Literal[True],
        timeout: float = READ_S,
    ) -> answers.DryRun: ...
    async def send_payment_required_email(
        self,
        *,
        customer_org_id: str,
        billing_owner_org_id: str | None = None,
        dry_run: bool = False,
        timeout: float = READ_S,
    ) -> answers.EmailSent | answers.DryRun:
        """Have Viam e-mail a customer's owners that a payment to `billing_owner_org_id` (the service's own) is due.

        Raises: CooldownActiveError (within 24 hours of the last one), StateUnavailableError.
        """
        return await self._ask(
            answers.DryRun if dry_run else answers.EmailSent,
            "send_payment_required_email",
            timeout,
            customer_org_id=customer_org_id,
            billing_owner_org_id=billing_owner_org_id,
            dry_run=dry_run or None,
        )

    @overload
    async def update_organization_billing_tier(
        self, *, organization_id: str, billing_tier: str, dry_run: Literal[False] = False, timeout: float = READ_S
    ) -> answers.TierChange: ...
    @overload
    async def update_organization_billing_tier(
        self, *, organization_id: str, billing_tier: str, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def update_organization_billing_tier(
        self, *, organization_id: str, billing_tier: str, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.TierChange | answers.DryRun:
        """Put an organization on another tier. Raises: InvalidRequestError (no such tier: the text lists them)."""
        return await self._ask(
            answers.DryRun if dry_run else answers.TierChange,
            "update_organization_billing_tier",
            timeout,
            organization_id=organization_id,
            billing_tier=billing_tier,
            dry_run=dry_run or None,
        )

    @overload
    async def update_location_billing_organization(
        self,
        *,
        location_id: str,
        billing_organization_id: str,
        dry_run: Literal[False] = False,
        timeout: float = READ_S,
    ) -> answers.PayerChange: ...
    @overload
    async def update_location_billing_organization(
        self, *, location_id: str, billing_organization_id: str, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def update_location_billing_organization(
        self, *, location_id: str, billing_organization_id: str, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.PayerChange | answers.DryRun:
        """Have another organization pay for a location. Raises: NotFoundError, CloudRejectedError."""
        return await self._ask(
            answers.DryRun if dry_run else answers.PayerChange,
            "update_location_billing_organization",
            timeout,
            location_id=location_id,
            billing_organization_id=billing_organization_id,
            dry_run=dry_run or None,
        )

    async def test_alert(self, *, timeout: float = 90.0) -> answers.AlertsSent:
        """Send a test alert to each address of the service's `alert_urls`; each has some 40 s to take it.

        Raises: NotConfiguredError (no `alert_urls`), CommandNotAllowedError.
        """
        return await self._ask(answers.AlertsSent, "test_alert", timeout)
