"""What it costs now: `usage`, `budget`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask
from viam_billing_client.cli.messages import plain
from viam_billing_client.cli.output import Row, View
from viam_billing_client.cli.page import STATUS, Page, dollars, moment, percent
from viam_billing_client.cli.parameters import Location, MaxAge, Org, one_of

app: Final = typer.Typer()
_EXIT: Final = {"ok": 0, "warning": 10, "exceeded": 11}


@app.command(epilog="Example: viam-billing usage --location wh1north01")
def usage(ctx: typer.Context, location: Location = None, max_age: MaxAge = None) -> None:
    """Who pays for a location, and what that organization has cost this month."""
    ask(ctx.obj, "get_location_usage", USAGE, location_id=location, max_age_s=max_age)


@app.command(epilog="Example: viam-billing budget && echo all is well")
def budget(ctx: typer.Context, location: Location = None, org: Org = None, max_age: MaxAge = None) -> None:
    """Where the month stands in the budget. Exit code 10 at a warning, 11 where it is exceeded.

    The service reports each threshold as newly crossed once a month, to whoever asks first: what this command shows as
    new is new to nobody else.
    """
    one_of(location, org)
    ask(ctx.obj, "check_budget", BUDGET, location_id=location, org_id=org, max_age_s=max_age)


def age(answer: answers.CloudAnswer | answers.UsageHistory | answers.ChargeFound, page: Page) -> Iterator[str]:
    """A line that says how old the figures are, loudly where the cloud is away."""
    if answer.stale:
        reason = f"STALE ({answer.stale_reason}): the cloud could not be asked, this is of {moment(answer.as_of)} UTC."
        yield from page.wrapped(reason, "yellow")
    elif answer.as_of is not None:
        yield from page.wrapped(f"As of {moment(answer.as_of)} UTC.", "dim")


def projected(projection: answers.Projection | None) -> Row:
    """A projection's columns."""
    if projection is None:
        return {"projected_total": None, "projected_low": None, "projected_high": None}
    low, high = projection.low, projection.high
    return {"projected_total": projection.total, "projected_low": low, "projected_high": high}


def costs(of: Mapping[str, Decimal], page: Page) -> Iterator[str]:
    """A line with a bar for each kind of usage, the largest cost first."""
    ordered = sorted(of.items(), key=lambda kind: -kind[1])
    largest = max((cost for _, cost in ordered), default=Decimal())
    names, amounts = max(map(len, of), default=0), max((len(dollars(each)) for each in of.values()), default=0)
    width = page.bar_width(names + amounts + 6)
    for name, cost in ordered:
        bar = page.bar(float(cost / largest), width) if largest > 0 else ""
        yield f"  {plain(name):{names}}  {dollars(cost):>{amounts}}  {bar}".rstrip()


def _usage_row(answer: answers.LocationUsage) -> dict[str, object]:
    budget_now = answer.budget
    return {
        "location_id": answer.location_id,
        "billing_organization_id": answer.billing_organization_id,
        "month_to_date": answer.month_to_date,
        **projected(answer.projection),
        "budget_status": budget_now.status if budget_now else None,
        "monthly_budget": budget_now.monthly_budget if budget_now else None,
        "used_fraction": budget_now.used_fraction if budget_now else None,
        "start_date": answer.start_date,
        "end_date": answer.end_date,
        "as_of": answer.as_of,
        "stale": answer.stale,
        **{f"cost_{name}": cost for name, cost in sorted(answer.cost_by_type.items())},
    }


def _usage_lines(answer: answers.LocationUsage, page: Page) -> Iterator[str]:
    yield from page.wrapped(f"Location {answer.location_id}, paid by {answer.billing_organization_id}")
    yield f"{'This month so far':22}{page.styled(f'{dollars(answer.month_to_date):>14}', 'bold')}"
    if answer.projection is not None:
        yield f"{'The whole month, about':22}{dollars(answer.projection.total):>14}"
        if answer.projection.low is not None and answer.projection.high is not None:
            band = f"{dollars(answer.projection.low)} to {dollars(answer.projection.high)}"
            yield from page.wrapped(f"in 8 of 10 months {band}", "dim")
    if answer.budget is not None:
        yield from _budget_bar(answer.budget, page)
    yield from costs(answer.cost_by_type, page)
    yield from age(answer, page)


def _budget_bar(of: answers.Budget | answers.BudgetCheck, page: Page) -> Iterator[str]:
    words = f" {percent(of.used_fraction)} of {dollars(of.monthly_budget)}: {of.status}"
    bar = page.bar(of.used_fraction, page.bar_width(len(words) + 8), STATUS.get(of.status), filled=True)
    yield f"Budget  {bar}{plain(words)}"


def _budget_row(answer: answers.BudgetCheck) -> dict[str, object]:
    names = ("status", "month_to_date", "monthly_budget", "used_fraction", "projected_status", "thresholds_crossed")
    more = ("newly_crossed", "projected_thresholds_crossed", "newly_projected", "as_of", "stale")
    org_id = answer.org_id or answer.billing_organization_id
    return {
        "location_id": answer.location_id,
        "org_id": org_id,
        **{each: getattr(answer, each) for each in names + more},
    }


def _budget_lines(answer: answers.BudgetCheck, page: Page) -> Iterator[str]:
    yield from _budget_bar(answer, page)
    yield f"So far {dollars(answer.month_to_date)} of {dollars(answer.monthly_budget)}"
    if answer.projected_status is not None:
        yield from page.wrapped(f"At the month's end: {answer.projected_status}", STATUS.get(answer.projected_status))
    for words, parts in (("Crossed", answer.thresholds_crossed), ("Newly crossed", answer.newly_crossed)):
        if parts:
            yield f"{words}: {', '.join(percent(each) for each in parts)}"
    yield from age(answer, page)


def _usage_summary(answer: answers.LocationUsage) -> Row:
    return {
        "so far": answer.month_to_date,
        "whole month": answer.projection.total if answer.projection else None,
        "budget": answer.budget.status if answer.budget else None,
        **_if_stale(answer),
    }


def _budget_summary(answer: answers.BudgetCheck) -> Row:
    return {
        "status": answer.status,
        "so far": answer.month_to_date,
        "budget": answer.monthly_budget,
        "used": percent(answer.used_fraction),
        **_if_stale(answer),
    }


def _if_stale(answer: answers.CloudAnswer) -> Row:
    """A column that is there only where it says something."""
    return {"stale": True} if answer.stale else {}


USAGE: Final = View(
    "LocationUsage",
    (
        *("location_id", "billing_organization_id", "month_to_date", "projected_total", "projected_low"),
        *(
            "projected_high",
            "budget_status",
            "monthly_budget",
            "used_fraction",
            "start_date",
            "end_date",
            "as_of",
            "stale",
        ),
    ),
    lambda answer: [_usage_row(answer)],
    _usage_lines,
    _usage_summary,
)
BUDGET: Final = View(
    "BudgetCheck",
    (
        *("location_id", "org_id", "status", "month_to_date", "monthly_budget", "used_fraction", "projected_status"),
        *("thresholds_crossed", "newly_crossed", "projected_thresholds_crossed", "newly_projected", "as_of", "stale"),
    ),
    lambda answer: [_budget_row(answer)],
    _budget_lines,
    _budget_summary,
    lambda answer: _EXIT.get(answer.status, 0),
)
