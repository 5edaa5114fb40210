"""Charges an organization, at most once for each idempotency key: `charge`.

A retry is safe because it has the same key: a person sees the key before anything is sent, a program has to give it.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Annotated, Final

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask_all, ask_one, exit_code, leave, one_place, say_failure
from viam_billing_client.cli.failures import after_charge, repeat
from viam_billing_client.cli.journal import FOUND, MADE
from viam_billing_client.cli.messages import on_terminal, plain, say
from viam_billing_client.cli.output import View, fields, write
from viam_billing_client.cli.page import Page, dollars
from viam_billing_client.cli.parameters import Yes, id_of, price_of, tax_of

app: Final = typer.Typer()
_CHARGE_S: Final = 90.0
_DECLINED: Final = 2
_SENT: Final = (
    *("org_id_to_charge", "subtotal", "tax", "description", "org_id_for_branding", "disable_confirmation_email"),
)


@app.command(epilog="Example: viam-billing charge --org ORG-ID --subtotal 12.50 --key visit-4711")
def charge(  # noqa: PLR0913 - the command's parameters
    ctx: typer.Context,
    *,
    org: Annotated[str, typer.Option("--org", metavar="ID", parser=id_of, help="The organization to charge.")],
    subtotal: Annotated[Decimal, typer.Option(metavar="DOLLARS", parser=price_of, help="Without tax.")],
    tax: Annotated[Decimal | None, typer.Option(metavar="DOLLARS", parser=tax_of, help="The tax on it.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What the invoice says.")] = None,
    branding_org: Annotated[
        str | None, typer.Option(metavar="ID", parser=id_of, help="Whose name the invoice bears.")
    ] = None,
    no_email: Annotated[bool, typer.Option("--no-email", help="Without the e-mail that confirms it.")] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", parser=id_of, help="The idempotency key. Off a terminal it is required."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, send nothing.")] = False,
    yes: Yes = False,
) -> None:
    """Charge an organization, at most once for each --key, which can be repeated after any error."""
    if key is None and not on_terminal():
        raise typer.BadParameter("off a terminal a charge needs --key: the same one when it is tried again.")
    demand_yes(yes=yes or dry_run)
    chosen_key = key or f"cli-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    request = {
        "command": "charge_organization",
        "org_id_to_charge": org,
        "subtotal": subtotal,
        "tax": tax,
        "description": description,
        "org_id_for_branding": branding_org,
        "disable_confirmation_email": no_email or None,
        "idempotency_key": chosen_key,
    }
    with one_place(ctx.obj) as place:
        if dry_run or not yes:
            tried = ask_one(ctx.obj, place, {**request, "dry_run": True}, "DryRun", _CHARGE_S)
            if not tried.record.would_send and not (dry_run and ctx.obj.output != "table"):
                say(
                    f"the idempotency key {chosen_key} has been used for this charge before: nothing was sent. "
                    "This is known of it:"
                )
                found = {"command": "get_charge", "idempotency_key": chosen_key}
                write([ask_one(ctx.obj, place, found, "ChargeFound")], FOUND, ctx.obj.output)
                return
        if dry_run:
            write([tried], DRY_RUN, ctx.obj.output)
            return
        say(f"idempotency key: {chosen_key}")
        if not yes:
            total = dollars(subtotal + (tax or Decimal()))
            demand_consent(f"Charge {org} {total}{', tax included,' if tax else ''} from {place.name}?")
        try:
            (outcome,) = ask_all(ctx.obj, [place], request, "ChargeMade", _CHARGE_S, slow=False)
        except (KeyboardInterrupt, SystemExit):
            say(repeat(chosen_key))
            raise
        if outcome.error is not None:
            say_failure(outcome, after_charge(*outcome.error, chosen_key))
            leave(exit_code([outcome]))
        try:
            write([outcome], MADE, ctx.obj.output)
        except OSError:  # a full disk: the charge was made, and nobody has seen its answer
            say(repeat(chosen_key))
            raise


def demand_yes(*, yes: bool) -> None:
    """Nobody can be asked off a terminal. Raises: typer.BadParameter."""
    if not yes and not on_terminal():
        raise typer.BadParameter("off a terminal, where nobody can be asked, this needs --yes.")


def demand_consent(question: str) -> None:
    """Ask the person at the terminal. Raises: typer.Exit, unless they say yes."""
    sys.stderr.write(f"{plain(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        say("nothing was done.")
        leave(_DECLINED)


def _dry_run_row(answer: answers.DryRun) -> dict[str, object]:
    sent = {name: answer.would_send.get(name) for name in _SENT}
    amounts = {name: Decimal(str(sent[name])) for name in ("subtotal", "tax") if sent[name] is not None}
    return {**sent, **amounts, "reconcilable": answer.reconcilable}


def _dry_run_lines(answer: answers.DryRun, page: Page) -> Iterator[str]:
    yield from page.wrapped("A dry run: nothing was sent. This would be charged:")
    yield from fields(_dry_run_row(answer), page)
    if answer.reconcilable is False:
        yield from page.wrapped("The invoices cannot be read: a charge whose answer is lost stays unknown.", "yellow")


DRY_RUN: Final = View(
    "DryRun", (*_SENT, "reconcilable"), lambda answer: [_dry_run_row(answer)], _dry_run_lines, _dry_run_row
)
