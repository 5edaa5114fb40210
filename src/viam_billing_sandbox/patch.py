"""Changes of the cloud's state from outside: what no call of the API can do, and what a test needs to have happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from viam_billing_sandbox.reader import Reader
from viam_billing_sandbox.scenario_file import invoice, usage_source

if TYPE_CHECKING:
    from datetime import datetime

    from viam_billing_sandbox.cloud import Cloud

_TEXTS: Final = ("name", "billing_email")
_FLAGS: Final = ("tells_tier", "usage_grows")


def apply(cloud: Cloud, request: object, now: datetime) -> None:
    """Changes one organization or one location; the other names are those of the scenario.

    A wrong request changes nothing.

    Raises:
        ScenarioError: Something in it is wrong.
        Refused: There is no such organization or location.
    """
    reader = Reader(request, "patch")
    if "location" in reader:
        _location(cloud, reader)
    else:
        _organization(cloud, reader, now)


def _location(cloud: Cloud, reader: Reader) -> None:
    location = cloud.location(reader.text("location"))
    values: dict[str, object] = {}
    if "billing_organization_id" in reader:
        known = {"": "", **{org_id: org_id for org_id in cloud.scenario.organizations}}
        values["billing_organization_id"] = reader.choice("billing_organization_id", known, "")
    if "name" in reader:
        values["name"] = reader.text("name")
    if "robot_count" in reader:
        values["robot_count"] = reader.integer("robot_count")
    reader.end()
    vars(location).update(values)


def _organization(cloud: Cloud, reader: Reader, now: datetime) -> None:
    organization = cloud.organization(reader.text("organization"))
    values: dict[str, object] = {name: reader.text(name, "") for name in _TEXTS if name in reader}
    values.update({name: reader.flag(name, default=True) for name in _FLAGS if name in reader})
    if "billing_tier" in reader:
        values["billing_tier"] = reader.choice("billing_tier", {tier: tier for tier in cloud.scenario.billing_tiers})
    if "usage" in reader:
        values["usage"] = tuple(usage_source(inner) for inner in reader.inners("usage"))
    if "pdf_size_bytes" in reader:
        values["pdf_size_bytes"] = reader.integer("pdf_size_bytes")
    late = [invoice(inner, f"late{len(organization.invoices)}", now) for inner in reader.inners("add_invoices")]
    reader.end()
    vars(organization).update(values)
    organization.invoices.extend(late)
