"""Makes up the usage that a machine which has run for half a year would have seen, in the module's `usage.db`."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from viam_billing.core.times import DAY_S
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import Point, UsageHistory
from viam_billing_sandbox.machine.scenes import month_cost
from viam_billing_sandbox.months import elapsed_fraction, month_start
from viam_billing_sandbox.scenario_file import COST_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from viam_billing_sandbox.scenario import Organization

_MONTHS: Final = 6
_WEEKEND_DAYS: Final = (5, 6)
_WEEKEND: Final = (0.55, 0.75)
_WORKDAY: Final = (0.85, 1.15)
_TREND: Final = {"logs_upload": 1.25, "binary_data_upload": 0.85, "simulation_compute": 0.9}
"""How many times as much a kind of usage cost in the month before, for each month back."""


async def write(folder: Path, address: str, payers: Iterable[Organization], now: datetime) -> None:
    """Writes the history before the module starts, with the cloud's figures of now as its end."""
    history = UsageHistory(Disk(), str(folder), address)
    for payer in payers:
        for ago in range(_MONTHS, -1, -1):
            for point in month(payer, ago, now):
                await history.note(payer.id, point)
    history.close()


def month(payer: Organization, ago: int, now: datetime) -> list[Point]:
    """Returns a point at the end of each day of a month, of this one up to yesterday; equal on every run.

    Earlier months cost what their invoices say; this one comes to what the cloud says it has cost by now.
    """
    start, end = month_start(now, -ago), min(month_start(now, 1 - ago), now)
    chance = random.Random(f"{payer.id} {start:%Y-%m}")  # noqa: S311 - made-up figures
    days = max(int((end - start) / timedelta(1)), 1)
    weights = [
        chance.uniform(*(_WEEKEND if (start + timedelta(day)).weekday() in _WEEKEND_DAYS else _WORKDAY))
        for day in range(days)
    ]
    if ago == 0:
        weights.append((end - start) / timedelta(1) % 1)
    names = {int(number): name for name, number in COST_TYPES.items()}
    costs: dict[str, float] = {}
    for source in payer.usage:
        for number, dollars in source.costs.items():
            name = names.get(number, f"unknown_{number}")
            costs[name] = costs.get(name, 0.0) + dollars * _TREND.get(name, 1.0) ** ago
    share, discount = _scale(payer, ago, sum(costs.values()), now)
    points = []
    for day in range(1, days + 1):
        part = share * sum(weights[:day]) / sum(weights)
        by_type = {name: dollars * part for name, dollars in costs.items()}
        cost = sum(by_type.values()) - discount * part
        points.append(Point(start.timestamp() + day * DAY_S - 1, start.timestamp(), cost, by_type))
    return [point for point in points if point.time_s < now.timestamp()]


def _scale(payer: Organization, ago: int, gross: float, now: datetime) -> tuple[float, float]:
    """Returns the share of the costs by type that the month has come to, and the discount on the whole of them."""
    if ago == 0:
        share = elapsed_fraction(now) if payer.usage_grows else 1.0
        return share, gross - month_cost(payer)
    billed = [invoice.amount for invoice in payer.invoices if invoice.date == month_start(now, -ago)]
    return (billed[0] / gross if billed and gross else 1.0), 0.0
