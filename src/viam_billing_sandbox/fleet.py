"""Makes a fleet of any size by rule, for benchmarks."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox.months import month_start
from viam_billing_sandbox.scenario import (
    DEFAULT_API_KEY,
    DEFAULT_API_KEY_ID,
    DEFAULT_LOCATION_ID,
    DEFAULT_ORG_ID,
    Invoice,
    Key,
    Location,
    Organization,
    Scenario,
    UsageSource,
)

if TYPE_CHECKING:
    from datetime import datetime

_TIERS: Final = ("standard", "fleet", "enterprise")
_MONTHS: Final = 12


def generate(locations: int, organizations: int, now: datetime) -> Scenario:
    """Returns a fleet; equal numbers give equal fleets.

    The default key, organization and location are in it. That organization owns every location; location N is billed
    to organization N modulo their number.
    """
    org_ids = [DEFAULT_ORG_ID] + [str(uuid.UUID(int=number)) for number in range(1, organizations)]
    location_ids = [DEFAULT_LOCATION_ID] + [f"loc{number:07d}" for number in range(1, locations)]
    return Scenario(
        keys=(Key(DEFAULT_API_KEY_ID, DEFAULT_API_KEY, is_owner=True, organizations=("*",)),),
        billing_tiers=_TIERS,
        organizations={org_id: _organization(number, org_id, now) for number, org_id in enumerate(org_ids)},
        locations={
            location_id: Location(
                id=location_id,
                name=f"Location {number}",
                organization_id=DEFAULT_ORG_ID,
                billing_organization_id=org_ids[number % organizations],
                robot_count=number % 20,
            )
            for number, location_id in enumerate(location_ids)
        },
    )


def _organization(number: int, org_id: str, now: datetime) -> Organization:
    costs = {
        billing_pb2.USAGE_COST_TYPE_PER_MACHINE: 30.0 * (number + 1),
        billing_pb2.USAGE_COST_TYPE_BINARY_DATA_UPLOAD: 1.5 * (number + 1),
        billing_pb2.USAGE_COST_TYPE_LOGS_UPLOAD: 0.25 * (number + 1),
    }
    return Organization(
        id=org_id,
        name=f"Organization {number}",
        billing_email=f"billing{number}@example.com",
        billing_tier=_TIERS[number % len(_TIERS)],
        tells_tier=True,
        usage=(UsageSource(billing_pb2.SOURCE_TYPE_ORG, {int(kind): dollars for kind, dollars in costs.items()}),),
        usage_grows=True,
        invoices=[_invoice(number, month_start(now, -ago)) for ago in range(_MONTHS, 0, -1)],
        card=billing_pb2.PaymentMethodCard(brand="visa", last_four_digits="4242"),
    )


def _invoice(number: int, date: datetime) -> Invoice:
    return Invoice(
        id=f"G{number}-{date:%Y-%m}",
        date=date,
        amount=round(31.75 * (number + 1), 2),
        status="paid",
        due_date=date + timedelta(days=14),
        paid_date=date + timedelta(days=3),
    )
