"""The commands about who pays for a location."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.commands.context import Answer, Context, DryRun, Id, LocationReadParameters, command, read_back
from viam_billing.core.errors import NotFoundError, quoted
from viam_billing.core.times import Deadline
from viam_billing.settings.records import Record, given


class UpdateLocationPayerParameters(Record, frozen=True, kw_only=True):
    """Parameters of `update_location_billing_organization`."""

    location_id: Annotated[Id, Meta(description="The location for which another organization shall pay.")]
    billing_organization_id: Annotated[Id, Meta(description="The organization that shall pay.")]
    dry_run: DryRun = False


@command("read", LocationReadParameters)
async def get_location_billing_organization(parameters: LocationReadParameters, context: Context, call: Call) -> Answer:
    """Which organization pays for a location.

    `billing_organization_id` is left out where the API names none.
    """
    location_id = context.policy.location_in_scope(parameters.location_id)
    payer = await context.reads.location_payer(location_id, call, given(parameters.max_age_s))
    return {"location_id": location_id, **payer.value, **provenance([payer])}


async def payer_of(context: Context, location_id: str, call: Call, max_age_s: float | None) -> tuple[Reading, str]:
    """The reading of who pays for a location, and the organization's ID. Raises: NotFoundError: the API names none."""
    payer = await context.reads.location_payer(location_id, call, max_age_s)
    org_id: str | None = payer.value.get("billing_organization_id")
    if org_id is None:
        raise no_payer(location_id)
    return payer, org_id


def no_payer(location_id: str) -> NotFoundError:
    """The error for the usage of a location for which no organization pays."""
    return NotFoundError(
        f"no organization is named as paying for the location {quoted(location_id)}, so it has no usage. "
        "Set one with update_location_billing_organization or in the Viam app."
    )


@command("change", UpdateLocationPayerParameters)
async def update_location_billing_organization(
    parameters: UpdateLocationPayerParameters, context: Context, call: Call
) -> Answer:
    """Have another organization pay for a location.

    Read who pays, send unless it is the same, and read back who pays now.
    """
    location_id = context.policy.location_in_scope(parameters.location_id)
    org_id = context.policy.org_in_scope(parameters.billing_organization_id)
    previous = await _payer(context, location_id, call.deadline)
    context.reads.cache.forget(f"payer:{location_id}")
    unchanged = previous == org_id
    if parameters.dry_run:
        request = {"location_id": location_id, "billing_organization_id": org_id}
        return {"dry_run": True, "would_send": {} if unchanged else request}
    current = org_id
    if not unchanged:
        async with context.reads.cache.changing(f"payer:{location_id}"):
            await context.gateway.update_location_billing_organization(location_id, org_id, call.deadline)
        current = await read_back(_payer(context, location_id, call.deadline), org_id)
    return {
        "location_id": location_id,
        "billing_organization_id": current,
        **({"previous_billing_organization_id": previous} if previous else {}),
        "changed": current != previous,
    }


async def _payer(context: Context, location_id: str, deadline: Deadline) -> str:
    return (await context.gateway.get_location_billing_organization(location_id, deadline)).billing_organization_id
