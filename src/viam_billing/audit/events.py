"""What is worth an alert, and its words: a budget, invoices, a charge, the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from viam_billing.charging import refusals
from viam_billing.charging.charge import Entry
from viam_billing.cloud.decoding import Debt
from viam_billing.core.errors import quoted
from viam_billing.core.times import to_rfc3339

_WHOSE: Final = "All that the organization pays for counts, in all its locations."


class Event(Struct, frozen=True):
    """Something that is told once; `name` says what it is."""

    name: str
    title: str
    body: str


class BudgetFigures(Struct, frozen=True):
    """Where an organization's month stands, in dollars; `projected` is 0 where there is no projection."""

    org_id: str
    month_start_s: float
    cost: float
    projected: float
    monthly: float


def thresholds(figures: BudgetFigures, crossed: Iterable[float], ahead: Iterable[float]) -> list[Event]:
    """An event for each threshold of a budget that is crossed, or lies ahead of the cost and within the projection."""
    org, of = quoted(figures.org_id), f"of the month's budget of {figures.monthly:.2f} dollars"
    name = f"{figures.org_id} {figures.month_start_s:.0f} {figures.monthly:.2f}"
    cost, projected = figures.cost / figures.monthly, figures.projected / figures.monthly
    return [
        Event(
            f"crossed {name} {share:g}",
            f"Viam: {share:.0%} of the budget is used",
            f"The organization {org} has cost {figures.cost:.2f} dollars this month, {cost:.1%} {of}. {_WHOSE}",
        )
        for share in crossed
    ] + [
        Event(
            f"projected {name} {share:g}",
            f"Viam: {share:.0%} of the budget will be used",
            f"The organization {org} will cost about {figures.projected:.2f} dollars by the end of the month, "
            f"{projected:.1%} {of}; it has cost {figures.cost:.2f} so far. {_WHOSE}",
        )
        for share in ahead
    ]


def invoices(org_id: str, debts: Sequence[Debt], now_s: float) -> list[Event]:
    """An event for each invoice of an organization that is overdue, and for each payment that failed."""
    org = quoted(org_id)
    return [
        Event(
            f"overdue {org_id} {debt.id}",
            "Viam: an invoice is overdue",
            f"The invoice {quoted(debt.id)} of the organization {org} over {debt.amount:.2f} dollars was due on "
            f"{to_rfc3339(debt.due_s or 0)[:10]}.",
        )
        for debt in debts
        if debt.overdue_s(now_s) > 0
    ] + [
        Event(
            f"failed {org_id} {debt.id} {debt.failed_at or debt.failure}",
            "Viam: the payment of an invoice failed",
            f"The payment of the invoice {quoted(debt.id)} of the organization {org} over {debt.amount:.2f} dollars "
            f"failed: {quoted(debt.failure)}.",
        )
        for debt in debts
        if debt.failure
    ]


def unknown_charge(entry: Entry) -> Event:
    """An attempt at a charge of which nobody knows whether it was made."""
    name = f"unknown {entry.key} {entry.attempts}"
    return Event(name, "Viam: it is not known whether a charge was made", refusals.unknown(entry).text)


def lost_journal(journal_id: str, state_dir: str) -> Event:
    """A charge journal that is gone."""
    body = (
        f"The charge journal {journal_id} in state_dir {quoted(state_dir)} is gone: nothing is charged until it is "
        "back, or is said to be lost for good. The module's log says what to do."
    )
    return Event(f"journal {journal_id}", "Viam: the charge journal is gone", body)
