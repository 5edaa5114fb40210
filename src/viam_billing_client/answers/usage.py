"""Records of what usage costs: this month, a fleet, the budget, the history, the month before."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from viam_billing_client.answers.base import Answer, CloudAnswer, Costs, RowError


class Projection(Answer, frozen=True, kw_only=True):
    """An estimate of the month's total as of the answer's `as_of`."""

    total: Decimal
    """US dollars in whole cents."""
    low: Decimal | None = None
    """The true total lies between `low` and `high` in 8 of 10 months; None if too little is known."""
    high: Decimal | None = None
    method: str
    """`straight_line`, or `history` where the machine has seen days of this and earlier months."""
    elapsed_fraction: float
    """The part of the month that has passed, 0 to 1."""


class Budget(Answer, frozen=True, kw_only=True):
    """Where the month stands in the service's budget."""

    status: str
    """`ok`, `warning` or `exceeded`."""
    monthly_budget: Decimal
    """US dollars in whole cents."""
    used_fraction: float
    """The part of it that is used; above 1 if it is exceeded."""
    projected_status: str | None = None
    """What `status` would be at the projection's total."""


class LocationUsage(CloudAnswer, frozen=True, kw_only=True):
    """What the organization that pays for a location has cost this month."""

    location_id: str
    billing_organization_id: str
    month_to_date: Decimal
    """US dollars in whole cents since the month began."""
    cost_by_type: Costs
    projection: Projection | None = None
    budget: Budget | None = None
    """None where the service has no budget."""
    start_date: datetime | None = None
    end_date: datetime | None = None


class FleetOrganization(Answer, frozen=True, kw_only=True):
    """What one organization has cost this month, and the locations it pays for; or why that is not known."""

    org_id: str
    location_ids: tuple[str, ...]
    month_to_date: Decimal | None = None
    """US dollars in whole cents; None where there is an `error`."""
    projection: Projection | None = None
    error: RowError | None = None


class FleetLocation(Answer, frozen=True, kw_only=True):
    """Who pays for one location, or why that is not known."""

    location_id: str
    name: str | None = None
    machine_count: int | None = None
    billing_organization_id: str | None = None
    """None where there is an `error`."""
    error: RowError | None = None


class FleetUsage(CloudAnswer, frozen=True, kw_only=True):
    """What the locations of a fleet cost this month, by the organization that pays."""

    organizations: tuple[FleetOrganization, ...]
    locations: tuple[FleetLocation, ...]
    total_month_to_date: Decimal | None = None
    """US dollars in whole cents: the sum of the costs that are known; None where none is."""
    failed_count: int
    """How many rows of both kinds have an `error`."""
    complete: bool
    """Whether no row failed and no location was left out."""
    out_of_scope_count: int | None = None
    """Locations of the organization that the service may not see; None where locations were listed."""


class BudgetCheck(CloudAnswer, frozen=True, kw_only=True):
    """Where the month stands in the budget, and which thresholds are crossed, as parts of the budget (0.5, 1.0)."""

    location_id: str | None = None
    billing_organization_id: str | None = None
    org_id: str | None = None
    month_to_date: Decimal
    """US dollars in whole cents since the month began."""
    status: str
    """`ok`, `warning` or `exceeded`."""
    monthly_budget: Decimal
    """US dollars in whole cents."""
    used_fraction: float
    """The part of it that is used; above 1 if it is exceeded."""
    projected_status: str | None = None
    """What `status` would be at the projection's total."""
    thresholds_crossed: tuple[float, ...]
    newly_crossed: tuple[float, ...]
    """Those that no earlier check of this month found crossed: reported once, to the first caller."""
    projected_thresholds_crossed: tuple[float, ...]
    """Those that the projection reaches by the month's end."""
    newly_projected: tuple[float, ...]


class UsagePoint(Answer, frozen=True, kw_only=True):
    """One hour, day or month of the history."""

    time: datetime
    """When the last figure of the hour, day or month was seen."""
    month_to_date: Decimal
    """US dollars in whole cents since the month began."""
    delta: Decimal | None = None
    """What it has cost, negative after a credit; None if the cost at its start was not recorded."""
    delta_by_type: Costs | None = None


class UsageHistory(Answer, frozen=True, kw_only=True):
    """An organization's cost as the machine has seen it, oldest first."""

    org_id: str
    location_id: str | None = None
    points: tuple[UsagePoint, ...]
    as_of: datetime | None = None
    """If a location was given: when the cloud said who pays for it. None otherwise, like `stale`."""
    stale: bool | None = None
    stale_reason: str | None = None


class TypeComparison(Answer, frozen=True, kw_only=True):
    """One kind of usage in this month and the one before, in US dollars, whole cents."""

    type: str
    now: Decimal
    before: Decimal | None = None
    change: Decimal | None = None


class UsageComparison(CloudAnswer, frozen=True, kw_only=True):
    """This month against the one before at the same point. Amounts are US dollars in whole cents."""

    org_id: str | None = None
    location_id: str | None = None
    billing_organization_id: str | None = None
    month_to_date: Decimal
    previous_month_to_date: Decimal | None = None
    change: Decimal | None = None
    change_fraction: float | None = None
    """The change as a part of `previous_month_to_date`."""
    previous_total: Decimal | None = None
    """What the month before came to."""
    by_type: tuple[TypeComparison, ...]
    """The largest change first."""


class UsageCost(Answer, frozen=True, kw_only=True):
    """The cost of one kind of usage, in US dollars as the API has it."""

    resource_type: str | int
    """The API's name, such as `USAGE_COST_TYPE_PER_MACHINE`; the number of one that the module does not know."""
    cost: Decimal


class ResourceUsageCosts(Answer, frozen=True, kw_only=True):
    """Costs of one source, in US dollars as the API has them."""

    usage_costs: tuple[UsageCost, ...] = ()
    discount: Decimal
    total_with_discount: Decimal
    total_without_discount: Decimal


class SourceCosts(Answer, frozen=True, kw_only=True):
    """What an organization, or a fragment in it, has cost."""

    source_type: str | int
    tier_name: str
    resource_usage_costs: ResourceUsageCosts | None = None


class MonthUsage(CloudAnswer, frozen=True, kw_only=True):
    """What an organization has cost this month, as Viam's API has it."""

    org_id: str
    subtotal: Decimal
    """US dollars, not rounded."""
    resource_usage_costs_by_source: tuple[SourceCosts, ...]
    cost_by_type: Costs
    projection: Projection | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
