"""Reads a scenario from JSON: strictly, and with its relative dates made absolute (the form is in docs/sandbox.md)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox.months import month_start
from viam_billing_sandbox.reader import Reader, ScenarioError
from viam_billing_sandbox.scenario import Invoice, Key, Location, Organization, Scenario, UsageSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

_ROLES: Final = {"owner": True, "machine": False}
_SOURCES: Final = {"org": billing_pb2.SOURCE_TYPE_ORG, "fragment": billing_pb2.SOURCE_TYPE_FRAGMENT}
_COST_PREFIX: Final = "USAGE_COST_TYPE_"
_ENUM_END: Final = 2**31
COST_TYPES: Final = {
    name.removeprefix(_COST_PREFIX).lower(): number for name, number in billing_pb2.UsageCostType.items()
}


def load(path: Path, now: datetime) -> Scenario:
    """Reads a scenario file.

    Raises:
        ScenarioError: The file cannot be read or is wrong; the text is one line.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise ScenarioError(f"not JSON: {error}") from error
    return parse(document, now)


def parse(document: object, now: datetime) -> Scenario:
    """Checks a scenario and makes its dates absolute.

    Raises:
        ScenarioError: The first thing that is wrong, with its place.
    """
    top = Reader(document, "scenario")
    tiers = top.texts("billing_tiers")
    organizations: dict[str, Organization] = {}
    for reader in top.inners("organizations"):
        organization = _organization(reader, tiers, now)
        if organization.id in organizations:
            raise reader.wrong("id", f"{organization.id!r} is there twice")
        organizations[organization.id] = organization
    locations: dict[str, Location] = {}
    for reader in top.inners("locations"):
        location = _location(reader, organizations)
        if location.id in locations:
            raise reader.wrong("id", f"{location.id!r} is there twice")
        locations[location.id] = location
    keys = tuple(_key(reader, organizations) for reader in top.inners("keys"))
    top.end()
    if not keys or not organizations:
        raise ScenarioError("scenario: at least one key and one organization are needed")
    return Scenario(keys, tiers, organizations, locations)


def usage_source(reader: Reader) -> UsageSource:
    """Reads a source of usage; a cost type is its name in lower case, or a number, known to this build or not."""
    costs: dict[int, float] = {}
    for name, dollars in reader.numbers("costs").items():
        if name not in COST_TYPES and not (name.isdecimal() and int(name) < _ENUM_END):
            raise reader.wrong("costs", f"{name!r} is no kind of usage; {', '.join(COST_TYPES)} are, and any number")
        costs[COST_TYPES[name] if name in COST_TYPES else int(name)] = dollars
    source = UsageSource(
        source_type=reader.choice("source", _SOURCES, "org"),
        costs=costs,
        tier_name=reader.text("tier_name", ""),
        discount=reader.number("discount", 0.0),
    )
    reader.end()
    return source


def invoice(reader: Reader, prefix: str, now: datetime) -> Invoice:
    """Reads an invoice, dated `months_ago` (the first of that month) or `hours_ago`."""
    if ("months_ago" in reader) == ("hours_ago" in reader):
        raise reader.wrong("months_ago", "either months_ago or hours_ago is needed")
    if "hours_ago" in reader:
        date = now - timedelta(hours=reader.number("hours_ago"))
    else:
        date = month_start(now, -reader.integer("months_ago", at_least=1))
    status = reader.text("status", "paid")
    failure_reason = reader.text("failure_reason", "")
    failed_after_days = reader.number("failed_after_days", 3.0)
    due_date = date + timedelta(days=reader.number("due_in_days", 14.0))
    made = Invoice(
        id=reader.text("id", f"{prefix}-{date:%Y-%m}"),
        date=date,
        amount=reader.number("amount"),
        status=status,
        due_date=due_date,
        paid_date=min(date + timedelta(days=3), now) if status == "paid" else None,
        failure_reason=failure_reason,
        failure_at=date + timedelta(days=failed_after_days) if failure_reason else None,
        description=reader.text("description", Invoice.description),
    )
    reader.end()
    return made


def _organization(reader: Reader, tiers: tuple[str, ...], now: datetime) -> Organization:
    org_id = reader.text("id")
    card, bank = _payment(reader.inner("payment"), now)
    prefix = reader.text("invoice_prefix", org_id[:8])
    made = Organization(
        id=org_id,
        name=reader.text("name"),
        billing_email=reader.text("billing_email", ""),
        billing_tier=reader.choice("billing_tier", {tier: tier for tier in tiers}),
        tells_tier=reader.flag("tells_tier", default=True),
        usage=tuple(usage_source(inner) for inner in reader.inners("usage")),
        usage_grows=reader.flag("usage_grows", default=True),
        invoices=[invoice(inner, prefix, now) for inner in reader.inners("invoices")],
        card=card,
        bank=bank,
        pdf_size_bytes=reader.integer("pdf_size_bytes", 0),
    )
    reader.end()
    if len({each.id for each in made.invoices}) < len(made.invoices):
        raise reader.wrong("invoices", "two of them have the same id (by default: invoice_prefix and month)")
    return made


def _payment(
    reader: Reader, now: datetime
) -> tuple[billing_pb2.PaymentMethodCard | None, billing_pb2.PaymentMethodUSBankAccount | None]:
    card, bank = None, None
    if "card" in reader:
        inner = reader.inner("card")
        card = billing_pb2.PaymentMethodCard(brand=inner.text("brand"), last_four_digits=inner.text("last_four_digits"))
        inner.end()
    if "us_bank_account" in reader:
        inner = reader.inner("us_bank_account")
        bank = billing_pb2.PaymentMethodUSBankAccount(
            bank_name=inner.text("bank_name"),
            last_four_digits_account_number=inner.text("last_four_digits_account_number"),
            routing_number=inner.text("routing_number"),
            account_type=inner.text("account_type"),
        )
        if "verification" in inner:
            verification = inner.inner("verification")
            arrival = now + timedelta(days=verification.number("arrival_in_days"))
            bank.verification_info.arrival_date = int(arrival.timestamp())
            bank.verification_info.hosted_verification_page_url = verification.text("hosted_verification_page_url")
            verification.end()
        inner.end()
    reader.end()
    return card, bank


def _location(reader: Reader, organizations: Mapping[str, Organization]) -> Location:
    known = {org_id: org_id for org_id in organizations}
    made = Location(
        id=reader.text("id"),
        name=reader.text("name"),
        organization_id=reader.choice("organization_id", known),
        billing_organization_id=reader.choice("billing_organization_id", {"": "", **known}, ""),
        robot_count=reader.integer("robot_count", 0),
    )
    reader.end()
    return made


def _key(reader: Reader, organizations: Mapping[str, Organization]) -> Key:
    made = Key(
        id=reader.text("id"),
        secret=reader.text("key"),
        is_owner=reader.choice("role", _ROLES, "owner"),
        organizations=reader.texts("organizations"),
    )
    reader.end()
    for org_id in made.organizations:
        if org_id != "*" and org_id not in organizations:
            raise reader.wrong("organizations", f"{org_id!r} is none of the organizations")
    return made
