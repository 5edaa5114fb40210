"""The commands about white-labelled billing: how an organization bills others under its own name.

The changes are sent at most once, as those in `changes`.
"""

from __future__ import annotations

from typing import Literal, overload

from viam_billing_client import answers
from viam_billing_client.commands.base import READ_S, Commands


class WhiteLabelCommands(Commands):
    """Address, support e-mail, logo. Reads are of the service's own organization by default; changes name theirs.

    Each raises OutOfScopeError and KeyLacksPermissionError, a change CommandNotAllowedError and CloudRejectedError too.
    """

    async def get_billing_service_config(
        self, *, org_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.BillingService:
        """How an organization bills others: address, support e-mail, logo, dashboard."""
        return await self._ask(
            answers.BillingService, "get_billing_service_config", timeout, org_id=org_id, max_age_s=max_age_s
        )

    async def organization_get_support_email(
        self, *, org_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.SupportEmail:
        """Where the customers of an organization find help."""
        return await self._ask(
            answers.SupportEmail, "organization_get_support_email", timeout, org_id=org_id, max_age_s=max_age_s
        )

    async def organization_get_logo(
        self, *, org_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.Logo:
        """Where an organization's logo is."""
        return await self._ask(answers.Logo, "organization_get_logo", timeout, org_id=org_id, max_age_s=max_age_s)

    @overload
    async def enable_billing_service(
        self, *, org_id: str, billing_address: answers.Address, dry_run: Literal[False] = False, timeout: float = READ_S
    ) -> answers.AddressChange: ...
    @overload
    async def enable_billing_service(
        self, *, org_id: str, billing_address: answers.Address, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def enable_billing_service(
        self, *, org_id: str, billing_address: answers.Address, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.AddressChange | answers.DryRun:
        """Let an organization bill others under its own name."""
        from msgspec import to_builtins  # noqa: PLC0415 - loaded with the address

        return await self._ask(
            answers.DryRun if dry_run else answers.AddressChange,
            "enable_billing_service",
            timeout,
            org_id=org_id,
            billing_address=to_builtins(billing_address),
            dry_run=dry_run or None,
        )

    @overload
    async def update_billing_service(
        self, *, org_id: str, billing_address: answers.Address, dry_run: Literal[False] = False, timeout: float = READ_S
    ) -> answers.AddressChange: ...
    @overload
    async def update_billing_service(
        self, *, org_id: str, billing_address: answers.Address, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def update_billing_service(
        self, *, org_id: str, billing_address: answers.Address, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.AddressChange | answers.DryRun:
        """Change the address of an organization that bills others."""
        from msgspec import to_builtins  # noqa: PLC0415 - loaded with the address

        return await self._ask(
            answers.DryRun if dry_run else answers.AddressChange,
            "update_billing_service",
            timeout,
            org_id=org_id,
            billing_address=to_builtins(billing_address),
            dry_run=dry_run or None,
        )

    @overload
    async def disable_billing_service(
        self, *, org_id: str, dry_run: Literal[False] = False, timeout: float = READ_S
    ) -> answers.BillingServiceChange: ...
    @overload
    async def disable_billing_service(
        self, *, org_id: str, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def disable_billing_service(
        self, *, org_id: str, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.BillingServiceChange | answers.DryRun:
        """Stop an organization from billing others under its own name."""
        return await self._ask(
            answers.DryRun if dry_run else answers.BillingServiceChange,
            "disable_billing_service",
            timeout,
            org_id=org_id,
            dry_run=dry_run or None,
        )

    @overload
    async def organization_set_support_email(
        self, *, org_id: str, email: str, dry_run: Literal[False] = False, timeout: float = READ_S
    ) -> answers.SupportEmailChange: ...
    @overload
    async def organization_set_support_email(
        self, *, org_id: str, email: str, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def organization_set_support_email(
        self, *, org_id: str, email: str, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.SupportEmailChange | answers.DryRun:
        """Set where an organization's customers find help."""
        return await self._ask(
            answers.DryRun if dry_run else answers.SupportEmailChange,
            "organization_set_support_email",
            timeout,
            org_id=org_id,
            email=email,
            dry_run=dry_run or None,
        )

    @overload
    async def organization_set_logo(
        self, *, org_id: str, content_base64: str, dry_run: Literal[False] = False, timeout: float = READ_S
    ) -> answers.LogoChange: ...
    @overload
    async def organization_set_logo(
        self, *, org_id: str, content_base64: str, dry_run: Literal[True], timeout: float = READ_S
    ) -> answers.DryRun: ...
    async def organization_set_logo(
        self, *, org_id: str, content_base64: str, dry_run: bool = False, timeout: float = READ_S
    ) -> answers.LogoChange | answers.DryRun:
        """Set an organization's logo: a PNG of at most 200,000 bytes, as base64."""
        return await self._ask(
            answers.DryRun if dry_run else answers.LogoChange,
            "organization_set_logo",
            timeout,
            org_id=org_id,
            content_base64=content_base64,
            dry_run=dry_run or None,
        )
