"""The data of the sandbox's cloud: keys, organizations with usage and invoices, locations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from viam.gen.app.v1 import billing_pb2

DEFAULT_API_KEY_ID: Final = "0b3f7d5e-9c1a-4f62-8e57-2d4c6a8b9e10"
"""The ID of the default scenario's key, an owner of every organization."""
DEFAULT_API_KEY: Final = "sandbox-owner-key-worthless-elsewhere"
DEFAULT_ORG_ID: Final = "6f1c2d3e-4b5a-4c69-9d78-1a2b3c4d5e6f"
"""Fleet Works, which owns most locations and pays for the default one."""
DEFAULT_LOCATION_ID: Final = "wh1north01"
DEFAULT_PATH: Final = Path(__file__).with_name("scenario.json")


@dataclass(frozen=True)
class Key:
    """An API key; only owners' keys may use billing."""

    id: str
    secret: str
    is_owner: bool
    organizations: tuple[str, ...]

    def owns(self, org_id: str) -> bool:
        """Whether the key belongs to an organization; `*` stands for all."""
        return org_id in self.organizations or "*" in self.organizations


@dataclass(frozen=True)
class UsageSource:
    """Costs in dollars by UsageCostType: of the whole month if `Organization.usage_grows`, else so far."""

    source_type: billing_pb2.SourceType.ValueType
    costs: Mapping[int, float]
    tier_name: str = ""
    discount: float = 0.0


@dataclass(frozen=True)
class Invoice:
    """An invoice; its PDF is made on request."""

    id: str
    date: datetime
    amount: float
    status: str
    due_date: datetime
    paid_date: datetime | None = None
    failure_reason: str = ""
    failure_at: datetime | None = None
    description: str = "Usage of the month"


@dataclass
class Organization:
    """An organization; calls may change it."""

    id: str
    name: str
    billing_email: str
    billing_tier: str
    tells_tier: bool
    usage: tuple[UsageSource, ...]
    usage_grows: bool
    invoices: list[Invoice]
    card: billing_pb2.PaymentMethodCard | None = None
    bank: billing_pb2.PaymentMethodUSBankAccount | None = None
    pdf_size_bytes: int = 0
    usage_start: datetime | UnsetType | None = UNSET
    """The `start_date` of usage; None: left out; unset: the calendar month's in UTC. `usage_end` likewise."""
    usage_end: datetime | UnsetType | None = UNSET


@dataclass
class Location:
    """A location; without a billing organization the API names none."""

    id: str
    name: str
    organization_id: str
    billing_organization_id: str
    robot_count: int


@dataclass
class Scenario:
    """All data, organizations and locations by ID."""

    keys: tuple[Key, ...]
    billing_tiers: tuple[str, ...]
    organizations: dict[str, Organization]
    locations: dict[str, Location]
