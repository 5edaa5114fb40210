"""Reads a scenario from JSON (docs/sandbox.md has its form) and makes its relative dates absolute."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox.months import month_start
from viam_billing_sandbox.scenario import Invoice, Key, Location, Organization, Scenario, UsageSource
from viam_billing_sandbox.strict import Amount, Count, Date, Record, ScenarioError, Text, read

_SOURCES: Final = {"org": billing_pb2.SOURCE_TYPE_ORG, "fragment": billing_pb2.SOURCE_TYPE_FRAGMENT}
_COST_PREFIX: Final = "USAGE_COST_TYPE_"
_ENUM_END: Final = 2**31
_PAID_AFTER: Final = timedelta(days=3)
COST_TYPES: Final = {
    name.removeprefix(_COST_PREFIX).lower(): number for name, number in billing_pb2.UsageCostType.items()
}


class UsageRecord(Record, frozen=True):
    """A source of usage."""

    costs: dict[str, float] = msgspec.field(default_factory=dict)
    source: Literal["org", "fragment"] = "org"
    tier_name: str = ""
    discount: Amount = 0.0

    def made(self) -> UsageSource:
        """Returns it with the numbers of its cost types; one may be unknown to this build.

        Raises:
            ScenarioError: A cost type is neither a known name nor a number.
        """
        costs: dict[int, float] = {}
        for name, dollars in self.costs.items():
            if name not in COST_TYPES and not (name.isdecimal() and int(name) < _ENUM_END):
                raise ScenarioError(f"costs: {name!r} is no kind of usage; {', '.join(COST_TYPES)} are, and any number")
            costs[COST_TYPES[name] if name in COST_TYPES else int(name)] = dollars
        return UsageSource(_SOURCES[self.source], costs, self.tier_name, self.discount)


class InvoiceRecord(Record, frozen=True):
    """An invoice, below 0 a credit note, dated `months_ago` (the first of that month) or `hours_ago`."""

    amount: float
    months_ago: Annotated[int, msgspec.Meta(ge=1)] | None = None
    hours_ago: Amount | None = None
    id: str = ""
    status: str = "paid"
    due_in_days: Amount = 14.0
    failure_reason: str = ""
    failed_after_days: Amount = 3.0
    description: str = Invoice.description

    def __post_init__(self) -> None:
        if (self.months_ago is None) == (self.hours_ago is None):
            raise ScenarioError("either months_ago or hours_ago is needed")

    def made(self, prefix: str, now: datetime) -> Invoice:
        """Returns it with absolute dates; `prefix` is for the ID that it gets where it has none."""
        date = month_start(now, -self.months_ago) if self.months_ago else now - timedelta(hours=self.hours_ago or 0.0)
        return Invoice(
            id=self.id or f"{prefix}-{date:%Y-%m}",
            date=date,
            amount=self.amount,
            status=self.status,
            due_date=date + timedelta(days=self.due_in_days),
            paid_date=min(date + _PAID_AFTER, now) if self.status == "paid" else None,
            failure_reason=self.failure_reason,
            failure_at=date + timedelta(days=self.failed_after_days) if self.failure_reason else None,
            description=self.description,
        )


class _Card(Record, frozen=True):
    brand: Text
    last_four_digits: Text


class _Verification(Record, frozen=True):
    arrival_in_days: Amount
    hosted_verification_page_url: Text


class _BankAccount(Record, frozen=True):
    bank_name: Text
    last_four_digits_account_number: Text
    routing_number: Text
    account_type: Text
    verification: _Verification | None = None


class _Payment(Record, frozen=True):
    card: _Card | None = None
    us_bank_account: _BankAccount | None = None


class _Organization(Record, frozen=True):
    id: Text
    name: Text
    billing_tier: Text
    billing_email: str = ""
    tells_tier: bool = True
    payment: _Payment = _Payment()
    usage: tuple[UsageRecord, ...] = ()
    usage_grows: bool = True
    invoices: tuple[InvoiceRecord, ...] = ()
    invoice_prefix: str = ""
    pdf_size_bytes: Count = 0
    usage_start: Date | msgspec.UnsetType | None = msgspec.UNSET
    usage_end: Date | msgspec.UnsetType | None = msgspec.UNSET


class _Location(Record, frozen=True):
    id: Text
    name: Text
    organization_id: Text
    billing_organization_id: str = ""
    robot_count: Count = 0


class _Key(Record, frozen=True):
    id: Text
    key: Text
    organizations: tuple[Text, ...]
    role: Literal["owner", "machine"] = "owner"


class _Scenario(Record, frozen=True):
    billing_tiers: tuple[Text, ...]
    keys: Annotated[tuple[_Key, ...], msgspec.Meta(min_length=1)]
    organizations: Annotated[tuple[_Organization, ...], msgspec.Meta(min_length=1)]
    locations: tuple[_Location, ...] = ()


def load(path: Path, now: datetime) -> Scenario:
    """Reads a scenario file.

    Raises:
        ScenarioError: The file cannot be read or is wrong; the text is one line.
    """
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ScenarioError(f"cannot read it: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ScenarioError(f"not JSON: {error}") from error
    return parse(document, now)


def parse(document: object, now: datetime) -> Scenario:
    """Checks a scenario and makes its dates absolute.

    Raises:
        ScenarioError: The first thing that is wrong, with its place.
    """
    record = read(document, _Scenario, "scenario")
    for name, ids in (("organizations", record.organizations), ("locations", record.locations)):
        _unique((each.id for each in ids), f"scenario.{name}")
    known = {each.id for each in record.organizations}
    for key in record.keys:
        _among(key.organizations, {"*", *known}, f"scenario.keys: organizations of {key.id!r}")
    for organization in record.organizations:
        _among(
            [organization.billing_tier], record.billing_tiers, f"scenario.organizations: tier of {organization.id!r}"
        )
    for location in record.locations:
        payers = [location.organization_id, *filter(None, [location.billing_organization_id])]
        _among(payers, known, f"scenario.locations: organizations of {location.id!r}")
    return Scenario(
        keys=tuple(Key(each.id, each.key, each.role == "owner", each.organizations) for each in record.keys),
        billing_tiers=record.billing_tiers,
        organizations={each.id: _organization(each, now) for each in record.organizations},
        locations={each.id: Location(**msgspec.structs.asdict(each)) for each in record.locations},
    )


def _organization(record: _Organization, now: datetime) -> Organization:
    prefix = record.invoice_prefix or record.id[:8]
    invoices = [each.made(prefix, now) for each in record.invoices]
    _unique((each.id for each in invoices), f"scenario.organizations: invoices of {record.id!r}")
    card, bank = record.payment.card, record.payment.us_bank_account
    return Organization(
        id=record.id,
        name=record.name,
        billing_email=record.billing_email,
        billing_tier=record.billing_tier,
        tells_tier=record.tells_tier,
        usage=tuple(each.made() for each in record.usage),
        usage_grows=record.usage_grows,
        invoices=invoices,
        card=None if card is None else billing_pb2.PaymentMethodCard(**msgspec.structs.asdict(card)),
        bank=None if bank is None else _bank_account(bank, now),
        pdf_size_bytes=record.pdf_size_bytes,
        usage_start=record.usage_start,
        usage_end=record.usage_end,
    )


def _bank_account(record: _BankAccount, now: datetime) -> billing_pb2.PaymentMethodUSBankAccount:
    bank = billing_pb2.PaymentMethodUSBankAccount(
        bank_name=record.bank_name,
        last_four_digits_account_number=record.last_four_digits_account_number,
        routing_number=record.routing_number,
        account_type=record.account_type,
    )
    if record.verification is not None:
        arrival = now + timedelta(days=record.verification.arrival_in_days)
        bank.verification_info.arrival_date = int(arrival.timestamp())
        bank.verification_info.hosted_verification_page_url = record.verification.hosted_verification_page_url
    return bank


def _unique(ids: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise ScenarioError(f"{place}: the id {each!r} is there twice")
        seen.add(each)


def _among(values: Iterable[str], known: Iterable[str], place: str) -> None:
    known = set(known)
    for value in values:
        if value not in known:
            raise ScenarioError(f"{place}: {value!r} is none of {', '.join(sorted(known))}")
