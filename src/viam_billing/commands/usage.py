"""The commands about this month: what an organization has cost, and who pays for a location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, UnsetType

from viam_billing.cache.readings import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.budgets import BudgetStanding, budget_block
from viam_billing.commands.context import Context, LocationReadParameters, OrgReadParameters, command
from viam_billing.commands.payers import payer_of
from viam_billing.settings.answers import OfCloud, Passed, says, usd, utc
from viam_billing.settings.records import given
from viam_billing.usage.forecast import Projection

if TYPE_CHECKING:
    from viam_billing.commands.api_answers import MonthUsageOfApi

CostByType = dict[str, Annotated[float, usd("The cost of this kind of usage")]]
"""By the API's name of the kind without `USAGE_COST_TYPE_`, in lower case."""


class MonthUsageAdded(OfCloud, frozen=True, kw_only=True):
    """What `get_current_month_usage` adds. The projection is kept with the cloud's answer, as plain values."""

    org_id: Annotated[str, says("The organization's ID")]
    cost_by_type: Annotated[CostByType, says("What each kind of usage has cost so far, of all sources")]
    projection: Annotated[Projection, says("An estimate of the month's total")] | UnsetType = UNSET


@command("read", OrgReadParameters, "What an organization has cost this month by type, and an estimate of its total.")
async def get_current_month_usage(
    parameters: OrgReadParameters, context: Context, call: Call
) -> Passed[MonthUsageOfApi, MonthUsageAdded]:
    org_id = context.policy.org_in_scope(parameters.org_id)
    usage = await context.reads.usage(org_id, call, given(parameters.max_age_s))
    costs = decoding.cost_by_type(usage.value)
    return Passed(usage.value, MonthUsageAdded(org_id=org_id, cost_by_type=costs, **provenance([usage])))


class LocationUsage(OfCloud, frozen=True, kw_only=True):
    """The answer of `get_location_usage`."""

    location_id: Annotated[str, says("The location's ID")]
    billing_organization_id: Annotated[
        str, says("The organization that pays for the location: the usage is all of its")
    ]
    month_to_date: Annotated[float, usd("What the month has cost so far")]
    cost_by_type: Annotated[CostByType, says("What each kind of usage has cost so far")]
    projection: Annotated[Projection, says("An estimate of the month's total")] | UnsetType = UNSET
    start_date: Annotated[str, utc("When the month begins, as the API has it")] | UnsetType = UNSET
    end_date: Annotated[str, utc("When the month ends, as the API has it")] | UnsetType = UNSET
    budget: Annotated[BudgetStanding, says("Where the month stands in the attribute budget")] | UnsetType = UNSET


@command("read", LocationReadParameters, "Who pays for a location and what that organization has cost this month.")
async def get_location_usage(parameters: LocationReadParameters, context: Context, call: Call) -> LocationUsage:
    """An organization that is out of scope itself may be read through a location that it pays for."""
    location_id = context.policy.location_in_scope(parameters.location_id)
    max_age_s = given(parameters.max_age_s)
    payer, org_id = await payer_of(context, location_id, call, max_age_s)
    usage = await context.reads.usage(org_id, call, max_age_s)
    return LocationUsage(
        location_id=location_id,
        billing_organization_id=org_id,
        month_to_date=decoding.month_to_date(usage.value),
        cost_by_type=decoding.cost_by_type(usage.value),
        budget=budget_block(context.config, usage),
        **{name: usage.value[name] for name in ("projection", "start_date", "end_date") if name in usage.value},
        **provenance([payer, usage]),
    )
