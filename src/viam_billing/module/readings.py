"""The sensor's readings: answers of the billing service, read strictly, laid out as flat numbers and texts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from viam_billing.core.times import to_rfc3339

Flat: TypeAlias = "dict[str, float | str | bool]"
Moment = Annotated[datetime, Meta(tz=True)]

COST_PREFIX: Final = "cost_"


class Projection(Struct, frozen=True):
    """Of `Usage`."""

    total: float


class Budget(Struct, frozen=True):
    """Of `Usage`, where the service has one."""

    used_fraction: float


class Usage(Struct, frozen=True):
    """What the sensor reads of an answer of `get_location_usage`."""

    location_id: str
    billing_organization_id: str
    month_to_date: float
    cost_by_type: dict[str, float]
    as_of: Moment
    stale: bool
    projection: Projection | None = None
    budget: Budget | None = None


class Invoices(Struct, frozen=True):
    """The same of `get_invoices_summary`."""

    outstanding_balance: float
    overdue_count: int
    as_of: Moment
    stale: bool


class Status(Struct, frozen=True):
    """The same of `get_status`, which has a version always, and figures of charges where its journal can be read."""

    version: str
    unknown_charges: int | None = None
    charged_last_24h: float | None = None


def flat(usage: Usage, invoices: Invoices | None, status: Status | None) -> Flat:
    """One reading: as old as its oldest part, stale if one is. What is not known is left out."""
    parts: list[Usage | Invoices] = [usage] if invoices is None else [usage, invoices]
    known = {
        "month_to_date": usage.month_to_date,
        "projected_total": usage.projection.total if usage.projection else None,
        "used_fraction": usage.budget.used_fraction if usage.budget else None,
        "outstanding_balance": invoices.outstanding_balance if invoices else None,
        "overdue_count": invoices.overdue_count if invoices else None,
        **{f"{COST_PREFIX}{kind}": dollars for kind, dollars in usage.cost_by_type.items()},
        "unknown_charges": status.unknown_charges if status else None,
        "charged_last_24h": status.charged_last_24h if status else None,
        "billing_organization_id": usage.billing_organization_id,
        "location_id": usage.location_id,
        "as_of": to_rfc3339(min(part.as_of for part in parts).timestamp()),
        "stale": any(part.stale for part in parts),
    }
    return {name: value for name, value in known.items() if value is not None}
