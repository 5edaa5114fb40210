"""The commands about this month: what an organization has cost, and where it stands in its budget."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from msgspec import UNSET
from viam import logging

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import (
    Answer,
    Context,
    LocationReadParameters,
    OrgOrLocationParameters,
    OrgReadParameters,
    command,
)
from viam_billing.commands.payers import payer_of
from viam_billing.core import money, times
from viam_billing.core.errors import NotConfiguredError, quoted
from viam_billing.settings.attributes import Config
from viam_billing.settings.records import given
from viam_billing.usage import budget
from viam_billing.usage.month import month_of

LOGGER: Final = logging.getLogger(__name__)


@command("read", OrgReadParameters, "What an organization has cost this month by type, and an estimate of its total.")
async def get_current_month_usage(parameters: OrgReadParameters, context: Context, call: Call) -> Answer:
    org_id = context.policy.org_in_scope(parameters.org_id)
    usage = await context.reads.usage(org_id, call, given(parameters.max_age_s))
    return {**usage.value, "org_id": org_id, "cost_by_type": decoding.cost_by_type(usage.value), **provenance([usage])}


@command("read", LocationReadParameters, "Who pays for a location and what that organization has cost this month.")
async def get_location_usage(parameters: LocationReadParameters, context: Context, call: Call) -> Answer:
    """An organization that is out of scope itself may be read through a location that it pays for."""
    location_id = context.policy.location_in_scope(parameters.location_id)
    max_age_s = given(parameters.max_age_s)
    payer, org_id = await payer_of(context, location_id, call, max_age_s)
    usage = await context.reads.usage(org_id, call, max_age_s)
    return {
        "location_id": location_id,
        "billing_organization_id": org_id,
        "month_to_date": decoding.month_to_date(usage.value),
        "cost_by_type": decoding.cost_by_type(usage.value),
        **{name: usage.value[name] for name in ("projection", "start_date", "end_date") if name in usage.value},
        **_budget_block(context.config, usage),
        **provenance([payer, usage]),
    }


@command("read", OrgOrLocationParameters, "Where the month stands in the budget; which thresholds are newly crossed.")
async def check_budget(parameters: OrgOrLocationParameters, context: Context, call: Call) -> Answer:
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
    thresholds = budget.crossed(_cost(usage), config.monthly_budget, config.warn_at)
    newly: list[float] = []
    if not any(reading.stale_reason for reading in readings):
        # A crossing is reported once, so a caller that disconnects now must not prevent the warning.
        newly = await asyncio.shield(_newly_crossed(context, org_id, usage, config.monthly_budget, thresholds))
    return {
        **whose,
        "month_to_date": decoding.month_to_date(usage.value),
        **_budget_block(config, usage)["budget"],
        "thresholds_crossed": thresholds,
        "newly_crossed": newly,
        **provenance(readings),
    }


def _budget_block(config: Config, usage: Reading) -> Answer:
    """The field `budget` of an answer; nothing where no budget is configured."""
    monthly, warn_at = config.monthly_budget, config.warn_at
    if monthly is None:
        return {}
    cost = _cost(usage)
    block: Answer = {
        "status": budget.status(cost, monthly, warn_at),
        "monthly_budget": money.to_dollars(monthly),
        "used_fraction": budget.used_fraction(cost, monthly),
    }
    projection = usage.value.get("projection")
    if projection is not None:
        total = money.to_cents(Decimal(repr(projection["total"])))
        block["projected_status"] = budget.status(total, monthly, warn_at)
    return {"budget": block}


def _cost(usage: Reading) -> money.Cents:
    return money.to_cents(decoding.subtotal(usage.value))


async def _newly_crossed(
    context: Context, org_id: str, usage: Reading, monthly: money.Cents, thresholds: list[float]
) -> list[float]:
    """The thresholds that no earlier check of this month has found crossed; logs each."""
    start_s = month_of(usage.value, usage.as_of_s).start_s
    month_start_s = times.month_start_s(usage.as_of_s) if start_s is None else start_s
    newly = await context.crossed.newly(org_id, month_start_s, monthly, thresholds)
    for threshold in newly:
        LOGGER.warning(
            "the budget's threshold %g is crossed: the organization %s has cost %.2f dollars this month, %.1f %% of "
            "the budget, %.2f",
            threshold,
            quoted(org_id),
            decoding.month_to_date(usage.value),
            100 * budget.used_fraction(_cost(usage), monthly),
            money.to_dollars(monthly),
        )
    return newly
