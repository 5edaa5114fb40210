"""The commands about white-labelled billing: the service of an organization that bills others, its e-mail and logo."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import UNSET, Meta, UnsetType, to_builtins

from viam_billing.cache.queries import WHITE_LABEL
from viam_billing.cache.readings import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.address import Address, BillingAddress, Email, is_email
from viam_billing.commands.context import Context, DryRun, Id, OrgReadParameters, command
from viam_billing.commands.payers import OrgAdded
from viam_billing.core.errors import BillingError, KeyLacksPermissionError, NotFoundError
from viam_billing.core.png import LONGEST_SIDE, is_png
from viam_billing.settings.answers import AnswerRecord, DryRunAnswer, Passed, says
from viam_billing.settings.records import Record, given

if TYPE_CHECKING:
    from viam_billing.commands.api_answers import BillingServiceOfApi, LogoOfApi, SupportEmailOfApi

LARGEST_LOGO_BYTES: Final = 200_000

BillerId = Annotated[Id, Meta(description="The organization that bills others. It has no default here.")]


class ServiceParameters(Record, frozen=True, kw_only=True):
    """Parameters of `disable_billing_service`."""

    org_id: BillerId
    dry_run: DryRun = False


class AddressParameters(ServiceParameters, frozen=True, kw_only=True):
    """Parameters of `enable_billing_service` and `update_billing_service`."""

    billing_address: Annotated[
        BillingAddress, Meta(title="an object of the address's lines", description="Its address.")
    ]


class SupportEmailParameters(ServiceParameters, frozen=True, kw_only=True):
    """Parameters of `organization_set_support_email`."""

    email: Annotated[Email, Meta(description="Where its customers find help.")]
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"email": is_email}


def _logo(text: str) -> bytes:
    try:
        logo = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return logo if len(logo) <= LARGEST_LOGO_BYTES else b""


class LogoParameters(ServiceParameters, frozen=True, kw_only=True):
    """Parameters of `organization_set_logo`."""

    content_base64: Annotated[
        str,
        Meta(
            pattern="^iVBORw0KGgo[A-Za-z0-9+/]+={0,2}$",  # a PNG's first bytes
            title=f"a whole PNG of at most 200,000 bytes and {LONGEST_SIDE:,} pixels a side, as base64 on one line",
            description="The logo on invoices and e-mails.",
        ),
    ]
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"content_base64": lambda text: is_png(_logo(text))}


class ServiceChange(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `disable_billing_service`."""

    org_id: Annotated[str, says("The organization's ID")]
    changed: Annotated[bool, says("Whether it was another one, where the cloud tells it")] | UnsetType = UNSET


class AddressChange(ServiceChange, frozen=True, kw_only=True):
    """The answer of `enable_billing_service` and `update_billing_service`."""

    billing_address: Annotated[Address, says("The address that it has now")]


class SupportEmailChange(ServiceChange, frozen=True, kw_only=True):
    """The answer of `organization_set_support_email`."""

    email: Annotated[str, says("The address that it has now")]


class LogoChange(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `organization_set_logo`."""

    org_id: Annotated[str, says("The organization's ID")]
    size_bytes: Annotated[int, says("Bytes of the logo")]
    url: Annotated[str, says("Where the logo is now, where the cloud tells it")] | UnsetType = UNSET


@command("read", OrgReadParameters, "How an organization bills others: address, support e-mail, logo, dashboard.")
async def get_billing_service_config(
    parameters: OrgReadParameters, context: Context, call: Call
) -> Passed[BillingServiceOfApi, OrgAdded]:
    return await _read("GetBillingServiceConfig", parameters, context, call)


@command("read", OrgReadParameters, "Where the customers of an organization that bills others find help.")
async def organization_get_support_email(
    parameters: OrgReadParameters, context: Context, call: Call
) -> Passed[SupportEmailOfApi, OrgAdded]:
    return await _read("OrganizationGetSupportEmail", parameters, context, call)


@command("read", OrgReadParameters, "The logo on the invoices of an organization that bills others.")
async def organization_get_logo(
    parameters: OrgReadParameters, context: Context, call: Call
) -> Passed[LogoOfApi, OrgAdded]:
    return await _read("OrganizationGetLogo", parameters, context, call)


async def _read(rpc: str, parameters: OrgReadParameters, context: Context, call: Call) -> Passed[Any, OrgAdded]:
    org_id = context.policy.org_in_scope(parameters.org_id)
    found = await context.reads.white_label(rpc, org_id, call, given(parameters.max_age_s))
    return Passed(found.value, OrgAdded(org_id=org_id, **provenance([found])))


@command("change", AddressParameters, "Let an organization bill others under its own name.")
async def enable_billing_service(
    parameters: AddressParameters, context: Context, call: Call
) -> AddressChange | DryRunAnswer:
    return await _address("EnableBillingService", parameters, context, call)


@command("change", AddressParameters, "Change the address of an organization that bills others.")
async def update_billing_service(
    parameters: AddressParameters, context: Context, call: Call
) -> AddressChange | DryRunAnswer:
    return await _address("UpdateBillingService", parameters, context, call)


async def _address(
    rpc: str, parameters: AddressParameters, context: Context, call: Call
) -> AddressChange | DryRunAnswer:
    org_id, address = parameters.org_id, to_builtins(parameters.billing_address)
    before = await _before("GetBillingServiceConfig", "billing_address", parameters, context, call)
    fields = {} if before == address else {"org_id": org_id, "billing_address": address}
    if parameters.dry_run:
        return DryRunAnswer(dry_run=True, would_send=fields)
    after = before
    if fields:
        await _send(rpc, fields, context, call)
        after = await _after("GetBillingServiceConfig", "billing_address", org_id, context, call)
    return AddressChange(org_id=org_id, billing_address=after or address, changed=_changed(before, after))


@command("change", ServiceParameters, "Stop an organization from billing others under its own name.")
async def disable_billing_service(
    parameters: ServiceParameters, context: Context, call: Call
) -> ServiceChange | DryRunAnswer:
    """Sent in any case: that no address is told does not have to mean that the service is off."""
    org_id = parameters.org_id
    before = await _before("GetBillingServiceConfig", "billing_address", parameters, context, call)
    if parameters.dry_run:
        return DryRunAnswer(dry_run=True, would_send={"org_id": org_id})
    await _send("DisableBillingService", {"org_id": org_id}, context, call)
    after = await _after("GetBillingServiceConfig", "billing_address", org_id, context, call)
    return ServiceChange(org_id=org_id, changed=_changed(before, after))


@command("change", SupportEmailParameters, "Set where the customers of an organization that bills others find help.")
async def organization_set_support_email(
    parameters: SupportEmailParameters, context: Context, call: Call
) -> SupportEmailChange | DryRunAnswer:
    org_id, email = parameters.org_id, parameters.email
    before = await _before("OrganizationGetSupportEmail", "email", parameters, context, call)
    fields = {} if before == email else {"org_id": org_id, "email": email}
    if parameters.dry_run:
        return DryRunAnswer(dry_run=True, would_send=fields)
    after = before
    if fields:
        await _send("OrganizationSetSupportEmail", fields, context, call)
        after = await _after("OrganizationGetSupportEmail", "email", org_id, context, call)
    return SupportEmailChange(org_id=org_id, email=after or email, changed=_changed(before, after))


@command("change", LogoParameters, "Set the logo on the invoices of an organization that bills others.")
async def organization_set_logo(parameters: LogoParameters, context: Context, call: Call) -> LogoChange | DryRunAnswer:
    """Sent in any case: the cloud tells where a logo is, not what is in it."""
    org_id, logo = parameters.org_id, _logo(parameters.content_base64)
    await _before("OrganizationGetLogo", "url", parameters, context, call)
    if parameters.dry_run:
        return DryRunAnswer(dry_run=True, would_send={"org_id": org_id, "size_bytes": len(logo)})
    await _send("OrganizationSetLogo", {"org_id": org_id, "logo": logo}, context, call)
    url = await _after("OrganizationGetLogo", "url", org_id, context, call) or UNSET
    return LogoChange(org_id=org_id, size_bytes=len(logo), url=url)


async def _before(rpc: str, field: str, parameters: ServiceParameters, context: Context, call: Call) -> Any:  # noqa: ANN401 - a field of the API
    """What the cloud has now, None where it tells nothing; whoever asks for a change gets no older answer after it."""
    context.policy.check_org(parameters.org_id)
    try:
        answer = decoding.to_native(await context.gateway.get_white_label(rpc, parameters.org_id, call.deadline))
    except (NotFoundError, KeyLacksPermissionError):
        answer = {}
    context.reads.cache.forget(*_outdated(parameters.org_id))
    return answer.get(field) or None


async def _send(rpc: str, fields: Mapping[str, Any], context: Context, call: Call) -> None:
    async with context.reads.cache.changing(*_outdated(fields["org_id"])):
        await context.begin(call)
        await context.gateway.change_white_label(rpc, fields, call.deadline)


async def _after(rpc: str, field: str, org_id: str, context: Context, call: Call) -> Any:  # noqa: ANN401 - a field of the API
    """What the cloud has after a change, None where it does not tell: the change must not look like a failure."""
    try:
        return decoding.to_native(await context.gateway.get_white_label(rpc, org_id, call.deadline)).get(field) or None
    except BillingError:
        return None


def _changed(before: object, after: object) -> bool | UnsetType:
    return UNSET if before is None and after is None else before != after


def _outdated(org_id: str) -> list[str]:
    return [f"{rpc}:{org_id}" for rpc in WHITE_LABEL]
