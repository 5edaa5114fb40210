"""The commands that show the charge journal and the audit log, and those that settle unknown charges."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from msgspec import UNSET, Meta, UnsetType, structs

from viam_billing.audit.entries import AuditEntry
from viam_billing.cache.readings import Call, provenance
from viam_billing.charging import reconciliation, refusals
from viam_billing.charging.charge import State
from viam_billing.cloud.decoding import SeenInvoice
from viam_billing.commands.charges import ChargeEntry, IdempotencyKey, shown
from viam_billing.commands.context import (
    Context,
    Id,
    Limit,
    Moment,
    ReadParameters,
    command,
    is_moment,
    moment_s,
)
from viam_billing.core.errors import BillingError
from viam_billing.core.tasks import rows
from viam_billing.core.times import to_rfc3339
from viam_billing.settings.answers import AnswerRecord, AsOf, Stale, WhyStale, says, utc
from viam_billing.settings.policy import Policy
from viam_billing.settings.records import Record, given

_USUAL_LIMIT: Final = 1000  # entries without `limit`; they fit into an answer many times over

OneState = Annotated[
    State, Meta(title="reserved, sent, succeeded, failed or unknown", description="Only charges in this state.")
]
Outcome = Annotated[
    Literal["succeeded", "failed"],
    Meta(title="succeeded or failed", description="What became of the charge, as a person has found out."),
]
InvoiceId = Annotated[Id, Meta(description="The charge's invoice, if it succeeded and is known.")]
_TEXT = Meta(min_length=1, max_length=1000, pattern=r"\S", title="a non-empty text of at most 1000 characters")
Note = Annotated[str, _TEXT, Meta(description="Who found it out, and how.")]


class ChargeKeyParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of `get_charge`."""

    idempotency_key: IdempotencyKey


class ListChargesParameters(Record, frozen=True, kw_only=True):
    """Parameters of `list_charges`."""

    state: OneState | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET


class ResolveParameters(Record, frozen=True, kw_only=True):
    """Parameters of `resolve_charge`."""

    idempotency_key: IdempotencyKey
    outcome: Outcome
    invoice_id: InvoiceId | UnsetType = UNSET
    note: Note
    schema_not: ClassVar[Mapping[str, Any]] = {
        "properties": {"outcome": {"const": "failed"}},
        "required": ["outcome", "invoice_id"],
    }

    def __post_init__(self) -> None:
        if self.outcome == "failed" and self.invoice_id is not UNSET:
            raise ValueError("invoice_id: found an invoice of a charge that failed, expected none")


class AuditParameters(Record, frozen=True, kw_only=True):
    """Parameters of `get_audit_log`."""

    since: Annotated[Moment, Meta(description="Only attempts at this time or later.")] | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"since": is_moment}


class ChargeAndPayment(ChargeEntry, frozen=True, kw_only=True):
    """The answer of `get_charge`. What the cloud says of the invoice comes with its age."""

    payment_status: Annotated[str, says("The status of its invoice, such as paid")] | UnsetType = UNSET
    as_of: AsOf | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET
    stale_reason: WhyStale | UnsetType = UNSET


class ChargeList(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `list_charges`."""

    charges: Annotated[list[ChargeEntry], says("The journal's entries, newest first")]


class Reconciled(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `reconcile_charges`."""

    settled: Annotated[list[ChargeEntry], says("The charges that were unknown and whose invoice was found now")]
    still_unknown: Annotated[list[ChargeEntry], says("The charges that are still unknown")]


class AuditedAttempt(AnswerRecord, frozen=True, kw_only=True):
    """An attempt to notify, change or charge."""

    time: Annotated[str, utc("When it began; of equal attempts counted in one, when the last of them did")]
    command: Annotated[str, says("The command")]
    parameters: Annotated[dict[str, Any], says("What was asked; … tells what was left out")]
    allowed: Annotated[bool, says("Whether allowed_commands and the scope allowed it")]
    code: Annotated[str, says("The error that it ended in, or cancelled, or unfinished")] | UnsetType = UNSET
    idempotency_key: Annotated[str, says("Of a charge, and of what is about one")] | UnsetType = UNSET
    repeats: Annotated[int, says("How many equal attempts followed and were counted here")] | UnsetType = UNSET


class AuditLogAnswer(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `get_audit_log`."""

    entries: Annotated[list[AuditedAttempt], says("The attempts, newest first")]


@command("read", ChargeKeyParameters, "One charge of the journal by its idempotency_key; whether its invoice is paid.")
async def get_charge(parameters: ChargeKeyParameters, context: Context, call: Call) -> ChargeAndPayment:
    charging = context.charging()
    await call.from_disk(charging.read_figures())
    entry = await call.from_disk(charging.journal.find(parameters.idempotency_key))
    if entry is None or not context.policy.sees_org(entry.org_id):
        raise refusals.no_such_key(parameters.idempotency_key)
    if entry.invoice_id is not None:
        with contextlib.suppress(BillingError):  # the entry is the answer, also where the cloud cannot tell the status
            summary = await context.reads.invoices(entry.org_id, call, given(parameters.max_age_s))
            for invoice in summary.value["invoices"]:
                if invoice["id"] == entry.invoice_id:
                    facts = {"payment_status": invoice["status"], **provenance([summary])}
                    return ChargeAndPayment(**structs.asdict(shown(entry)), **facts)
    return ChargeAndPayment(**structs.asdict(shown(entry)))


@command("read", ListChargesParameters, "The charges of the journal, newest first.")
async def list_charges(parameters: ListChargesParameters, context: Context, call: Call) -> ChargeList:
    charging = context.charging()
    await call.from_disk(charging.read_figures())
    states = get_args(State) if parameters.state is UNSET else (str(parameters.state),)
    limit = given(parameters.limit, _USUAL_LIMIT)
    entries = await call.from_disk(charging.journal.entries(states, context.policy.sees_org, limit))
    return ChargeList(charges=await rows(shown, entries))


@command("charge", Record, "Look for the invoices of charges whose answer was lost.")
async def reconcile_charges(parameters: Record, context: Context, call: Call) -> Reconciled:  # noqa: ARG001 - the signature of every command
    await context.begin(call)
    found = await context.charging().reconciler.reconcile(context.access)
    settled, still_unknown = await rows(shown, found.settled), await rows(shown, found.still_unknown)
    return Reconciled(settled=settled, still_unknown=still_unknown)


@command("by_name", ResolveParameters, "Write down what a person has found out about an unknown charge.")
async def resolve_charge(parameters: ResolveParameters, context: Context, call: Call) -> ChargeEntry:
    charging = context.charging()
    await charging.recovery.prepare()
    seen = await charging.journal.find(parameters.idempotency_key)
    if seen is None or not context.policy.sees_org(seen.org_id):
        raise refusals.no_such_key(parameters.idempotency_key)
    invoices: list[SeenInvoice] = []
    if parameters.outcome == "failed" and seen.state == "unknown":
        with contextlib.suppress(BillingError):  # a person may know more than the cloud tells
            invoices = await context.access.invoices(seen.org_id)
    decision = (parameters.outcome, parameters.note, given(parameters.invoice_id), invoices)
    await context.begin(call)
    resolved = await charging.journal.run("resolve", lambda journal: reconciliation.resolve(journal, seen, *decision))
    charging.reconciler.wake()
    return shown(resolved)


@command("read", AuditParameters, "Attempts to notify, change or charge, newest first, the refused ones too.")
async def get_audit_log(parameters: AuditParameters, context: Context, call: Call) -> AuditLogAnswer:
    since_s = moment_s(parameters.since) - 0.0005  # times are shown in whole milliseconds, and have to find their entry
    limit, sees = given(parameters.limit, _USUAL_LIMIT), partial(_sees, context.policy)
    if await call.from_disk(context.charging().journal.read_figures()) is None:
        return AuditLogAnswer(entries=[])
    attempts = await call.from_disk(context.audit_log.entries(sees, since_s=since_s, limit=limit))
    return AuditLogAnswer(entries=await rows(_attempt, attempts))


def _attempt(attempt: AuditEntry) -> AuditedAttempt:
    return AuditedAttempt(
        time=to_rfc3339(attempt.time_s),
        command=attempt.command,
        parameters=attempt.parameters,
        allowed=attempt.allowed,
        code=attempt.code or UNSET,
        idempotency_key=attempt.idempotency_key or UNSET,
        repeats=attempt.repeats or UNSET,
    )


def _sees(policy: Policy, parameters: Mapping[str, object], org_id: str | None) -> bool:
    """Whether all organizations and locations that an attempt names are in scope; ids that are no text are none."""
    orgs = [org_id, *(value for name, value in parameters.items() if "org" in name)]
    location = parameters.get("location_id")
    sees_location = not isinstance(location, str) or policy.sees_location(location)
    return sees_location and all(policy.sees_org(each) for each in orgs if isinstance(each, str))
