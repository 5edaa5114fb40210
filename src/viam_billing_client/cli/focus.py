"""Makes FOCUS 1.0 rows (the FinOps Open Cost and Usage Specification) of a history by day and type; no I/O.

    history with step="day" and by="type"  ->  one row for each day, organization and kind of usage
                                               one more where the day's cost is not the sum of its kinds: a credit

A day that is not over has no row: FOCUS takes the end of a charge period for passed, and the day's cost still grows.
A day of which nobody knows what it has cost has none either; `days_not_known` counts those.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from viam_billing_client import answers

VALIDATED_NAMES: Final = {
    "ChargeType": "ChargeCategory",
    "InvoiceIssuer": "InvoiceIssuerName",
    "Provider": "ProviderName",
    "Publisher": "PublisherName",
    "ResourceID": "ResourceId",
}
"""Names that the foundation's validator 1.0.0 looks for, and those of the specification: a file has both."""

COLUMNS: Final = (
    *("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "BillingCurrency"),
    *("BillingAccountId", "BillingAccountName", "SubAccountId", "SubAccountName"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ProviderName", "PublisherName", "InvoiceIssuerName", "ServiceCategory", "ServiceName"),
    *("SkuId", "SkuPriceId", "PricingCategory", "PricingQuantity", "PricingUnit", "ListUnitPrice"),
    *("ContractedUnitPrice", "ConsumedQuantity", "ConsumedUnit"),
    *("ResourceId", "ResourceName", "ResourceType", "RegionId", "RegionName", "AvailabilityZone"),
    *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName"),
    *("CommitmentDiscountStatus", "CommitmentDiscountType", "Tags"),
    *VALIDATED_NAMES,
)
"""In the order of the file. What Viam does not tell is empty, which is how FOCUS writes null."""

_VIAM: Final = "Viam"
_LATEST_ZONE: Final = timedelta(hours=14)
"""A billing month may begin so long before the first of the month in UTC."""
_KIND_CENT: Final = Decimal("0.01")


def focus_rows(
    history: answers.UsageHistory, account_name: str = "", *, until: datetime | None = None
) -> Iterator[dict[str, str]]:
    """The rows, oldest first, each with all COLUMNS; costs are US dollars.

    `history` is of `get_usage_history` with step "day" and by "type"; `account_name` names its organization. Days of
    UTC that end after `until` (now) have no row: give it where the history was asked for until then.
    """
    before: answers.UsagePoint | None = None
    month = (0, 0)
    for point in _days_over(history, until):
        month = _billing_month(point, before, month)
        before = point
        if point.delta is None:
            continue
        kinds = point.delta_by_type or {}
        of_day = _of_day(history.org_id, account_name, month, point.time)
        for kind, cost in sorted(kinds.items()):
            yield _row(of_day, cost, kind)
        rest = point.delta - sum(kinds.values(), Decimal())
        if rest or not kinds:
            yield _row(of_day, rest, "", rounding=bool(kinds) and abs(rest) <= _KIND_CENT * len(kinds))


def days_not_known(history: answers.UsageHistory, until: datetime | None = None) -> int:
    """How many days that are over have no row: nobody saw what they began with."""
    return sum(point.delta is None for point in _days_over(history, until))


def _days_over(history: answers.UsageHistory, until: datetime | None) -> list[answers.UsagePoint]:
    now = datetime.now(timezone.utc)
    end = min(until or now, now)
    return [point for point in history.points if _day_start(point.time) + timedelta(days=1) <= end]


def _day_start(time: datetime) -> datetime:
    return time.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


def _of_day(org_id: str, account_name: str, month: tuple[int, int], time: datetime) -> dict[str, str]:
    start = _day_start(time)
    return {
        **dict.fromkeys(COLUMNS, ""),
        **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName", "ServiceName"), _VIAM),
        "ServiceCategory": "Internet of Things",
        "BillingCurrency": "USD",
        "BillingAccountId": org_id,
        "BillingAccountName": account_name,
        "BillingPeriodStart": _month_start(*month),
        "BillingPeriodEnd": _month_start(*_next_month(*month)),
        "ChargePeriodStart": _written(start),
        "ChargePeriodEnd": _written(start + timedelta(days=1)),
    }


def _row(of_day: dict[str, str], cost: Decimal, kind: str, *, rounding: bool = False) -> dict[str, str]:
    amount = f"{cost:.2f}"
    row = of_day | dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), amount)
    if rounding:
        row |= {"ChargeCategory": "Adjustment", "ChargeDescription": "Rounding to whole cents"}
    elif cost < 0:
        row |= {"ChargeCategory": "Credit", "ChargeDescription": f"Credit, {kind}" if kind else "Discounts and credits"}
    else:  # Viam reports no quantities and no prices: one day of a kind is what is priced
        row |= {
            "ChargeCategory": "Usage",
            "ChargeDescription": kind or "Usage",
            "SkuId": kind or "usage",
            "SkuPriceId": kind or "usage",
            "PricingCategory": "Standard",
            **dict.fromkeys(("PricingQuantity", "ConsumedQuantity"), "1"),
            **dict.fromkeys(("PricingUnit", "ConsumedUnit"), "Days"),
            **dict.fromkeys(("ListUnitPrice", "ContractedUnitPrice"), amount),
        }
    row["ChargeFrequency"] = "Usage-Based" if row["ChargeCategory"] == "Usage" else "One-Time"
    return row | {name: row[specified] for name, specified in VALIDATED_NAMES.items()}


def _billing_month(
    point: answers.UsagePoint, before: answers.UsagePoint | None, month: tuple[int, int]
) -> tuple[int, int]:
    """The year and month that a day is billed in.

    It is the calendar's, but near its ends, where the month may begin in another time zone than UTC: there the figures
    tell. They go on from the day before, or begin anew.
    """
    time = point.time.astimezone(timezone.utc)
    if before is not None and point.delta is not None:
        goes_on = point.month_to_date - point.delta == before.month_to_date
        begins = point.month_to_date == point.delta
        if goes_on and not begins:
            near = {(each.year, each.month) for each in (time - timedelta(days=1), time, time + _LATEST_ZONE)}
            return month if month in near else (time.year, time.month)
        if begins and not goes_on:
            time += _LATEST_ZONE
    return time.year, time.month


def _next_month(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - of a year


def _month_start(year: int, month: int) -> str:
    return _written(datetime(year, month, 1, tzinfo=timezone.utc))


def _written(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
