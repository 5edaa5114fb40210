"""Charging a customer: parameters are checked; charging itself is not part of this version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, UnsetType

from viam_billing.commands.context import Answer, Context, DryRun, Flag, Id
from viam_billing.errors import CommandNotAllowedError
from viam_billing.money import is_whole_cents
from viam_billing.reads import Call
from viam_billing.strict import Record

ChargedOrg = Annotated[Id, Meta(description="The organization to charge.")]
BrandingOrg = Annotated[Id, Meta(description="The organization whose name and logo the invoice carries.")]
Amount = Annotated[float, Meta(gt=0, lt=1e12, title="an amount in dollars above 0, in whole cents")]
Tax = Annotated[float, Meta(ge=0, lt=1e12, title="an amount in dollars, at least 0, in whole cents")]
Description = Annotated[
    str,
    Meta(max_length=1000, title="a text of at most 1000 characters", description="What the invoice says it is for."),
]
IdempotencyKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"\S",
        title="a non-empty text of at most 200 characters",
        description="Names this one charge for ever: the same key is never charged twice.",
    ),
]


class ChargeParameters(Record, frozen=True, kw_only=True):
    """Of `charge_organization`."""

    org_id_to_charge: ChargedOrg
    subtotal: Amount
    tax: Tax = 0.0
    description: Description | UnsetType = UNSET
    org_id_for_branding: BrandingOrg | UnsetType = UNSET
    disable_confirmation_email: Flag = False
    idempotency_key: IdempotencyKey
    dry_run: DryRun = False
    aliases: ClassVar[Mapping[str, str]] = {"org_id": "org_id_to_charge", "amount_owed": "subtotal"}
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"subtotal": is_whole_cents, "tax": is_whole_cents}


class CreateInvoiceParameters(Record, frozen=True, kw_only=True):
    """Of `create_invoice_and_charge_immediately`."""

    org_id_to_charge: ChargedOrg
    amount: Amount
    description: Description | UnsetType = UNSET
    org_id_for_branding: BrandingOrg | UnsetType = UNSET
    disable_email: Flag = False
    idempotency_key: IdempotencyKey
    dry_run: DryRun = False
    aliases: ClassVar[Mapping[str, str]] = {"org_id": "org_id_to_charge"}
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"amount": is_whole_cents}


async def refuse(parameters: Record, context: Context, call: Call) -> Answer:  # noqa: ARG001 - the signature of every command
    """Raises: CommandNotAllowedError: always."""
    raise CommandNotAllowedError(
        "this version of the module does not charge, whatever allowed_commands says. "
        "Nothing was sent. Charge in the Viam app, or wait for a version that keeps a journal of charges."
    )
