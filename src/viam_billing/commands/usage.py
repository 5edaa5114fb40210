"""The commands about usage: what an organization has cost this month and before, and where it stands in its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from math import inf
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType
from viam import logging

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import (
    Answer,
    Context,
    LocationReadParameters,
    Moment,
    OrgOrLocationParameters,
    OrgReadParameters,
    command,
    is_moment,
    moment_s,
)
from viam_billing.commands.payers import payer_of
from viam_billing.core import money, times
from viam_billing.core.errors import NotConfiguredError, no_state_dir, quoted
from viam_billing.core.tasks import off_loop
from viam_billing.core.times import DAY_S, HOUR_S, to_rfc3339
from viam_billing.settings.attributes import Config
from viam_billing.settings.records import given
from viam_billing.usage import budget
from viam_billing.usage.history import KEPT_S, Point, steps

LOGGER: Final = logging.getLogger(__name__)

_MANY: Final = 300


class UsageHistoryParameters(OrgOrLocationParameters, frozen=True, kw_only=True):
    """Parameters of `get_usage_history`."""

    since: Annotated[Moment, Meta(description="Only what was seen at this time or later.")] | UnsetType = UNSET
    until: Annotated[Moment, Meta(description="Only what was seen before this time.")] | UnsetType = UNSET
    step: Annotated[
        Literal["hour", "day"], Meta(title="hour or day", description="One point for each hour, or each day of UTC.")
    ] = "day"
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"since": is_moment, "until": is_moment}

    def __post_init__(self) -> None:
        if moment_s(self.since) > moment_s(self.until, inf):
            raise ValueError("until: found a time before since, expected one after it")
        super().__post_init__()


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


@command("read", UsageHistoryParameters, "An organization's cost by hour or day, as this machine has seen it.")
async def get_usage_history(parameters: UsageHistoryParameters, context: Context, call: Call) -> Answer:
    """Asks the cloud only who pays for a location."""
    if context.config.state_dir is None:
        raise no_state_dir()
    if context.history is None:
        raise NotConfiguredError("no API key is known: no usage was seen. Set api_key or api_key_file, and api_key_id.")
    # What was asked for, as far as it is kept and not ahead.
    since_s = max(moment_s(parameters.since), context.now() - KEPT_S)
    until_s = min(moment_s(parameters.until, inf), context.now() + 1)
    location: Answer = {}
    if parameters.location_id is UNSET:
        org_id = context.policy.org_in_scope(parameters.org_id)
    else:
        location_id = context.policy.location_in_scope(parameters.location_id)
        payer, org_id = await payer_of(context, location_id, call, given(parameters.max_age_s))
        location = {"location_id": location_id, **provenance([payer])}
    step_s = HOUR_S if parameters.step == "hour" else DAY_S
    # Read one step more, so that the first one of the answer has its delta.
    points = await call.from_disk(context.history.points(org_id, since_s // step_s * step_s - step_s, until_s))
    made = partial(_shown, points, step_s, since_s)
    return {"org_id": org_id, **location, "points": await off_loop(made, long=len(points) > _MANY)}


def _shown(points: list[Point], step_s: float, since_s: float) -> list[Answer]:
    return [
        {
            "time": to_rfc3339(step.time_s),
            "month_to_date": step.month_to_date,
            **({} if step.delta is None else {"delta": step.delta}),
        }
        for step in steps(points, step_s)
        if step.time_s >= since_s
    ]


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
    start_s = decoding.moment_s(usage.value, "start_date")
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
