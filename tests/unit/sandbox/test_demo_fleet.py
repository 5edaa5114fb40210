from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from viam_billing.usage.forecast import HISTORY, projected
from viam_billing_sandbox.demo.fleet import days_before
from viam_billing_sandbox.months import elapsed_fraction, month_start

MONTHLY = 1926.0
FIRST = datetime(2026, 2, 1, 13, 30, tzinfo=timezone.utc)
TIMES = [FIRST + timedelta(day, seconds=day) for day in range(0, 365, 5)]
"""Over twelve months, which begin on every day of the week, each date of a month now and then."""


@pytest.mark.parametrize("now", TIMES, ids=lambda now: str(now.date()))
def test_the_made_up_days_rise_to_what_the_cloud_tells(now: datetime) -> None:
    """One point for each day before, none of them later or higher than now."""
    cost = MONTHLY * elapsed_fraction(now)
    points = days_before(now, cost)
    costs = [point.cost for point in points]
    assert len(points) == now.day - 1
    assert costs == sorted(costs)
    assert all(0 < point.cost < cost and point.time_s < now.timestamp() for point in points)


@pytest.mark.parametrize("now", [now for now in TIMES if now.day > 5], ids=lambda now: str(now.date()))
def test_the_fee_is_not_carried_on(now: datetime) -> None:
    """So that what the module has learnt shows beside the straight line, whenever the demonstration is run."""
    cost = MONTHLY * elapsed_fraction(now)
    seen = [(point.time_s, point.month_start_s, point.cost) for point in days_before(now, cost)]
    estimate = projected(cost, month_start(now).timestamp(), month_start(now, 1).timestamp(), now.timestamp(), seen)
    assert estimate is not None
    assert estimate.method == HISTORY
    assert cost < estimate.total < MONTHLY
