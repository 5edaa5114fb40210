"""How the cost went: `history`, `compare`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from functools import partial
from typing import Annotated, Final, Literal

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask
from viam_billing_client.cli.output import Row, View
from viam_billing_client.cli.page import Column, Page, count, day, dollars, moment, month
from viam_billing_client.cli.parameters import Location, MaxAge, Org, Since, Until, in_order, one_of
from viam_billing_client.cli.usage import age, costs

app: Final = typer.Typer()


@app.command(epilog="Example: viam-billing history --since 2026-11-01 --step day")
def history(  # noqa: PLR0913 - the command's parameters
    ctx: typer.Context,
    *,
    location: Location = None,
    org: Org = None,
    since: Since = None,
    until: Until = None,
    step: Annotated[Literal["hour", "day", "month"], typer.Option(help="What a row is about.")] = "day",
    by_type: Annotated[bool, typer.Option("--by-type", help="Also by kind of usage.")] = False,
    max_age: MaxAge = None,
) -> None:
    """How the cost went by hour, day or month, oldest first, as the machine has seen it in the last 13 months."""
    one_of(location, org)
    in_order(since, until)
    ask(
        ctx.obj,
        "get_usage_history",
        replace(HISTORY, lines=partial(_history_lines, step=step)),
        location_id=location,
        org_id=org,
        since=since,
        until=until,
        step=step,
        by="type" if by_type else None,
        max_age_s=max_age,
    )


@app.command(epilog="Example: viam-billing compare --location wh1north01")
def compare(ctx: typer.Context, location: Location = None, org: Org = None, max_age: MaxAge = None) -> None:
    """This month against the one before at the same point, and what changed most."""
    one_of(location, org)
    ask(ctx.obj, "compare_usage", COMPARISON, location_id=location, org_id=org, max_age_s=max_age)


def _history_rows(answer: answers.UsageHistory) -> Iterator[Row]:
    for point in answer.points:
        kinds = {f"cost_{name}": cost for name, cost in sorted((point.delta_by_type or {}).items())}
        yield {
            "location_id": answer.location_id,
            "org_id": answer.org_id,
            "time": point.time,
            "month_to_date": point.month_to_date,
            "delta": point.delta,
            **kinds,
        }


def _history_lines(answer: answers.UsageHistory, page: Page, *, step: str) -> Iterator[str]:
    whose = f"Location {answer.location_id}, paid by organization" if answer.location_id else "Organization"
    yield from page.wrapped(f"{whose} {answer.org_id}")
    when = {"hour": moment, "day": day, "month": month}[step]
    width = len(when(datetime.now(timezone.utc)))
    if answer.points:
        yield from page.wrapped(f"All {count(len(answer.points), step)} recorded in this time, oldest first")
        yield page.styled(f"{step:{width}} {'cost':>11} {'month so far':>13}", "bold")
    else:
        yield from page.wrapped("None: no figures were recorded in this time. One is recorded each time usage is read.")
    deltas = [point.delta or Decimal() for point in answer.points]
    largest = max([abs(each) for each in deltas], default=Decimal())
    beside = width + 28
    for point, delta in zip(answer.points, deltas, strict=True):
        bar = (
            page.bar(float(abs(delta) / largest), page.bar_width(beside), "green" if delta < 0 else "blue")
            if largest
            else ""
        )
        cost = dollars(point.delta) or "not known"
        yield f"{when(point.time)} {cost:>11} {dollars(point.month_to_date):>13}  {bar}".rstrip()
    if answer.points:
        yield from page.wrapped(
            f"As of {moment(answer.points[-1].time)} UTC, when the last figure was recorded.", "dim"
        )
    by_type: dict[str, Decimal] = {}
    for point in answer.points:
        for name, of_type in (point.delta_by_type or {}).items():
            by_type[name] = by_type.get(name, Decimal()) + of_type
    if by_type:
        yield "All of these by kind of usage:"
        yield from costs(by_type, page)
    if answer.stale:
        yield from age(answer, page)


def _history_summary(answer: answers.UsageHistory) -> Row:
    known = [point.delta for point in answer.points if point.delta is not None]
    last = answer.points[-1] if answer.points else None
    return {
        "org": answer.org_id,
        "rows": len(answer.points),
        "cost": sum(known, Decimal()) if known else None,
        "month to date": last.month_to_date if last else None,
    }


def _comparison_rows(answer: answers.UsageComparison) -> Iterator[Row]:
    shared = {"location_id": answer.location_id, "org_id": answer.org_id or answer.billing_organization_id}
    when = {"as_of": answer.as_of, "stale": answer.stale}
    yield {
        **shared,
        "type": "all",
        "now": answer.month_to_date,
        "before": answer.previous_month_to_date,
        "change": answer.change,
        "change_fraction": answer.change_fraction,
        "previous_total": answer.previous_total,
        **when,
    }
    for each in answer.by_type:
        yield {**shared, "type": each.type, "now": each.now, "before": each.before, "change": each.change, **when}


def _comparison_lines(answer: answers.UsageComparison, page: Page) -> Iterator[str]:
    rows = [("all", answer.month_to_date, answer.previous_month_to_date, answer.change)]
    rows += [(each.type, each.now, each.before, each.change) for each in answer.by_type]
    columns = [Column("kind of usage"), *(Column(each, right=True) for each in ("now", "before", "change"))]
    cells = [[name, dollars(now), dollars(before), dollars(change)] for name, now, before, change in rows]
    colors = ["red" if change and change > 0 else "green" if change else None for *_, change in rows]
    yield from page.table(columns, cells, colors)
    if answer.change_fraction is not None:
        yield from page.wrapped(f"A change of {answer.change_fraction:+.1%} against the same time of the month before.")
    if answer.previous_total is not None:
        yield f"The month before came to {dollars(answer.previous_total)}."
    yield from age(answer, page)


def _comparison_summary(answer: answers.UsageComparison) -> Row:
    return {
        "now": answer.month_to_date,
        "before": answer.previous_month_to_date,
        "change": answer.change,
    }


HISTORY: Final = View(
    "UsageHistory",
    ("location_id", "org_id", "time", "month_to_date", "delta"),
    _history_rows,
    partial(_history_lines, step="day"),
    _history_summary,
)
COMPARISON: Final = View(
    "UsageComparison",
    (
        *("location_id", "org_id", "type", "now", "before", "change", "change_fraction", "previous_total"),
        *("as_of", "stale"),
    ),
    _comparison_rows,
    _comparison_lines,
    _comparison_summary,
)
