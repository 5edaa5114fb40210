"""What the locations of a fleet cost: `fleet`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask
from viam_billing_client.cli.output import Row, View, incomplete
from viam_billing_client.cli.page import Column, Page, count, dollars
from viam_billing_client.cli.parameters import MaxAge, Org, id_of
from viam_billing_client.cli.usage import age, projected

app: Final = typer.Typer()
_FLEET_S: Final = 120.0


@app.command(epilog="Example: viam-billing fleet --locations --output csv > fleet.csv")
def fleet(
    ctx: typer.Context,
    *,
    org: Org = None,
    location: Annotated[
        list[str] | None,
        typer.Option("--location", metavar="ID", parser=id_of, help="Only this location; can be repeated."),
    ] = None,
    locations: Annotated[bool, typer.Option("--locations", help="A row for each location, not each payer.")] = False,
    max_age: MaxAge = None,
) -> None:
    """What the locations of a fleet cost this month, by the organization that pays."""
    view = BY_LOCATION if locations else BY_PAYER
    ask(
        ctx.obj,
        "get_fleet_usage",
        view,
        timeout_s=_FLEET_S,
        org_id=org,
        location_ids=location or None,
        max_age_s=max_age,
    )


def _payer_rows(answer: answers.FleetUsage) -> Iterator[Row]:
    for each in sorted(answer.organizations, key=lambda row: -(row.month_to_date or 0)):
        yield {
            "org_id": each.org_id,
            "month_to_date": each.month_to_date,
            **projected(each.projection),
            "location_count": len(each.location_ids),
            "as_of": answer.as_of,
            "stale": answer.stale,
            "error": each.error.code if each.error else None,
        }


def _location_rows(answer: answers.FleetUsage) -> Iterator[Row]:
    for each in answer.locations:
        yield {
            "location_id": each.location_id,
            "name": each.name,
            "machine_count": each.machine_count,
            "billing_organization_id": each.billing_organization_id,
            "as_of": answer.as_of,
            "stale": answer.stale,
            "error": each.error.code if each.error else None,
        }


def _payer_lines(answer: answers.FleetUsage, page: Page) -> Iterator[str]:
    columns = [Column("paid by"), Column("so far", right=True), Column("whole month", right=True)]
    columns += [Column("locations", right=True)]
    rows: list[list[str]] = []
    for row in sorted(answer.organizations, key=lambda each: -(each.month_to_date or 0)):
        so_far = row.error.code if row.error else dollars(row.month_to_date)
        total = dollars(row.projection.total) if row.projection else ""
        rows.append([row.org_id, so_far, total, str(len(row.location_ids))])
    yield from page.table(columns, rows, ["red" if row[1][:1].isalpha() else None for row in rows])
    failed = [each for each in answer.locations if each.error is not None]
    if failed:
        yield ""
        cells = [[each.location_id, each.error.code if each.error else ""] for each in failed]
        yield from page.table([Column("location"), Column("not known: why")], cells, ["red"] * len(cells))
    yield from _fleet_total(answer, page)


def _location_lines(answer: answers.FleetUsage, page: Page) -> Iterator[str]:
    columns = [Column("location"), Column("name", name=True), Column("machines", right=True), Column("paid by")]
    rows: list[list[str]] = []
    for each in answer.locations:
        machines = "" if each.machine_count is None else str(each.machine_count)
        payer = each.error.code if each.error else each.billing_organization_id or ""
        rows.append([each.location_id, each.name or "", machines, payer])
    yield from page.table(columns, rows, ["red" if each.error else None for each in answer.locations])
    yield from _fleet_total(answer, page)


def _fleet_total(answer: answers.FleetUsage, page: Page) -> Iterator[str]:
    yield ""
    if answer.total_month_to_date is not None:
        words = f"{count(len(answer.locations), 'location')}, {count(len(answer.organizations), 'payer')}"
        yield from page.wrapped(f"Total so far {dollars(answer.total_month_to_date)}: {words}", "bold")
    if not answer.complete:
        yield from page.wrapped(incomplete(answer), "yellow")
    yield from age(answer, page)


def _fleet_summary(answer: answers.FleetUsage) -> Row:
    return {
        "so far": answer.total_month_to_date,
        "locations": len(answer.locations),
        "missing": answer.failed_count + (answer.out_of_scope_count or 0),
    }


BY_PAYER: Final = View(
    "FleetUsage",
    (
        *("org_id", "month_to_date", "projected_total", "projected_low", "projected_high", "location_count"),
        *("as_of", "stale", "error"),
    ),
    _payer_rows,
    _payer_lines,
    _fleet_summary,
)
BY_LOCATION: Final = View(
    "FleetUsage",
    ("location_id", "name", "machine_count", "billing_organization_id", "as_of", "stale", "error"),
    _location_rows,
    _location_lines,
    _fleet_summary,
)
