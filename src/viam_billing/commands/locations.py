"""Who pays for a location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.memory import Reading
from viam_billing.cache.queries import Call, provenance
from viam_billing.commands.context import Answer, Context, DryRun, Id, LocationId, ReadParameters
from viam_billing.core.errors import BillingError, NotFoundError, quoted
from viam_billing.settings.records import Record, given

if TYPE_CHECKING:
    from viam_billing.core.times import Deadline


class LocationPayerParameters(ReadParameters, frozen=True, kw_only=True):
    """Of `get_location_billing_organization`."""

    location_id: LocationId | UnsetType = UNSET


class UpdateLocationPayerParameters(Record, frozen=True, kw_only=True):
    """Of `update_location_billing_organization`."""

    location_id: Annotated[Id, Meta(description="The location that another organization shall pay for.")]
    billing_organization_id: Annotated[Id, Meta(description="The organization that shall pay.")]
    dry_run: DryRun = False


async def get_location_billing_organization(
    parameters: LocationPayerParameters, context: Context, call: Call
) -> Answer:
    """The API's answer, with `location_id`; without `billing_organization_id` where the API names none."""
    location_id = context.policy.location_in_scope(given(parameters.location_id))
    payer = await context.reads.location_payer(location_id, call, given(parameters.max_age_s))
    return {"location_id": location_id, **payer.value, **provenance([payer])}


async def payer_of(context: Context, location_id: str, call: Call, max_age_s: float | None) -> tuple[Reading, str]:
    """Who pays for a location: the reading, and the organization in it.

    Raises:
        NotFoundError: if the API names none.
    """
    payer = await context.reads.location_payer(location_id, call, max_age_s)
    org_id: str | None = payer.value.get("billing_organization_id")
    if org_id is None:
        raise no_payer(location_id)
    return payer, org_id


def no_payer(location_id: str) -> NotFoundError:
    """What a location gets for which nobody pays."""
    return NotFoundError(
        f"no organization is named as paying for the location {quoted(location_id)}, so it has no usage. "
        "Set one with update_location_billing_organization or in the Viam app."
    )


async def update_location_billing_organization(
    parameters: UpdateLocationPayerParameters, context: Context, call: Call
) -> Answer:
    """Read who pays, send unless it is the same, read back who pays now."""
    location_id, org_id = parameters.location_id, parameters.billing_organization_id
    context.policy.check_location(location_id)
    context.policy.check_org(org_id)
    previous = await _payer(context, location_id, call.deadline)
    context.reads.forget_payer(location_id)
    unchanged = previous == org_id
    request = {"location_id": location_id, "billing_organization_id": org_id}
    if parameters.dry_run:
        return {"dry_run": True, "would_send": {} if unchanged else request}
    current = org_id
    if not unchanged:
        async with context.reads.changing_payer(location_id):
            await context.gateway.update_location_billing_organization(location_id, org_id, call.deadline)
        current = await _payer_after_change(context, location_id, org_id, call.deadline)
    return {
        "location_id": location_id,
        "billing_organization_id": current,
        **({"previous_billing_organization_id": previous} if previous else {}),
        "changed": current != previous,
    }


async def _payer(context: Context, location_id: str, deadline: Deadline) -> str:
    return (await context.gateway.get_location_billing_organization(location_id, deadline)).billing_organization_id


async def _payer_after_change(context: Context, location_id: str, sent: str, deadline: Deadline) -> str:
    """Who pays as the cloud tells it now. The change is done: an error here must not look like its failure."""
    try:
        return await _payer(context, location_id, deadline) or sent
    except BillingError:
        return sent
