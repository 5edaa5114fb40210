"""What is to be paid: `invoices`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask
from viam_billing_client.cli.output import Row, View
from viam_billing_client.cli.page import Column, Page, count, day, dollars
from viam_billing_client.cli.parameters import Limit, MaxAge, Org, Since
from viam_billing_client.cli.usage import age

app: Final = typer.Typer()
_AGES: Final = {
    "not_due": "not yet due",
    "days_1_30": "1 to 30 days",
    "days_31_60": "31 to 60 days",
    "days_61_90": "61 to 90 days",
    "over_90": "over 90 days",
}


@app.command(epilog="Example: viam-billing invoices --status outstanding --limit 10")
def invoices(
    ctx: typer.Context,
    *,
    org: Org = None,
    status: Annotated[
        Literal["outstanding", "paid", "payment_processing"] | None, typer.Option(help="Only these.")
    ] = None,
    since: Since = None,
    limit: Limit = None,
    max_age: MaxAge = None,
) -> None:
    """An organization's invoices, newest first, what is open and what is overdue."""
    ask(
        ctx.obj,
        "get_invoices_summary",
        INVOICES,
        org_id=org,
        status=status,
        since=since,
        limit=limit,
        max_age_s=max_age,
    )


def _invoice_rows(answer: answers.InvoicesSummary) -> Iterator[Row]:
    for each in answer.invoices:
        yield {
            "org_id": answer.org_id,
            "id": each.id,
            "invoice_date": each.invoice_date,
            "due_date": each.due_date,
            "paid_date": each.paid_date,
            "invoice_amount": each.invoice_amount,
            "status": each.status,
            "last_payment_failure_reason": each.last_payment_failure_reason,
            "as_of": answer.as_of,
            "stale": answer.stale,
        }


def _invoice_lines(answer: answers.InvoicesSummary, page: Page) -> Iterator[str]:
    columns = [Column("invoice"), Column("date"), Column("due"), Column("amount", right=True), Column("status")]
    columns.append(Column("payment failed"))
    rows = []
    for each in answer.invoices:
        dates = day(each.invoice_date), day(each.due_date)
        failed = each.last_payment_failure_reason or ""
        rows.append([each.id, *dates, dollars(each.invoice_amount), each.status, failed])
    styles = ["yellow" if each.status == "outstanding" else None for each in answer.invoices]
    yield from page.table(columns, rows, styles, none="No invoices.")
    yield ""
    shown = f"{len(rows)} of {count(answer.total_invoices, 'invoice')} shown"
    yield from page.wrapped(f"Outstanding {dollars(answer.outstanding_balance)}; {shown}")
    if answer.overdue_count:
        overdue = count(answer.overdue_count, "invoice")
        yield from page.wrapped(f"Overdue {dollars(answer.overdue_balance)} in {overdue}", "red")
        ages = ((words, getattr(answer.aging, name)) for name, words in _AGES.items())
        yield from page.wrapped(", ".join(f"{words}: {dollars(cost)}" for words, cost in ages if cost))
    if answer.failed_payment_count:
        yield from page.wrapped(f"Payments failed: {answer.failed_payment_count}", "red")
    yield from age(answer, page)


def _invoice_summary(answer: answers.InvoicesSummary) -> Row:
    return {
        "outstanding": answer.outstanding_balance,
        "overdue": answer.overdue_balance,
        "failed": answer.failed_payment_count,
    }


INVOICES: Final = View(
    "InvoicesSummary",
    (
        "org_id",
        "id",
        "invoice_date",
        "due_date",
        "paid_date",
        "invoice_amount",
        "status",
        "last_payment_failure_reason",
        "as_of",
        "stale",
    ),
    _invoice_rows,
    _invoice_lines,
    _invoice_summary,
)
