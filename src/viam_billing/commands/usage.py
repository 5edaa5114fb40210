"""What an organization or a location has cost this month."""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET, UnsetType, structs

from viam_billing import encode, forecast, money
from viam_billing.answers import Reading
from viam_billing.commands.context import Answer, Context, LocationId, OrgId, ReadParameters
from viam_billing.errors import NotFoundError, quoted
from viam_billing.reads import Call, provenance
from viam_billing.strict import given


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
        "cost_by_type": encode.cost_by_type(usage.value),
        **_projection_field(usage),
        **provenance([usage]),
    }


async def get_location_usage(parameters: LocationUsageParameters, context: Context, call: Call) -> Answer:
    """What the organization that pays for a location has cost: its usage may be read through the location."""
    location_id = context.policy.location_in_scope(given(parameters.location_id))
    max_age_s = given(parameters.max_age_s)
    payer = await context.reads.location_payer(location_id, call, max_age_s)
    org_id = payer.value.get("billing_organization_id")
    if org_id is None:
        raise NotFoundError(
            f"no organization is named as paying for the location {quoted(location_id)}, so it has no usage. "
            "Set one with update_location_billing_organization or in the Viam app."
        )
    usage = await context.reads.usage(org_id, call, max_age_s)
    dates: Answer = {name: usage.value[name] for name in ("start_date", "end_date") if name in usage.value}
    return {
        "location_id": location_id,
        "billing_organization_id": org_id,
        "month_to_date": month_to_date(usage),
        **_projection_field(usage),
        "cost_by_type": encode.cost_by_type(usage.value),
        **dates,
        **_budget(context, usage),
        **provenance([payer, usage]),
    }


def month_to_date(usage: Reading) -> float:
    """Dollars in whole cents. Source: `subtotal`; the older total fields are no longer filled."""
    return money.rounded(encode.amount(usage.value.get("subtotal")))


def _budget(context: Context, usage: Reading) -> Answer:
    """Where the month stands in the configured budget, if there is one."""
    monthly, warn_at = context.config.monthly_budget, context.config.warn_at
    if monthly is None:
        return {}
    cost = money.to_cents(encode.amount(usage.value.get("subtotal")))
    budget: Answer = {
        "status": forecast.budget_status(cost, monthly, warn_at),
        "monthly_budget": money.to_dollars(monthly),
        "used_fraction": forecast.used_fraction(cost, monthly),
    }
    projection = _projection(usage)
    if projection is not None:
        total = money.to_cents(Decimal(repr(projection.total)))
        budget["projected_status"] = forecast.budget_status(total, monthly, warn_at)
    return {"budget": budget}


def _projection(usage: Reading) -> forecast.Projection | None:
    start_s, end_s = (encode.moment_s(usage.value, name) for name in ("start_date", "end_date"))
    if start_s is None:
        return None
    return forecast.straight_line(encode.amount(usage.value.get("subtotal")), start_s, end_s, usage.as_of_s)


def _projection_field(usage: Reading) -> Answer:
    projection = _projection(usage)
    return {} if projection is None else {"projection": structs.asdict(projection)}
