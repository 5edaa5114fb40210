from __future__ import annotations

from datetime import datetime, timezone

import msgspec
import pytest

from viam_billing.module.sensor import Readings, flat
from viam_billing.module.sensor_client import Budget, Invoices, Projection, Status, Usage

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
LATER = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=timezone.utc)

USAGE = Usage("wh1north01", "org", 12.5, {"per_machine": 10.0, "unknown_99": 2.5}, NOON, stale=False)
INVOICES = Invoices(80.25, 2, LATER, stale=False)


def test_a_reading_of_usage_alone() -> None:
    """What is not known is left out, not 0."""
    assert flat(USAGE, None, None) == {
        "month_to_date": 12.5,
        "cost_per_machine": 10.0,
        "cost_unknown_99": 2.5,
        "billing_organization_id": "org",
        "location_id": "wh1north01",
        "as_of": "2026-11-21T12:00:00Z",
        "stale": False,
    }


def test_a_complete_reading() -> None:
    usage = msgspec.structs.replace(USAGE, projection=Projection(20.0, 18.0, 22.0), budget=Budget(0.0))
    readings = flat(usage, INVOICES, Status("1", 0, 0.0))
    only_there = {name: value for name, value in readings.items() if name not in flat(USAGE, None, None)}
    assert only_there == {
        "projected_total": 20.0,
        "projected_low": 18.0,
        "projected_high": 22.0,
        "used_fraction": 0.0,
        "outstanding_balance": 80.25,
        "overdue_count": 2,
        "unknown_charges": 0,
        "charged_last_24h": 0.0,
    }


def test_figures_of_charges_that_the_service_does_not_know_are_left_out() -> None:
    assert flat(USAGE, None, Status("1")) == flat(USAGE, None, None)


@pytest.mark.parametrize(
    ("usage_as_of", "invoices_as_of", "as_of"),
    [
        (NOON, LATER, "2026-11-21T12:00:00Z"),
        (LATER, NOON, "2026-11-21T12:00:00Z"),
        (LATER, LATER, "2026-11-21T12:00:00.250Z"),
    ],
)
def test_a_reading_is_as_old_as_its_oldest_part(usage_as_of: datetime, invoices_as_of: datetime, as_of: str) -> None:
    """By time, not by its letters: 12:00:00Z is before 12:00:00.250Z."""
    usage = msgspec.structs.replace(USAGE, as_of=usage_as_of)
    invoices = msgspec.structs.replace(INVOICES, as_of=invoices_as_of)
    assert flat(usage, invoices, None)["as_of"] == as_of


@pytest.mark.parametrize(
    ("usage_stale", "invoices_stale"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_a_reading_is_stale_if_a_part_is(usage_stale: bool, invoices_stale: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    usage = msgspec.structs.replace(USAGE, stale=usage_stale)
    invoices = msgspec.structs.replace(INVOICES, stale=invoices_stale)
    assert flat(usage, invoices, None)["stale"] is (usage_stale or invoices_stale)


def test_readings_are_numbers_texts_and_one_flag() -> None:
    """Nothing nested, which a query or a trigger would have to take apart."""
    usage = msgspec.structs.replace(USAGE, projection=Projection(20.0), budget=Budget(0.5))
    readings: Readings = flat(usage, INVOICES, Status("1", 1, 2.0))
    assert {name for name, value in readings.items() if isinstance(value, bool)} == {"stale"}
    assert all(isinstance(value, (int, float, str)) for value in readings.values())
