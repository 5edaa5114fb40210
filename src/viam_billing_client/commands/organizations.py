"""The commands that read an organization's invoices, how it pays, its tier, and who pays for a location."""

from __future__ import annotations

from datetime import datetime

from viam_billing_client import answers
from viam_billing_client.commands.base import READ_S, Commands


class OrganizationCommands(Commands):
    """What an organization has to pay, and how. `max_age_s` as in the commands about usage."""

    async def get_org_billing_information(
        self, *, org_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.BillingInformation:
        """How an organization (by default the service's own) pays, and its tier.

        Raises: OutOfScopeError, NotConfiguredError, and what every read raises.
        """
        return await self._ask(
            answers.BillingInformation, "get_org_billing_information", timeout, org_id=org_id, max_age_s=max_age_s
        )

    async def get_invoices_summary(
        self,
        *,
        org_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
        max_age_s: float | None = None,
        timeout: float = READ_S,
    ) -> answers.InvoicesSummary:
        """An organization's invoices, newest first: those with a `status`, dated at `since` or later.

        `limit` is how many at most; `since` has a time zone. Raises: OutOfScopeError, NotConfiguredError, and what
        every read raises.
        """
        return await self._ask(
            answers.InvoicesSummary,
            "get_invoices_summary",
            timeout,
            org_id=org_id,
            status=status,
            since=since,
            limit=limit,
            max_age_s=max_age_s,
        )

    async def get_invoice_pdf(
        self, *, invoice_id: str, org_id: str | None = None, save_as: str | None = None, timeout: float = 60.0
    ) -> answers.InvoicePdf:
        """An invoice's PDF: in the answer (`content`), or saved under the name `save_as` on the module's machine.

        Always asks the cloud. Raises: NotFoundError, ResultTooLargeError (use `save_as`), StateUnavailableError (there
        is nowhere to save to), OutOfScopeError, NotConfiguredError, and what every read raises.
        """
        return await self._ask(
            answers.InvoicePdf, "get_invoice_pdf", timeout, invoice_id=invoice_id, org_id=org_id, save_as=save_as
        )

    async def get_available_billing_tiers(
        self, *, org_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.BillingTiers:
        """The tiers that an organization can be put on, whatever `org_id`. Raises: what every read raises."""
        return await self._ask(
            answers.BillingTiers, "get_available_billing_tiers", timeout, org_id=org_id, max_age_s=max_age_s
        )

    async def get_location_billing_organization(
        self, *, location_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.LocationPayer:
        """Which organization pays for a location (by default the service's own).

        Raises: OutOfScopeError, NotConfiguredError, NotFoundError, and what every read raises.
        """
        return await self._ask(
            answers.LocationPayer,
            "get_location_billing_organization",
            timeout,
            location_id=location_id,
            max_age_s=max_age_s,
        )
