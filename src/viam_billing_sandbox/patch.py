"""Changes the cloud's state in ways that no call of the API can, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from viam_billing_sandbox.cloud import Cloud
from viam_billing_sandbox.scenario_file import InvoiceRecord, UsageRecord
from viam_billing_sandbox.strict import Count, Date, Record, ScenarioError, Text, read


class _LocationPatch(Record, frozen=True):
    location: Text
    name: Text | UnsetType = UNSET
    organization_id: Text | UnsetType = UNSET
    billing_organization_id: str | UnsetType = UNSET
    robot_count: Count | UnsetType = UNSET


class _OrganizationPatch(Record, frozen=True):
    organization: Text
    name: Text | UnsetType = UNSET
    billing_email: str | UnsetType = UNSET
    billing_tier: Text | UnsetType = UNSET
    tells_tier: bool | UnsetType = UNSET
    usage: tuple[UsageRecord, ...] | UnsetType = UNSET
    usage_grows: bool | UnsetType = UNSET
    pdf_size_bytes: Count | UnsetType = UNSET
    usage_start: Date | UnsetType | None = UNSET
    usage_end: Date | UnsetType | None = UNSET
    invoices: tuple[InvoiceRecord, ...] | UnsetType = UNSET
    add_invoices: tuple[InvoiceRecord, ...] = ()


def apply(cloud: Cloud, request: Mapping[str, object], now: datetime) -> None:
    """Changes one organization or one location; fields are named as in the scenario.

    A wrong request changes nothing.

    Raises:
        ScenarioError: Something in it is wrong.
        Refused: There is no such organization or location.
    """
    if "location" in request:
        _patch_location(cloud, read(request, _LocationPatch, "patch"))
    else:
        _patch_organization(cloud, read(request, _OrganizationPatch, "patch"), now)


def _patch_location(cloud: Cloud, patch: _LocationPatch) -> None:
    location = cloud.location(patch.location)
    for field in ("organization_id", "billing_organization_id"):
        org_id = getattr(patch, field)
        if org_id is not UNSET and org_id and org_id not in cloud.scenario.organizations:
            raise ScenarioError(f"patch.{field}: {org_id!r} is none of the organizations")
    vars(location).update(_given(patch, "location"))


def _patch_organization(cloud: Cloud, patch: _OrganizationPatch, now: datetime) -> None:
    organization = cloud.organization(patch.organization)
    tiers = cloud.scenario.billing_tiers
    if patch.billing_tier is not UNSET and patch.billing_tier not in tiers:
        raise ScenarioError(f"patch.billing_tier: expected one of {', '.join(tiers)}, found {patch.billing_tier!r}")
    values = _given(patch, "organization", "add_invoices")
    if patch.invoices is not UNSET:
        values["invoices"] = [each.made(f"new{number}", now) for number, each in enumerate(patch.invoices)]
    if patch.usage is not UNSET:
        values["usage"] = tuple(each.made() for each in patch.usage)
    late = [each.made(f"late{len(organization.invoices)}", now) for each in patch.add_invoices]
    vars(organization).update(values)
    organization.invoices.extend(late)


def _given(patch: Record, *without: str) -> dict[str, object]:
    values = msgspec.structs.asdict(patch)
    return {name: value for name, value in values.items() if value is not UNSET and name not in without}
