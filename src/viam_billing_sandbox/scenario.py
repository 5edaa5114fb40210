"""What the sandbox's cloud knows at its start: keys, organizations with usage and invoices, locations.

scenario_file.py reads it from JSON, fleet.py makes a large one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from viam.gen.app.v1 import billing_pb2

DEFAULT_API_KEY_ID: Final = "0b3f7d5e-9c1a-4f62-8e57-2d4c6a8b9e10"
"""The id of the default scenario's key, an owner of every organization."""
DEFAULT_API_KEY: Final = "sandbox-owner-key-worthless-elsewhere"
DEFAULT_ORG_ID: Final = "6f1c2d3e-4b5a-4c69-9d78-1a2b3c4d5e6f"
"""Fleet Works, which owns most locations and pays for the default one."""
DEFAULT_LOCATION_ID: Final = "wh1north01"
DEFAULT_PATH: Final = Path(__file__).with_name("scenario.json")


@dataclass(frozen=True)
class Key:
    """An API key; only an owner's may use billing."""

    id: str
    secret: str
    is_owner: bool
    organizations: tuple[str, ...]

    def owns(self, org_id: str) -> bool:
        """Says whether the organization is among the key's own; `*` stands for all."""
        return org_id in self.organizations or "*" in self.organizations


@dataclass(frozen=True)
class UsageSource:
    """Dollars by the number of their UsageCostType, of a whole month or up to now (see `Organization.usage_grows`)."""

    source_type: billing_pb2.SourceType.ValueType
    costs: Mapping[int, float]
    tier_name: str = ""
    discount: float = 0.0


@dataclass(frozen=True)
class Invoice:
    """An invoice as the summary tells it; the PDF is made when somebody asks for it."""

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
    """An organization; what calls change is changed here."""

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


@dataclass
class Location:
    """A location; an empty billing organization means that the API names none."""

    id: str
    name: str
    organization_id: str
    billing_organization_id: str
    robot_count: int


@dataclass
class Scenario:
    """Everything above, by id."""

    keys: tuple[Key, ...]
    billing_tiers: tuple[str, ...]
    organizations: dict[str, Organization]
    locations: dict[str, Location]
