"""The commands about an organization: how it pays, and its billing tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta

from viam_billing.cache.readings import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import Answer, Context, DryRun, Id, OrgReadParameters, command, read_back
from viam_billing.core.errors import InvalidRequestError, KeyLacksPermissionError, quoted
from viam_billing.core.times import Deadline
from viam_billing.settings.records import Record, given


class UpdateTierParameters(Record, frozen=True, kw_only=True):
    """Parameters of `update_organization_billing_tier`."""

    organization_id: Annotated[Id, Meta(description="The organization to put on another tier.")]
    billing_tier: Annotated[Id, Meta(description="One of get_available_billing_tiers.")]
    dry_run: DryRun = False
    aliases: ClassVar[Mapping[str, str]] = {"org_id": "organization_id"}


@command("read", OrgReadParameters)
async def get_org_billing_information(parameters: OrgReadParameters, context: Context, call: Call) -> Answer:
    """How an organization pays and the tier that it is on; payment details are masked."""
    org_id = context.policy.org_in_scope(parameters.org_id)
    information = await context.reads.billing_information(org_id, call, given(parameters.max_age_s))
    return {**information.value, "org_id": org_id, **provenance([information])}


@command("read", OrgReadParameters)
async def get_available_billing_tiers(parameters: OrgReadParameters, context: Context, call: Call) -> Answer:
    """The tiers that an organization can be put on.

    `org_id` is in Viam's docs and not in the API: it is checked and not sent.
    """
    if parameters.org_id is not UNSET:
        context.policy.check_org(parameters.org_id)
    tiers = await context.reads.tiers(call, given(parameters.max_age_s))
    return {**tiers.value, **provenance([tiers])}


@command("change", UpdateTierParameters)
async def update_organization_billing_tier(parameters: UpdateTierParameters, context: Context, call: Call) -> Answer:
    """Put an organization on another tier.

    Check the tier, read the old one, send unless it is the same, and read the new one back.
    """
    org_id, tier = parameters.organization_id, parameters.billing_tier
    context.policy.check_org(org_id)
    available = list((await context.gateway.get_available_billing_tiers(call.deadline)).tiers)
    if tier not in available:
        tiers = ", ".join(quoted(name) for name in available) or "none"
        raise InvalidRequestError(f"billing_tier: found {quoted(tier)}, expected one of those available: {tiers}.")
    previous = await _tier(context, org_id, call.deadline)
    context.reads.cache.forget(f"information:{org_id}")
    unchanged = previous == tier
    if parameters.dry_run:
        return {"dry_run": True, "would_send": {} if unchanged else {"organization_id": org_id, "billing_tier": tier}}
    if not unchanged:
        async with context.reads.cache.changing(f"information:{org_id}", "tiers"):
            await context.gateway.update_organization_billing_tier(org_id, tier, call.deadline)
    if previous is None:
        return {"organization_id": org_id, "billing_tier": tier}
    current = tier if unchanged else await read_back(_tier(context, org_id, call.deadline), tier)
    return {
        "organization_id": org_id,
        "billing_tier": current,
        "previous_billing_tier": previous,
        "changed": current != previous,
    }


async def _tier(context: Context, org_id: str, deadline: Deadline) -> str | None:
    """The tier; None where the cloud does not tell it, as to a key that may not see the billing dashboard."""
    try:
        return decoding.told_tier(await context.gateway.get_org_billing_information(org_id, deadline))
    except KeyLacksPermissionError:
        return None
