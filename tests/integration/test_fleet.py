"""get_fleet_usage over a fleet of 3,000 locations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from support.module_process import Service, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

Make = Callable[..., Awaitable[Service]]

FLEET = {"command": "get_fleet_usage"}
LOCATIONS, ORGANIZATIONS = 3000, 40
ORG_1 = "00000000-0000-0000-0000-000000000001"
PAYER, USAGE = "GetLocationBillingOrganization", "GetCurrentMonthUsage"
ALL = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]}
LONG_S = 120
"""The test's own patience: it waits for an answer and asks for no speed."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[SandboxProcess]:
    """A fleet, in which location N is billed to organization N modulo their number."""
    with SandboxProcess("--quiet", "--locations", str(LOCATIONS), "--organizations", str(ORGANIZATIONS)) as running:
        yield running


def location(number: int) -> str:
    """Its ID."""
    return f"loc{number:07d}" if number else DEFAULT_LOCATION_ID


def errors(rows: list[dict[str, Any]], name: str) -> dict[str, str]:
    """The rows that failed, with their codes."""
    return {row[name]: row["error"]["code"] for row in rows if "error" in row}


async def test_a_fleet_is_read_whole(make: Make, control: SandboxControl) -> None:
    """Each location and each payer is asked once, never more than 32 at a time; the same again asks nothing."""
    service = await make(**ALL)
    found = await service.do(FLEET, timeout_s=LONG_S)
    stats = control.stats()
    assert {name: stats.calls[name] for name in stats.calls if name != "Authenticate"} == {
        "ListLocations": 1,
        PAYER: LOCATIONS,
        USAGE: ORGANIZATIONS,
    }
    assert stats.max_in_flight <= 32
    assert [row["location_id"] for row in found["locations"]] == [location(number) for number in range(LOCATIONS)]
    assert [len(row["location_ids"]) for row in found["organizations"]] == [LOCATIONS // ORGANIZATIONS] * ORGANIZATIONS
    assert (found["complete"], found["failed_count"], found["out_of_scope_count"]) == (True, 0, 0)
    assert found["total_month_to_date"] == pytest.approx(
        sum(row["month_to_date"] for row in found["organizations"]), abs=0.01 * ORGANIZATIONS
    )
    assert found["locations"][41] == {
        "location_id": "loc0000041",
        "name": "Location 41",
        "machine_count": 1,
        "billing_organization_id": ORG_1,
    }
    control.reset_stats()
    commands: list[dict[str, Any]] = [FLEET, FLEET, {"get_fleet_usage": {}}]
    for command in commands:  # made of rows in memory, then the message that was made
        again = await service.do(command, timeout_s=LONG_S)
        assert again.get("get_fleet_usage", again) == found
    assert control.stats().calls == {}


async def test_rows_that_fail_fail_alone(make: Make, control: SandboxControl) -> None:
    """Whatever the cloud's way of failing is; all others are there, and the total is theirs."""
    for fault in (
        Fault(PAYER, status="NOT_FOUND", only_for=location(100)),
        Fault(PAYER, status="PERMISSION_DENIED", only_for=location(101)),
        Fault(PAYER, status="INTERNAL", only_for=location(102)),
        Fault(PAYER, status="UNAVAILABLE", only_for=location(103)),
        Fault(PAYER, never_answer=True, only_for=location(104)),
        Fault(PAYER, drop_connection=True, only_for=location(105), count=1),
        Fault(USAGE, status="INTERNAL", only_for=ORG_1),
    ):
        control.set_fault(fault)
    control.patch_location(location(106), billing_organization_id="")
    service = await make(**ALL, timeout_s=5)
    found = await service.do(FLEET, timeout_s=LONG_S)
    control.patch_location(location(106), billing_organization_id="00000000-0000-0000-0000-000000000026")
    assert errors(found["locations"], "location_id") == {
        location(100): "not_found",
        location(101): "key_lacks_permission",
        location(102): "cloud_error",
        location(103): "cloud_unreachable",
        location(104): "cloud_timeout",
        location(106): "not_found",
    }
    assert errors(found["organizations"], "org_id") == {ORG_1: "cloud_error"}
    assert (found["failed_count"], found["complete"], found["stale"]) == (7, False, False)
    known = [row["month_to_date"] for row in found["organizations"] if "error" not in row]
    assert len(known) == ORGANIZATIONS - 1
    assert found["total_month_to_date"] == pytest.approx(sum(known), abs=0.01 * ORGANIZATIONS)
    assert control.stats().max_in_flight <= 32


async def test_rows_that_are_tried_again_and_again_fail_alone(make: Make, control: SandboxControl) -> None:
    """Each for as long as a call lasts; the rows behind them are done by then."""
    names = [location(number) for number in range(400)]
    for name in names[:250]:
        control.set_fault(Fault(PAYER, status="UNAVAILABLE", only_for=name))
    service = await make(**ALL, timeout_s=3)
    found = await service.do({**FLEET, "location_ids": names}, timeout_s=30)
    failed = errors(found["locations"], "location_id")
    assert failed.keys() == set(names[:250])
    assert set(failed.values()) <= {"cloud_unreachable", "cloud_timeout"}  # as its time ends
    assert found["failed_count"] == 250
    assert control.stats().max_in_flight <= 32


async def test_listed_locations_are_all_in_scope_or_none_is_asked(make: Make, control: SandboxControl) -> None:
    """A listed one outside refuses the call; by organization, those outside are left out and counted."""
    service = await make(allowed_location_ids=[location(1), location(2)])
    refusal = await refused(service.ask("get_fleet_usage", location_ids=[location(1), location(3)]))
    assert refusal.code == "out_of_scope"
    assert control.stats().calls == {}
    found = await service.ask("get_fleet_usage", location_ids=[location(2), location(1)])
    assert [row["location_id"] for row in found["locations"]] == [location(2), location(1)]
    found = await service.ask("get_fleet_usage", org_id=DEFAULT_ORG_ID)
    assert (len(found["locations"]), found["out_of_scope_count"], found["complete"]) == (2, LOCATIONS - 2, False)
    assert control.stats().calls[PAYER] == 2


async def test_a_cloud_that_goes_away_leaves_what_is_known(make: Make, control: SandboxControl) -> None:
    """Every row as it was last known, marked as such; a row that was never known fails."""
    service = await make(**ALL)
    known = await service.do({**FLEET, "location_ids": [location(1), location(2)]})
    assert known["stale"] is False
    control.go_dark()
    found = await service.do({**FLEET, "location_ids": [location(1), location(2), location(3)], "max_age_s": 0})
    assert (found["stale"], found["stale_reason"]) == (True, "cloud_unreachable")
    assert errors(found["locations"], "location_id") == {location(3): "cloud_unreachable"}
    assert found["total_month_to_date"] == known["total_month_to_date"]
