"""The commands about the charge journal and the audit log. All can be repeated at any time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from viam_billing_client import answers
from viam_billing_client.commands.base import READ_S, Commands


class JournalCommands(Commands):
    """What was charged, what is unknown, who tried what. Each raises StateUnavailableError."""

    async def get_charge(
        self, *, idempotency_key: str, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.ChargeFound:
        """One charge by its key, and the status of its invoice, remembered at most `max_age_s` seconds.

        Raises: NotFoundError: the journal has no such key, or its organization is out of scope.
        """
        return await self._ask(
            answers.ChargeFound, "get_charge", timeout, idempotency_key=idempotency_key, max_age_s=max_age_s
        )

    async def list_charges(
        self,
        *,
        state: Literal["reserved", "sent", "succeeded", "failed", "unknown"] | None = None,
        limit: int | None = None,
        timeout: float = READ_S,
    ) -> answers.Charges:
        """Charges of the journal, newest first: those in a `state`, at most `limit` (1000)."""
        return await self._ask(answers.Charges, "list_charges", timeout, state=state, limit=limit)

    async def reconcile_charges(self, *, timeout: float = 60.0) -> answers.Reconciliation:
        """Look for the invoices of unknown charges now. A charge found is settled as succeeded; none is called failed.

        Raises: CommandNotAllowedError, KeyLacksPermissionError, Cloud...Error.
        """
        return await self._ask(answers.Reconciliation, "reconcile_charges", timeout)

    async def resolve_charge(
        self,
        *,
        idempotency_key: str,
        outcome: Literal["succeeded", "failed"],
        note: str,
        invoice_id: str | None = None,
        timeout: float = READ_S,
    ) -> answers.Charge:
        """Record what a person found out about an unknown charge; `note` says who and how.

        If "failed" is wrong, the same key charges a second time. Raises: CommandNotAllowedError (it has to be named in
        `allowed_commands`), InvalidRequestError (it is not unknown, or an invoice matches), NotFoundError.
        """
        return await self._ask(
            answers.Charge,
            "resolve_charge",
            timeout,
            idempotency_key=idempotency_key,
            outcome=outcome,
            invoice_id=invoice_id,
            note=note,
        )

    async def get_audit_log(
        self, *, since: datetime | None = None, limit: int | None = None, timeout: float = READ_S
    ) -> answers.AuditLog:
        """Attempts to notify, change or charge, newest first: at `since` (with a time zone) or later."""
        return await self._ask(answers.AuditLog, "get_audit_log", timeout, since=since, limit=limit)
