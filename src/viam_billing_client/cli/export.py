"""Writes figures in the forms of other programs: `export focus`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from viam_billing_client.cli.asking import ask_one, one_place
from viam_billing_client.cli.messages import say
from viam_billing_client.cli.output import say_doubts, write_csv
from viam_billing_client.cli.parameters import Location, Org, Since, Until, in_order, one_of

app: Final = typer.Typer()
export: Final = typer.Typer(no_args_is_help=True, help="Figures in the forms of other programs.")
app.add_typer(export, name="export")


@export.command(epilog="Example: viam-billing export focus --since 2026-11-01 --until 2026-12-01 > november.csv")
def focus(
    ctx: typer.Context,
    *,
    location: Location = None,
    org: Org = None,
    since: Since = None,
    until: Until = None,
    account_name: Annotated[str, typer.Option(metavar="TEXT", help="The organization's name in the export.")] = "",
) -> None:
    """The history by day (those that are over, in UTC) and kind of usage as FOCUS 1.0 CSV."""
    from viam_billing_client.cli.focus import COLUMNS, days_not_known, focus_rows  # noqa: PLC0415 - not for --help

    if "output" in ctx.obj.typed and ctx.obj.output != "csv":
        raise typer.BadParameter("FOCUS is CSV: leave --output out.")
    one_of(location, org)
    in_order(since, until)
    request = {
        "command": "get_usage_history",
        "location_id": location,
        "org_id": org,
        "since": since,
        "until": until,
        "step": "day",
        "by": "type",
    }
    with one_place(ctx.obj) as place:
        history = ask_one(ctx.obj, place, request, "UsageHistory").record
        rows = list(focus_rows(history, account_name, until=until))
        write_csv(COLUMNS, rows)
    say_doubts(history)
    if not rows:
        say("there are no rows: the machine has seen no whole day in this time. A day is over at midnight UTC.")
    missing = days_not_known(history, until)
    if missing:
        say(f"days left out, because their starting figures were not recorded: {missing}.")
