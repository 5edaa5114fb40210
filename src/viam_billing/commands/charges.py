"""The two commands that charge a customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from viam_billing.cache.readings import Call
from viam_billing.charging.charge import ChargeRequest, Entry, State
from viam_billing.commands.context import Answer, Context, DryRun, Flag, Id, command
from viam_billing.core import money
from viam_billing.core.money import Cents, is_whole_cents
from viam_billing.core.times import to_rfc3339
from viam_billing.settings.answers import AnswerRecord, DryRunAnswer, ErrorShown, says, usd, utc
from viam_billing.settings.records import Record, given

ChargedOrg = Annotated[Id, Meta(description="The organization to charge.")]
BrandingOrg = Annotated[Id, Meta(description="The organization whose name and logo the invoice carries.")]
Amount = Annotated[float, Meta(gt=0, lt=1e12, title="an amount in dollars above 0 and below 10^12, in whole cents")]
Tax = Annotated[float, Meta(ge=0, lt=1e12, title="an amount in dollars of at least 0, below 10^12, in whole cents")]
_AT_MOST_1000 = Meta(max_length=1000, title="a text of at most 1000 characters")
Description = Annotated[str, _AT_MOST_1000, Meta(description="What the invoice says it is for.")]
_KEY = Meta(min_length=1, max_length=200, pattern=r"\S", title="a non-empty text of at most 200 characters")
IdempotencyKey = Annotated[
    str, _KEY, Meta(description="Names this one charge for ever: the same idempotency key is never charged twice.")
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


class ChargeEntry(AnswerRecord, frozen=True, kw_only=True):
    """An entry of the charge journal as callers see it."""

    idempotency_key: Annotated[str, says("The idempotency key that the caller chose")]
    command: Annotated[str, says("The command that charged")]
    state: Annotated[State, says("What is known of the charge; succeeded is final")]
    org_id: Annotated[str, says("The organization charged")]
    total: Annotated[float, usd("The amount, tax included")]
    created_at: Annotated[str, utc("When the idempotency key was first used")]
    attempts: Annotated[int, says("How often it was tried: more than 1 after an attempt that failed")]
    reconcilable: Annotated[bool, says("Whether the invoices could be read before, so that a lost answer can be found")]
    sent_at: Annotated[str, utc("When the last attempt was sent")] | UnsetType = UNSET
    invoice_id: Annotated[str, says("The invoice of a charge that succeeded")] | UnsetType = UNSET
    error: Annotated[ErrorShown, says("Why it failed, or is unknown")] | UnsetType = UNSET
    note: Annotated[str, says("What was said in resolve_charge")] | UnsetType = UNSET
    late_invoice: Annotated[str, says("An invoice that came after a person called it failed")] | UnsetType = UNSET
    candidates: Annotated[list[str], says("Invoices that fit an unknown charge, if several do")] | UnsetType = UNSET
    checked_at: Annotated[str, utc("When its invoice was last looked for")] | UnsetType = UNSET


class ChargeOutcome(ChargeEntry, frozen=True, kw_only=True):
    """The answer of a charge."""

    replayed: Annotated[
        bool, says("Whether the idempotency key had been charged before: this is that charge, not another one")
    ]


class ChargeDryRun(DryRunAnswer, frozen=True, kw_only=True):
    """The answer of a charge where `dry_run` was true."""

    reconcilable: Annotated[bool, says("Whether a lost answer could be found among the invoices")]


def shown(entry: Entry) -> ChargeEntry:
    """A journal's entry as callers see it."""
    return ChargeEntry(
        idempotency_key=entry.key,
        command=entry.command,
        state=entry.state,
        org_id=entry.org_id,
        total=money.to_dollars(entry.total),
        created_at=to_rfc3339(entry.created_at),
        attempts=entry.attempts,
        reconcilable=entry.reconcilable,
        sent_at=UNSET if entry.sent_at is None else to_rfc3339(entry.sent_at),
        invoice_id=entry.invoice_id or UNSET,
        error=ErrorShown(code=entry.error_code, message=entry.error_text or "") if entry.error_code else UNSET,
        note=UNSET if entry.note is None else entry.note,
        late_invoice=entry.late_invoice or UNSET,
        candidates=list(entry.candidates) or UNSET,
        checked_at=UNSET if entry.checked_at is None else to_rfc3339(entry.checked_at),
    )


@command("charge", ChargeParameters, "Charge an organization, at most once for each idempotency_key.")
async def charge_organization(
    parameters: ChargeParameters, context: Context, call: Call
) -> ChargeOutcome | ChargeDryRun:
    total = money.total((parameters.subtotal, parameters.tax))
    return await _charge("charge_organization", parameters, money.to_cents(total), context, call)


@command("charge", InvoiceParameters, "Charge by Viam's deprecated call, which may answer up to two minutes later.")
async def create_invoice_and_charge_immediately(
    parameters: InvoiceParameters, context: Context, call: Call
) -> ChargeOutcome | ChargeDryRun:
    total = money.to_cents(parameters.amount)
    return await _charge("create_invoice_and_charge_immediately", parameters, total, context, call)


async def _charge(
    command: str, parameters: ChargeParameters | InvoiceParameters, total: Cents, context: Context, call: Call
) -> ChargeOutcome | ChargeDryRun:
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
            return ChargeDryRun(dry_run=True, would_send={}, reconcilable=known.reconcilable)
        invoices = await context.access.invoices_if_permitted(org_id)
        return ChargeDryRun(dry_run=True, would_send=sent, reconcilable=invoices is not None)
    entry, replayed = await charging.charge(request, context.access, call.caller, context.go_on, call.begin)
    return ChargeOutcome(**structs.asdict(shown(entry)), replayed=replayed)
