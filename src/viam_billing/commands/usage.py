"""What an organization or a location has cost this month."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from viam_billing.cache.queries import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands import budget
from viam_billing.commands.context import Answer, Context, LocationId, OrgId, ReadParameters
from viam_billing.commands.locations import payer_of
from viam_billing.settings.records import given


class OrgUsageParameters(ReadParameters, frozen=True, kw_only=True):
    """Of `get_current_month_usage`."""

    org_id: OrgId | UnsetType = UNSET


class LocationUsageParameters(ReadParameters, frozen=True, kw_only=True):
    """Of `get_location_usage`."""

    location_id: LocationId | UnsetType = UNSET


async def get_current_month_usage(parameters: OrgUsageParameters, context: Context, call: Call) -> Answer:
    """The API's answer, with `org_id`, `cost_by_type` and `projection`."""
    org_id = context.policy.org_in_scope(given(parameters.org_id))
    usage = await context.reads.usage(org_id, call, given(parameters.max_age_s))
    return {
        **usage.value,
        "org_id": org_id,
        "cost_by_type": decoding.cost_by_type(usage.value),
        **provenance([usage]),
    }


async def get_location_usage(parameters: LocationUsageParameters, context: Context, call: Call) -> Answer:
    """What the organization that pays for a location has cost: its usage may be read through the location."""
    location_id = context.policy.location_in_scope(given(parameters.location_id))
    max_age_s = given(parameters.max_age_s)
    payer, org_id = await payer_of(context, location_id, call, max_age_s)
    usage = await context.reads.usage(org_id, call, max_age_s)
    dates: Answer = {name: usage.value[name] for name in ("start_date", "end_date") if name in usage.value}
    return {
        "location_id": location_id,
        "billing_organization_id": org_id,
        "month_to_date": decoding.month_to_date(usage.value),
        **({"projection": usage.value["projection"]} if "projection" in usage.value else {}),
        "cost_by_type": decoding.cost_by_type(usage.value),
        **dates,
        **budget.block(context.config, usage),
        **provenance([payer, usage]),
    }
