"""The two commands that charge.

After **any** error, a `MachineError` or a crash of your program included, send the same request with the same
`idempotency_key` again later: an idempotency key never charges twice. A new one for the same thing can. Take it from
what is charged for (the number of a job or visit), and store it with the whole request before the first attempt.
"""

from __future__ import annotations

from typing import Final, Literal, overload

from viam_billing_client import answers
from viam_billing_client.commands.base import Commands, Dollars

CHARGE_S: Final = 90.0
"""A charge has 60 s of its own in the module, after the invoices were read."""
INVOICE_S: Final = 180.0
"""The deprecated call has 150 s."""


class ChargeCommands(Commands):
    """Charges: at most once for each idempotency key. Amounts are US dollars in whole cents."""

    @overload
    async def charge_organization(
        self,
        *,
        org_id_to_charge: str,
        subtotal: Dollars,
        idempotency_key: str,
        tax: Dollars | None = None,
        description: str | None = None,
        org_id_for_branding: str | None = None,
        disable_confirmation_email: bool | None = None,
        dry_run: Literal[False] = False,
        timeout: float = CHARGE_S,
    ) -> answers.ChargeMade: ...
    @overload
    async def charge_organization(
        self,
        *,
        org_id_to_charge: str,
        subtotal: Dollars,
        idempotency_key: str,
        tax: Dollars | None = None,
        description: str | None = None,
        org_id_for_branding: str | None = None,
        disable_confirmation_email: bool | None = None,
        dry_run: Literal[True],
        timeout: float = CHARGE_S,
    ) -> answers.DryRun: ...
    async def charge_organization(
        self,
        *,
        org_id_to_charge: str,
        subtotal: Dollars,
        idempotency_key: str,
        tax: Dollars | None = None,
        description: str | None = None,
        org_id_for_branding: str | None = None,
        disable_confirmation_email: bool | None = None,
        dry_run: bool = False,
        timeout: float = CHARGE_S,
    ) -> answers.ChargeMade | answers.DryRun:
        """Charge an organization `subtotal` plus `tax`, once for each `idempotency_key`.

        Put the idempotency key into `description` too, so that people can find the invoice by it. A charge goes on when
        its caller disconnects; sent again, it returns its outcome. Raises, besides what every change raises:
        ChargeLimitExceededError, ChargeBlockedError, IdempotencyConflictError (other parameters than before),
        ChargeOutcomeUnknownError (may have charged), StateUnavailableError, CloudRejectedError.
        """
        return await self._ask(
            answers.DryRun if dry_run else answers.ChargeMade,
            "charge_organization",
            timeout,
            org_id_to_charge=org_id_to_charge,
            subtotal=subtotal,
            tax=tax,
            description=description,
            org_id_for_branding=org_id_for_branding,
            disable_confirmation_email=disable_confirmation_email,
            idempotency_key=idempotency_key,
            dry_run=dry_run or None,
        )

    @overload
    async def create_invoice_and_charge_immediately(
        self,
        *,
        org_id_to_charge: str,
        amount: Dollars,
        idempotency_key: str,
        description: str | None = None,
        org_id_for_branding: str | None = None,
        disable_email: bool | None = None,
        dry_run: Literal[False] = False,
        timeout: float = INVOICE_S,
    ) -> answers.ChargeMade: ...
    @overload
    async def create_invoice_and_charge_immediately(
        self,
        *,
        org_id_to_charge: str,
        amount: Dollars,
        idempotency_key: str,
        description: str | None = None,
        org_id_for_branding: str | None = None,
        disable_email: bool | None = None,
        dry_run: Literal[True],
        timeout: float = INVOICE_S,
    ) -> answers.DryRun: ...
    async def create_invoice_and_charge_immediately(
        self,
        *,
        org_id_to_charge: str,
        amount: Dollars,
        idempotency_key: str,
        description: str | None = None,
        org_id_for_branding: str | None = None,
        disable_email: bool | None = None,
        dry_run: bool = False,
        timeout: float = INVOICE_S,
    ) -> answers.ChargeMade | answers.DryRun:
        """Charge by Viam's deprecated call, which may take two minutes. Keys and errors: see `charge_organization`."""
        return await self._ask(
            answers.DryRun if dry_run else answers.ChargeMade,
            "create_invoice_and_charge_immediately",
            timeout,
            org_id_to_charge=org_id_to_charge,
            amount=amount,
            description=description,
            org_id_for_branding=org_id_for_branding,
            disable_email=disable_email,
            idempotency_key=idempotency_key,
            dry_run=dry_run or None,
        )
