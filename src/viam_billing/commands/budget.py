"""Where a month stands in the configured budget, and which thresholds it has just crossed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import UNSET, Meta, UnsetType
from typing_extensions import override
from viam import logging

from viam_billing.cache.queries import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import Answer, Context, LocationId, OrgId, ReadParameters, only_one
from viam_billing.commands.locations import payer_of
from viam_billing.core import money, times
from viam_billing.core.errors import NotConfiguredError, quoted
from viam_billing.settings.records import given
from viam_billing.usage import forecast

if TYPE_CHECKING:
    from viam_billing.cache.memory import Reading
    from viam_billing.settings.attributes import Config

LOGGER: Final = logging.getLogger(__name__)


class CheckBudgetParameters(ReadParameters, frozen=True, kw_only=True):
    """Of `check_budget`."""

    location_id: Annotated[LocationId, Meta(description="A location; its payer's month is checked.")] | UnsetType = (
        UNSET
    )
    org_id: Annotated[OrgId, Meta(description="An organization, in place of a location.")] | UnsetType = UNSET
    schema_of_contradictions: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_id"]}

    @override
    def contradiction(self) -> str:
        return only_one("org_id", self.org_id, "location_id", self.location_id)


async def check_budget(parameters: CheckBudgetParameters, context: Context, call: Call) -> Answer:
    """Used and projected against the monthly budget; a threshold that is newly crossed is a warning in the log."""
    max_age_s = given(parameters.max_age_s)
    whose: Answer
    if parameters.org_id is not UNSET:
        org_id = context.policy.org_in_scope(given(parameters.org_id))
        monthly = _monthly(context.config)
        readings = [await context.reads.usage(org_id, call, max_age_s)]
        whose = {"org_id": org_id}
    else:
        location_id = context.policy.location_in_scope(given(parameters.location_id))
        monthly = _monthly(context.config)
        payer, org_id = await payer_of(context, location_id, call, max_age_s)
        readings = [payer, await context.reads.usage(org_id, call, max_age_s)]
        whose = {"location_id": location_id, "billing_organization_id": org_id}
    usage, config = readings[-1], context.config
    thresholds = forecast.crossed(_cost(usage), monthly, config.warn_at)
    newly: list[float] = []
    if not any(reading.stale_reason for reading in readings):
        # A caller that leaves now must not take the warning with it: what is crossed is told once.
        newly = await asyncio.shield(_newly_crossed(context, org_id, usage, monthly, thresholds))
    return {
        **whose,
        "month_to_date": decoding.month_to_date(usage.value),
        **block(config, usage)["budget"],
        "thresholds_crossed": thresholds,
        "newly_crossed": newly,
        **provenance(readings),
    }


def block(config: Config, usage: Reading) -> Answer:
    """The `budget` block of an answer, where a budget is configured."""
    monthly, warn_at = config.monthly_budget, config.warn_at
    if monthly is None:
        return {}
    cost = _cost(usage)
    budget: Answer = {
        "status": forecast.budget_status(cost, monthly, warn_at),
        "monthly_budget": money.to_dollars(monthly),
        "used_fraction": forecast.used_fraction(cost, monthly),
    }
    projection = usage.value.get("projection")
    if projection is not None:
        total = money.to_cents(Decimal(repr(projection["total"])))
        budget["projected_status"] = forecast.budget_status(total, monthly, warn_at)
    return {"budget": budget}


def _cost(usage: Reading) -> money.Cents:
    return money.to_cents(decoding.subtotal(usage.value))


def _monthly(config: Config) -> money.Cents:
    """Raises: NotConfiguredError: if there is no budget to check."""
    if config.monthly_budget is None:
        raise NotConfiguredError('no budget is known. Set the attribute budget, such as {"monthly": 500}.')
    return config.monthly_budget


async def _newly_crossed(
    context: Context, org_id: str, usage: Reading, monthly: money.Cents, thresholds: list[float]
) -> list[float]:
    """Those that no check of this month has found crossed; remembered, each logged once."""
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
            100 * forecast.used_fraction(_cost(usage), monthly),
            money.to_dollars(monthly),
        )
    return newly
