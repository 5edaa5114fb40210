"""Who pays, and how: `payer`, `tiers`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask
from viam_billing_client.cli.output import View, fields
from viam_billing_client.cli.page import Page
from viam_billing_client.cli.parameters import Location, MaxAge, id_of, one_of
from viam_billing_client.cli.usage import age

app: Final = typer.Typer()
_PAYER: Final = ("location_id", "billing_organization_id", "as_of", "stale")


@app.command(epilog="Example: viam-billing payer --location wh1north01")
def payer(
    ctx: typer.Context,
    location: Location = None,
    org: Annotated[
        str | None, typer.Option("--org", metavar="ID", parser=id_of, help="How this organization pays.")
    ] = None,
    max_age: MaxAge = None,
) -> None:
    """Which organization pays for a location; with --org, how that organization pays."""
    one_of(location, org)
    if org is None:
        ask(ctx.obj, "get_location_billing_organization", PAYER, location_id=location, max_age_s=max_age)
    else:
        ask(ctx.obj, "get_org_billing_information", PAYMENT, org_id=org, max_age_s=max_age)


@app.command(epilog="Example: viam-billing tiers")
def tiers(ctx: typer.Context, max_age: MaxAge = None) -> None:
    """The billing tiers that an organization can be put on."""
    ask(ctx.obj, "get_available_billing_tiers", TIERS, max_age_s=max_age)


def _payer_row(answer: answers.LocationPayer) -> dict[str, object]:
    return {name: getattr(answer, name) for name in _PAYER}


def _payer_lines(answer: answers.LocationPayer, page: Page) -> Iterator[str]:
    payer_id = answer.billing_organization_id
    yield from page.wrapped(f"Location {answer.location_id}: {f'paid by {payer_id}' if payer_id else 'nobody pays'}")
    yield from age(answer, page)


def _payment_row(answer: answers.BillingInformation) -> dict[str, object]:
    card, bank = answer.method, answer.method_us_bank_account
    by = f"{card.brand} {card.last_four_digits}" if card else ""
    if bank is not None:
        by = f"{bank.bank_name} {bank.last_four_digits_account_number}"
    names = ("org_id", "type", "billing_email", "billing_tier", "as_of", "stale")
    return {**{name: getattr(answer, name) for name in names}, "pays_by": by or None}


def _payment_lines(answer: answers.BillingInformation, page: Page) -> Iterator[str]:
    yield from fields(_without_age(_payment_row(answer)), page)
    yield from age(answer, page)


def _tier_lines(answer: answers.BillingTiers, page: Page) -> Iterator[str]:
    for tier in answer.tiers or ("None.",):
        yield from page.wrapped(tier)
    yield from age(answer, page)


def _without_age(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in ("as_of", "stale")}


PAYER: Final = View(
    "LocationPayer",
    _PAYER,
    lambda answer: [_payer_row(answer)],
    _payer_lines,
    lambda answer: {"location": answer.location_id, "paid by": answer.billing_organization_id},
)
PAYMENT: Final = View(
    "BillingInformation",
    ("org_id", "type", "pays_by", "billing_email", "billing_tier", "as_of", "stale"),
    lambda answer: [_payment_row(answer)],
    _payment_lines,
    lambda answer: _without_age(_payment_row(answer)),
)
TIERS: Final = View(
    "BillingTiers",
    ("tier", "as_of", "stale"),
    lambda answer: [{"tier": tier, "as_of": answer.as_of, "stale": answer.stale} for tier in answer.tiers],
    _tier_lines,
    lambda answer: {"tiers": ", ".join(answer.tiers)},
)
