"""What is to be paid: `invoices`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask
from viam_billing_client.cli.output import Row, View
from viam_billing_client.cli.page import Column, Page, day, dollars
from viam_billing_client.cli.parameters import Limit, MaxAge, Org, Since
from viam_billing_client.cli.usage import age

app: Final = typer.Typer()
_AGES: Final = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90")


@app.command(epilog="Example: viam-billing invoices --status outstanding --limit 10")
def invoices(
    ctx: typer.Context,
    *,
    org: Org = None,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="Such as outstanding or paid.")] = None,
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
        }


def _invoice_lines(answer: answers.InvoicesSummary, page: Page) -> Iterator[str]:
    columns = [Column("invoice"), Column("date"), Column("due"), Column("amount", right=True), Column("status")]
    rows = []
    for each in answer.invoices:
        failed = f" ({each.last_payment_failure_reason})" if each.last_payment_failure_reason else ""
        dates = day(each.invoice_date), day(each.due_date)
        rows.append([each.id, *dates, dollars(each.invoice_amount), each.status + failed])
    yield from page.table(columns, rows, ["yellow" if row[-1].startswith("outstanding") else None for row in rows])
    yield ""
    yield from page.wrapped(
        f"Outstanding {dollars(answer.outstanding_balance)}; {len(rows)} of {answer.total_invoices} invoices shown"
    )
    if answer.overdue_count:
        yield from page.wrapped(f"Overdue {dollars(answer.overdue_balance)} in {answer.overdue_count} invoices", "red")
        ages = ((name, getattr(answer.aging, name)) for name in _AGES)
        yield from page.wrapped(", ".join(f"{name.replace('_', ' ')}: {dollars(cost)}" for name, cost in ages if cost))
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
    ),
    _invoice_rows,
    _invoice_lines,
    _invoice_summary,
)
