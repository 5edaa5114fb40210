"""The commands about who pays: how an organization pays and its billing tier, and who pays for a location."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import (
    Context,
    DryRun,
    Id,
    LocationReadParameters,
    OrgReadParameters,
    command,
)
from viam_billing.core.errors import BillingError, InvalidRequestError, KeyLacksPermissionError, NotFoundError, quoted
from viam_billing.core.times import Deadline
from viam_billing.settings.answers import AnswerRecord, DryRunAnswer, OfCloud, Passed, says
from viam_billing.settings.records import Record, given

if TYPE_CHECKING:
    from viam_billing.commands.api_answers import BillingInformationOfApi, PayerOfApi, TiersOfApi

_MOST_NAMED: Final = 20


class UpdateTierParameters(Record, frozen=True, kw_only=True):
    """Parameters of `update_organization_billing_tier`."""

    organization_id: Annotated[Id, Meta(description="The organization to put on another tier.")]
    billing_tier: Annotated[Id, Meta(description="One of get_available_billing_tiers.")]
    dry_run: DryRun = False
    aliases: ClassVar[Mapping[str, str]] = {"org_id": "organization_id"}


class OrgAdded(OfCloud, frozen=True, kw_only=True):
    """What `get_org_billing_information` adds."""

    org_id: Annotated[str, says("The organization's ID")]


class TierUpdate(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `update_organization_billing_tier`."""

    organization_id: Annotated[str, says("The organization's ID")]
    billing_tier: Annotated[str, says("The tier that it is on now")]
    previous_billing_tier: Annotated[str, says("The tier before, where the cloud tells it")] | UnsetType = UNSET
    changed: Annotated[bool, says("Whether it was another one, where the cloud tells it")] | UnsetType = UNSET


class LocationAdded(OfCloud, frozen=True, kw_only=True):
    """What `get_location_billing_organization` adds."""

    location_id: Annotated[str, says("The location's ID")]


class PayerUpdate(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `update_location_billing_organization`."""

    location_id: Annotated[str, says("The location's ID")]
    billing_organization_id: Annotated[str, says("The organization that pays for it now")]
    previous_billing_organization_id: Annotated[str, says("The one before, if there was one")] | UnsetType = UNSET
    changed: Annotated[bool, says("Whether it was another one")]


@command("read", OrgReadParameters, "How an organization pays and the tier that it is on; payment details are masked.")
async def get_org_billing_information(
    parameters: OrgReadParameters, context: Context, call: Call
) -> Passed[BillingInformationOfApi, OrgAdded]:
    org_id = context.policy.org_in_scope(parameters.org_id)
    information = await context.reads.billing_information(org_id, call, given(parameters.max_age_s))
    return Passed(information.value, OrgAdded(org_id=org_id, **provenance([information])))


@command("read", OrgReadParameters, "The tiers that an organization can be put on.")
async def get_available_billing_tiers(
    parameters: OrgReadParameters, context: Context, call: Call
) -> Passed[TiersOfApi, OfCloud]:
    """`org_id` is in Viam's docs and not in the API: it is checked and not sent."""
    if parameters.org_id is not UNSET:
        context.policy.check_org(parameters.org_id)
    tiers = await context.reads.tiers(call, given(parameters.max_age_s))
    return Passed(tiers.value, OfCloud(**provenance([tiers])))


@command("change", UpdateTierParameters, "Put an organization on another tier.")
async def update_organization_billing_tier(
    parameters: UpdateTierParameters, context: Context, call: Call
) -> TierUpdate | DryRunAnswer:
    """Check the tier, read the old one, send unless it is the same, and read the new one back."""
    org_id, tier = parameters.organization_id, parameters.billing_tier
    context.policy.check_org(org_id)
    available = list((await context.gateway.get_available_billing_tiers(call.deadline)).tiers)
    if tier not in available:
        tiers = ", ".join(map(quoted, available[:_MOST_NAMED])) or "none"
        raise InvalidRequestError(f"billing_tier: found {quoted(tier)}, expected one of those available: {tiers}.")
    previous = await _tier(context, org_id, call.deadline)
    context.reads.cache.forget(f"information:{org_id}")
    unchanged = previous == tier
    if parameters.dry_run:
        request = {"organization_id": org_id, "billing_tier": tier}
        return DryRunAnswer(dry_run=True, would_send={} if unchanged else request)
    if not unchanged:
        async with context.reads.cache.changing(f"information:{org_id}", "tiers"):
            await context.begin(call)
            await context.gateway.update_organization_billing_tier(org_id, tier, call.deadline)
    if previous is None:
        return TierUpdate(organization_id=org_id, billing_tier=tier)
    current = tier if unchanged else await _read_back(_tier(context, org_id, call.deadline), tier)
    return TierUpdate(
        organization_id=org_id, billing_tier=current, previous_billing_tier=previous, changed=current != previous
    )


async def _tier(context: Context, org_id: str, deadline: Deadline) -> str | None:
    """The tier; None where the cloud does not tell it, as to a key that may not see the billing dashboard."""
    try:
        return decoding.told_tier(await context.gateway.get_org_billing_information(org_id, deadline))
    except KeyLacksPermissionError:
        return None


class UpdateLocationPayerParameters(Record, frozen=True, kw_only=True):
    """Parameters of `update_location_billing_organization`."""

    location_id: Annotated[Id, Meta(description="The location for which another organization shall pay.")]
    billing_organization_id: Annotated[Id, Meta(description="The organization that shall pay.")]
    dry_run: DryRun = False


@command("read", LocationReadParameters, "Which organization pays for a location.")
async def get_location_billing_organization(
    parameters: LocationReadParameters, context: Context, call: Call
) -> Passed[PayerOfApi, LocationAdded]:
    """`billing_organization_id` is left out where the API names none."""
    location_id = context.policy.location_in_scope(parameters.location_id)
    payer = await context.reads.location_payer(location_id, call, given(parameters.max_age_s))
    return Passed(payer.value, LocationAdded(location_id=location_id, **provenance([payer])))


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


@command("change", UpdateLocationPayerParameters, "Have another organization pay for a location.")
async def update_location_billing_organization(
    parameters: UpdateLocationPayerParameters, context: Context, call: Call
) -> PayerUpdate | DryRunAnswer:
    """Read who pays, send unless it is the same, and read back who pays now."""
    location_id = context.policy.location_in_scope(parameters.location_id)
    org_id = context.policy.org_in_scope(parameters.billing_organization_id)
    previous = await _payer(context, location_id, call.deadline)
    context.reads.cache.forget(f"payer:{location_id}")
    unchanged = previous == org_id
    if parameters.dry_run:
        request = {"location_id": location_id, "billing_organization_id": org_id}
        return DryRunAnswer(dry_run=True, would_send={} if unchanged else request)
    current = org_id
    if not unchanged:
        async with context.reads.cache.changing(f"payer:{location_id}"):
            await context.begin(call)
            await context.gateway.update_location_billing_organization(location_id, org_id, call.deadline)
        current = await _read_back(_payer(context, location_id, call.deadline), org_id)
    return PayerUpdate(
        location_id=location_id,
        billing_organization_id=current,
        previous_billing_organization_id=previous or UNSET,
        changed=current != previous,
    )


async def _payer(context: Context, location_id: str, deadline: Deadline) -> str:
    return (await context.gateway.get_location_billing_organization(location_id, deadline)).billing_organization_id


async def _read_back(value: Awaitable[str | None], sent: str) -> str:
    """The value after a change, as the cloud tells it; the one that was sent where the cloud does not tell."""
    try:
        return await value or sent
    except BillingError:
        return sent  # the change has been made, and must not look like a failure
