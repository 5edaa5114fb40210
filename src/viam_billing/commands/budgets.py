"""The budget: where the month and its projection stand in it, and what is newly crossed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Annotated, Final

from msgspec import UNSET, UnsetType, structs
from viam import logging

from viam_billing.audit import events
from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import Answer, Context, OrgOrLocationParameters, command
from viam_billing.commands.payers import payer_of
from viam_billing.core import money, times
from viam_billing.core.errors import NotConfiguredError, quoted
from viam_billing.core.money import Cents
from viam_billing.settings.answers import AnswerRecord, OfCloud, says, usd
from viam_billing.settings.attributes import Config
from viam_billing.settings.records import given
from viam_billing.usage import budget
from viam_billing.usage.budget import Standing, Status
from viam_billing.usage.month import month_of

LOGGER: Final = logging.getLogger(__name__)

FEWEST_DAYS: Final = 5
"""Days of history from which a projection is believed that its own `low` does not bear out."""


Used = Annotated[float, says("The part of the budget that is used: 1 is all of it, and more is above it")]
Projected = Annotated[Status, says("What status would be at the projection's total")]


class BudgetStanding(AnswerRecord, frozen=True, kw_only=True):
    """The field `budget` of an answer."""

    status: Annotated[Status, says("ok; warning from the lowest threshold on; exceeded once all of the budget is used")]
    monthly_budget: Annotated[float, usd("The attribute budget")]
    used_fraction: Used
    projected_status: Projected | UnsetType = UNSET


class BudgetCheck(OfCloud, frozen=True, kw_only=True):
    """The answer of `check_budget`. A threshold is a part of the budget: 0.5 is half of it, 1 all of it."""

    org_id: Annotated[str, says("The organization, where one was asked for")] | UnsetType = UNSET
    location_id: Annotated[str, says("The location, where no organization was asked for")] | UnsetType = UNSET
    billing_organization_id: Annotated[str, says("The organization that pays for the location")] | UnsetType = UNSET
    month_to_date: Annotated[float, usd("What the month has cost so far")]
    status: Annotated[Status, says("ok; warning from the lowest threshold on; exceeded once all of the budget is used")]
    monthly_budget: Annotated[float, usd("The attribute budget")]
    used_fraction: Used
    projected_status: Projected | UnsetType = UNSET
    thresholds_crossed: Annotated[list[float], says("The parts of the budget that are used, of warn_at and 1")]
    newly_crossed: Annotated[list[float], says("Those of them that no check of this month has told")]
    projected_thresholds_crossed: Annotated[list[float], says("The parts that the projection's total reaches")]
    newly_projected: Annotated[list[float], says("Those of them not reached yet that no check of this month has told")]


@command("read", OrgOrLocationParameters, "Where the month stands in the budget; which thresholds are newly crossed.")
async def check_budget(parameters: OrgOrLocationParameters, context: Context, call: Call) -> BudgetCheck:
    config, max_age_s = context.config, given(parameters.max_age_s)
    readings: list[Reading] = []
    whose: Answer
    if parameters.org_id is UNSET:
        location_id = context.policy.location_in_scope(parameters.location_id)
    else:
        org_id = context.policy.org_in_scope(parameters.org_id)
        whose = {"org_id": org_id}
    if config.monthly_budget is None:
        raise NotConfiguredError('no budget is known. Set the attribute budget, such as {"monthly": 500}.')
    if parameters.org_id is UNSET:
        payer, org_id = await payer_of(context, location_id, call, max_age_s)
        readings.append(payer)
        whose = {"location_id": location_id, "billing_organization_id": org_id}
    usage = await context.reads.usage(org_id, call, max_age_s)
    readings.append(usage)
    standing = _standing(config.monthly_budget, config, usage)
    newly: list[float] = []
    newly_projected: list[float] = []
    if not any(reading.stale_reason for reading in readings):
        # A crossing is reported once, so a caller that disconnects now must not prevent the warning.
        newly, newly_projected = await asyncio.shield(_newly(context, org_id, usage, config.monthly_budget))
    return BudgetCheck(
        **whose,
        **structs.asdict(_block(config.monthly_budget, config, usage)),
        month_to_date=decoding.month_to_date(usage.value),
        thresholds_crossed=standing.crossed,
        newly_crossed=newly,
        projected_thresholds_crossed=standing.projected,
        newly_projected=newly_projected,
        **provenance(readings),
    )


def budget_block(config: Config, usage: Reading) -> BudgetStanding | UnsetType:
    """The field `budget` of an answer; none where no budget is configured."""
    return UNSET if config.monthly_budget is None else _block(config.monthly_budget, config, usage)


def _block(monthly: Cents, config: Config, usage: Reading) -> BudgetStanding:
    cost, total = _cost(usage), _projected(usage, "total")
    return BudgetStanding(
        status=budget.status(cost, monthly, config.warn_at),
        monthly_budget=money.to_dollars(monthly),
        used_fraction=budget.used_fraction(cost, monthly),
        projected_status=UNSET if total is None else budget.status(total, monthly, config.warn_at),
    )


async def note_alerts(context: Context, org_id: str, usage: Reading) -> None:
    """Have it alerted, once each, which thresholds a fresh answer crosses."""
    monthly = context.config.monthly_budget
    if context.alerts is not None and monthly is not None and usage.stale_reason is None:
        standing = _standing(monthly, context.config, usage)
        figures = _figures(org_id, usage, monthly)
        context.alerts.note(events.thresholds(figures, standing.crossed, await _ahead(context, org_id, standing)))


async def _newly(context: Context, org_id: str, usage: Reading, monthly: Cents) -> tuple[list[float], list[float]]:
    """The thresholds that no earlier check of this month has found crossed, or projected to be; logs each."""
    standing, figures = _standing(monthly, context.config, usage), _figures(org_id, usage, monthly)
    month_s = figures.month_start_s
    newly = await context.crossed.newly(org_id, month_s, monthly, standing.crossed)
    for threshold in newly:
        LOGGER.warning(
            "the budget's threshold %g is crossed: the organization %s has cost %.2f dollars this month, %.1f %% of "
            "the budget, %.2f",
            threshold,
            quoted(org_id),
            figures.cost,
            100 * figures.cost / figures.monthly,
            figures.monthly,
        )
    ahead = await _ahead(context, org_id, standing)
    newly_projected = await context.crossed.newly(org_id, month_s, monthly, ahead, projected=True)
    for threshold in newly_projected:
        LOGGER.warning(
            "the budget's threshold %g is projected to be crossed: the organization %s will cost about %.2f dollars "
            "this month, %.1f %% of the budget, %.2f",
            threshold,
            quoted(org_id),
            figures.projected,
            100 * figures.projected / figures.monthly,
            figures.monthly,
        )
    if context.alerts is not None:
        context.alerts.note(events.thresholds(figures, standing.crossed, ahead))
    return newly, newly_projected


async def _ahead(context: Context, org_id: str, standing: Standing) -> list[float]:
    """The thresholds that the projection reaches, as far as it is no accident of the first days."""
    sure = [threshold for threshold in standing.ahead if threshold in standing.certain]
    if sure != standing.ahead and await context.crossed.days_seen(org_id) >= FEWEST_DAYS:
        return standing.ahead
    return sure


def _standing(monthly: Cents, config: Config, usage: Reading) -> Standing:
    costs = (_cost(usage), _projected(usage, "total"), _projected(usage, "low"))
    return Standing(*(budget.crossed(cost, monthly, config.warn_at) for cost in costs))


def _figures(org_id: str, usage: Reading, monthly: Cents) -> events.BudgetFigures:
    start_s = month_of(usage.value, usage.as_of_s).start_s
    return events.BudgetFigures(
        org_id,
        times.month_start_s(usage.as_of_s) if start_s is None else start_s,
        decoding.month_to_date(usage.value),
        money.to_dollars(_projected(usage, "total") or 0),
        money.to_dollars(monthly),
    )


def _cost(usage: Reading) -> Cents:
    return money.to_cents(decoding.subtotal(usage.value))


def _projected(usage: Reading, name: str) -> Cents | None:
    dollars = usage.value.get("projection", {}).get(name)
    return None if dollars is None else money.to_cents(Decimal(repr(dollars)))
