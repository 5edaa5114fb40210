"""The commands about this month: what an organization has cost, and who pays for a location."""

from __future__ import annotations

from viam_billing.cache.readings import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.budgets import budget_block
from viam_billing.commands.context import (
    Answer,
    Context,
    LocationReadParameters,
    OrgReadParameters,
    command,
)
from viam_billing.commands.payers import payer_of
from viam_billing.settings.records import given


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
        **budget_block(context.config, usage),
        **provenance([payer, usage]),
    }
