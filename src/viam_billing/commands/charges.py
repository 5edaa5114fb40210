"""The two commands that charge a customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.readings import Call
from viam_billing.charging.charge import ChargeRequest
from viam_billing.commands.context import Answer, Context, DryRun, Flag, Id, command
from viam_billing.core import money
from viam_billing.core.money import Cents, is_whole_cents
from viam_billing.settings.records import Record, given

ChargedOrg = Annotated[Id, Meta(description="The organization to charge.")]
BrandingOrg = Annotated[Id, Meta(description="The organization whose name and logo the invoice carries.")]
Amount = Annotated[float, Meta(gt=0, lt=1e12, title="an amount in dollars above 0, in whole cents")]
Tax = Annotated[float, Meta(ge=0, lt=1e12, title="an amount in dollars, at least 0, in whole cents")]
_AT_MOST_1000 = Meta(max_length=1000, title="a text of at most 1000 characters")
Description = Annotated[str, _AT_MOST_1000, Meta(description="What the invoice says it is for.")]
_KEY = Meta(min_length=1, max_length=200, pattern=r"\S", title="a non-empty text of at most 200 characters")
IdempotencyKey = Annotated[
    str, _KEY, Meta(description="Names this one charge for ever: the same key is never charged twice.")
]


class ChargeParameters(Record, frozen=True, kw_only=True):
    """Parameters of `charge_organization`."""

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


class InvoiceParameters(Record, frozen=True, kw_only=True):
    """Parameters of `create_invoice_and_charge_immediately`."""

    org_id_to_charge: ChargedOrg
    amount: Amount
    description: Description | UnsetType = UNSET
    org_id_for_branding: BrandingOrg | UnsetType = UNSET
    disable_email: Flag = False
    idempotency_key: IdempotencyKey
    dry_run: DryRun = False
    aliases: ClassVar[Mapping[str, str]] = {"org_id": "org_id_to_charge"}
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"amount": is_whole_cents}


@command("charge", ChargeParameters, "Charge an organization, at most once for each idempotency_key.")
async def charge_organization(parameters: ChargeParameters, context: Context, call: Call) -> Answer:
    total = money.total((parameters.subtotal, parameters.tax))
    return await _charge("charge_organization", parameters, money.to_cents(total), context, call)


@command("charge", InvoiceParameters, "Charge by Viam's deprecated call, which may answer up to two minutes later.")
async def create_invoice_and_charge_immediately(parameters: InvoiceParameters, context: Context, call: Call) -> Answer:
    total = money.to_cents(parameters.amount)
    return await _charge("create_invoice_and_charge_immediately", parameters, total, context, call)


async def _charge(
    command: str, parameters: ChargeParameters | InvoiceParameters, total: Cents, context: Context, call: Call
) -> Answer:
    org_id = parameters.org_id_to_charge
    context.policy.check_org(org_id)
    branding: str | None = given(parameters.org_id_for_branding)
    if branding not in (None, context.config.org_id):
        context.policy.check_org(branding)
    # No tax and a flag that is false are what the cloud takes for granted: given or not, they make the same charge.
    named: Answer = msgspec.to_builtins(parameters)
    sent = {name: value for name, value in named.items() if name not in ("idempotency_key", "dry_run") and value != 0}
    request = ChargeRequest.of(command, org_id, total, parameters.idempotency_key, sent)
    charging = context.charging()
    if parameters.dry_run:
        known = await charging.check(request, context.access.limits)
        if known is not None:  # the charge would be answered from the journal, also while the cloud is away
            return {"dry_run": True, "would_send": {}, "reconcilable": known.reconcilable}
        invoices = await context.access.invoices_if_permitted(org_id)
        return {"dry_run": True, "would_send": sent, "reconcilable": invoices is not None}
    entry, replayed = await charging.charge(request, context.access, call.caller, context.go_on, call.begin)
    return {**entry.shown(), "replayed": replayed}
