"""The commands about invoices: the list, the PDF, and the e-mail that reminds a customer to pay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from viam_billing.audit import events
from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import (
    Answer,
    Context,
    DryRun,
    Id,
    Limit,
    Moment,
    OrgId,
    OrgReadParameters,
    command,
    is_moment,
    moment_s,
)
from viam_billing.commands.invoice_pdf import InlinePdf, SavedPdf
from viam_billing.core import money
from viam_billing.core.errors import BillingError, CloudAwayError, KeyRejectedError, NotConfiguredError, Outcome
from viam_billing.core.tasks import off_loop
from viam_billing.core.times import DAY_S
from viam_billing.settings.answers import (
    AnswerRecord,
    DryRunAnswer,
    OfCloud,
    Passed,
    says,
    usd,
)
from viam_billing.settings.records import Record, given

if TYPE_CHECKING:
    from viam_billing.commands.api_answers import InvoicesOfApi

_MANY: Final = 500
_AGES: Final = {"not_due": 0.0, "days_1_30": 30.0, "days_31_60": 60.0, "days_61_90": 90.0, "over_90": inf}
"""The parts of `aging`, each with the most days past `due_date` that it holds."""
_LONGEST_NAME_BYTES: Final = 255
_FILE_NAME: Final = (
    r"^(?!\.{1,2}$)[^/\\\u0000-\u001f\u007f-\u009f\u061c"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$(?!\n)"
)
"""For `help`: compiling it takes as long as importing three files, so `_is_file_name` looks itself."""
FileName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=_LONGEST_NAME_BYTES,
        extra_json_schema={"pattern": _FILE_NAME},
        title="a file name of 1 to 255 bytes, such as 2026-11.pdf: no path, so neither / nor \\ in it; printable "
        'characters only; and neither of the folders "." and ".."',
        description="Write the PDF to this file in the folder invoices in state_dir.",
    ),
]


def _is_file_name(text: str) -> bool:
    fits = len(text.encode(errors="replace")) <= _LONGEST_NAME_BYTES
    return fits and text.isprintable() and text not in (".", "..") and not {"/", "\\"} & set(text)


_STATUSES = "Only invoices of this status: outstanding, paid, payment_processing."


class InvoicesParameters(OrgReadParameters, frozen=True, kw_only=True):
    """Parameters of `get_invoices_summary`."""

    status: Annotated[Id, Meta(description=_STATUSES)] | UnsetType = UNSET
    since: Annotated[Moment, Meta(description="Only invoices dated at this time or later.")] | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"since": is_moment}


class PdfParameters(Record, frozen=True, kw_only=True):
    """Parameters of `get_invoice_pdf`."""

    invoice_id: Annotated[Id, Meta(description="An id of get_invoices_summary.")]
    org_id: OrgId | UnsetType = UNSET
    save_as: FileName | UnsetType = UNSET
    aliases: ClassVar[Mapping[str, str]] = {"id": "invoice_id"}
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"save_as": _is_file_name}


class EmailParameters(Record, frozen=True, kw_only=True):
    """Parameters of `send_payment_required_email`."""

    customer_org_id: Annotated[Id, Meta(description="The organization whose owners get the e-mail.")]
    billing_owner_org_id: (
        Annotated[Id, Meta(description="The organization to pay to; by default the service's own.")] | UnsetType
    ) = UNSET
    dry_run: DryRun = False


class Aging(AnswerRecord, frozen=True, kw_only=True):
    """What is outstanding, by how long it is past its due date."""

    not_due: Annotated[float, usd("Not due yet, or without a date")]
    days_1_30: Annotated[float, usd("Up to 30 days past the due date")]
    days_31_60: Annotated[float, usd("31 to 60 days past it")]
    days_61_90: Annotated[float, usd("61 to 90 days past it")]
    over_90: Annotated[float, usd("More than 90 days past it")]


class InvoicesAdded(OfCloud, frozen=True, kw_only=True):
    """What `get_invoices_summary` adds: figures of all invoices, whichever are listed."""

    org_id: Annotated[str, says("The organization's ID")]
    total_invoices: Annotated[int, says("How many invoices there are in all")]
    overdue_count: Annotated[int, says("How many of more than 0 dollars are outstanding and past their due date")]
    overdue_balance: Annotated[float, usd("What those come to")]
    aging: Annotated[Aging, says("What is outstanding, by how long it is past its due date")]
    failed_payment_count: Annotated[int, says("How many outstanding ones have a last_payment_failure_reason")]


class InvoicePdf(OfCloud, frozen=True, kw_only=True):
    """The answer of `get_invoice_pdf`."""

    invoice_id: Annotated[str, says("The invoice's ID")]
    org_id: Annotated[str, says("The organization's ID")]
    size_bytes: Annotated[int, says("The PDF's size in bytes")]
    sha256: Annotated[str, says("Its SHA-256, as 64 hexadecimal digits")]
    content_base64: Annotated[str, says("The PDF as base64, without save_as")] | UnsetType = UNSET
    path: Annotated[str, says("The file that it was written to, with save_as")] | UnsetType = UNSET


class SentEmail(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `send_payment_required_email`."""

    customer_org_id: Annotated[str, says("The organization whose owners get the e-mail")]
    billing_owner_org_id: Annotated[str, says("The organization that is to be paid")]
    sent: Annotated[Literal[True], says("The cloud has sent it")]


@command("read", InvoicesParameters, "An organization's invoices, newest first; what is outstanding and overdue.")
async def get_invoices_summary(
    parameters: InvoicesParameters, context: Context, call: Call
) -> Passed[InvoicesOfApi, InvoicesAdded]:
    """`status`, `since` and `limit` choose what is listed; the figures are those of all invoices."""
    org_id = context.policy.org_in_scope(parameters.org_id)
    summary = await context.reads.invoices(org_id, call, given(parameters.max_age_s))
    await note_alerts(context, org_id, summary)
    work = partial(_chosen, summary.value, parameters, context.now())
    invoices, figures = await off_loop(work, long=len(summary.value["invoices"]) > _MANY)
    added = InvoicesAdded(org_id=org_id, **figures, **provenance([summary]))
    return Passed({**summary.value, "invoices": invoices}, added)


async def note_alerts(context: Context, org_id: str, summary: Reading) -> None:
    """Have it alerted, once each, which invoices of a fresh answer are overdue, and of which the payment failed."""
    if context.alerts is not None and summary.stale_reason is None:
        work = lambda: events.invoices(org_id, decoding.debts(summary.value), context.now())  # noqa: E731 - of two lines
        context.alerts.note(await off_loop(work, long=len(summary.value["invoices"]) > _MANY))


def _chosen(summary: Answer, parameters: InvoicesParameters, now_s: float) -> tuple[list[Answer], Answer]:
    """The invoices that were asked for, and the figures of all."""
    invoices = sorted(summary["invoices"], key=_date_s, reverse=True)
    debts = decoding.debts(summary)
    overdue = [debt for debt in debts if debt.overdue_s(now_s) > 0]
    by_age: dict[str, list[float]] = {name: [] for name in _AGES}
    for debt in debts:
        by_age[next(name for name, days in _AGES.items() if debt.overdue_s(now_s) <= days * DAY_S)].append(debt.amount)
    since_s, status = moment_s(parameters.since), given(parameters.status)
    shown = [each for each in invoices if status in (None, each["status"]) and _date_s(each) >= since_s]
    return shown[: given(parameters.limit)], {
        "total_invoices": len(invoices),
        "overdue_count": len(overdue),
        "overdue_balance": money.rounded(money.total(debt.amount for debt in overdue)),
        "aging": Aging(**{name: money.rounded(money.total(amounts)) for name, amounts in by_age.items()}),
        "failed_payment_count": sum(bool(debt.failure) for debt in debts),
    }


def _date_s(invoice: Mapping[str, Any]) -> float:
    date_s = decoding.moment_s(invoice, "invoice_date")
    return -inf if date_s is None else date_s


@command("read", PdfParameters, "An invoice's PDF, in the answer or saved in state_dir; always asks the cloud.")
async def get_invoice_pdf(parameters: PdfParameters, context: Context, call: Call) -> InvoicePdf:
    org_id = context.policy.org_in_scope(parameters.org_id)
    save_as, config = given(parameters.save_as), context.config
    pdf = InlinePdf(config.max_pdf_bytes) if save_as is None else SavedPdf(context.disk, config.state_dir, save_as)
    async with pdf:
        await context.gateway.stream_invoice_pdf(parameters.invoice_id, org_id, call.deadline, pdf)
        content = await pdf.finish()
    facts = provenance([Reading({}, context.now())])
    return InvoicePdf(invoice_id=parameters.invoice_id, org_id=org_id, **content, **facts)


@command("notify", EmailParameters, "Have Viam tell a customer's owners that a payment is due, once in 24 hours.")
async def send_payment_required_email(
    parameters: EmailParameters, context: Context, call: Call
) -> SentEmail | DryRunAnswer:
    customer = parameters.customer_org_id
    context.policy.check_org(customer)
    owner = given(parameters.billing_owner_org_id) or context.policy.own_org()
    if owner != context.config.org_id:
        context.policy.check_org(owner)
    await context.email_cooldown.check(customer)
    ids = {"customer_org_id": customer, "billing_owner_org_id": owner}
    if parameters.dry_run:
        await context.gateway.get_org_billing_information(owner, call.deadline)
        return DryRunAnswer(dry_run=True, would_send=ids)
    try:  # a read first: a cloud that is away, or an expired login, must not start the cooldown
        await context.gateway.get_available_billing_tiers(call.deadline)
    except (CloudAwayError, KeyRejectedError, NotConfiguredError):
        raise
    except BillingError:
        pass  # it answered
    await context.begin(call)
    await context.email_cooldown.check(customer, begin=True)
    try:
        await context.gateway.send_payment_required_email(customer, owner, call.deadline)
    except BillingError as error:
        if error.outcome is Outcome.REFUSED:
            await context.email_cooldown.end(customer)
        raise
    return SentEmail(customer_org_id=customer, billing_owner_org_id=owner, sent=True)
