"""Months as the cloud may tell them, of any dates and with credits: an answer is remembered and stands in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.faulty_cloud import back
from support.module_process import Service
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.months import month_start, utc_now

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOCATION = "pier7hl001"
"""Harbor Logistics pays for it."""
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
COST = 60.0
EVERYTHING = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]}

Make = Callable[..., Awaitable[Service]]
Dates = dict[str, str | None]


def first(zone_h: float, months: int = 0) -> datetime:
    """The first of this month, or of one that many ahead, at midnight of a zone so many hours behind UTC."""
    zone = timedelta(hours=zone_h)
    return month_start(utc_now() - zone, months) + zone


def told(start: datetime | None, end: datetime | None) -> Dates:
    """What the cloud is to tell."""
    start_date, end_date = (None if date is None else date.isoformat() for date in (start, end))
    return {"usage_start": start_date, "usage_end": end_date}


GOOD_ENDS: dict[str, Callable[[float], datetime | None]] = {
    "the next first": lambda zone_h: first(zone_h, 1),
    "the last second": lambda zone_h: first(zone_h, 1) - SECOND,
    "none": lambda _: None,
    "counted until now": lambda _: utc_now(),
    "counted until the end of the hour": lambda _: utc_now() + HOUR,
    "counted until yesterday": lambda _: utc_now() - DAY,
    "the year 1": lambda _: datetime(1, 1, 1, tzinfo=timezone.utc),
    "the year 9999": lambda _: datetime(9999, 12, 31, tzinfo=timezone.utc),
}
SENSELESS_STARTS: dict[str, Callable[[], datetime | None]] = {
    "none": lambda: None,
    "the year 1": lambda: datetime(1, 1, 1, tzinfo=timezone.utc),
    "half a year ago": lambda: month_start(utc_now(), -6),
    "two weeks ahead": lambda: utc_now() + 14 * DAY,
}


@pytest.fixture
def tell(control: SandboxControl) -> Callable[[Dates], None]:
    """Has the cloud tell a month with these dates, in which 60 dollars have been spent."""
    usage = [{"costs": {"per_machine": 50.0, "logs_upload": 10.0}}]
    return lambda dates: control.patch_organization(HARBOR_ID, usage=usage, usage_grows=False, **dates)


async def stale_answer(billing: Service, control: SandboxControl) -> dict[str, Any]:
    """What is answered while the cloud is away; it is back afterwards."""
    control.go_dark()
    answer = await billing.ask("get_current_month_usage", org_id=HARBOR_ID, max_age_s=0)
    control.clear_faults()
    await back(billing)
    return answer


@pytest.mark.parametrize("zone_h", [0, 5, -14])
@pytest.mark.parametrize("end", GOOD_ENDS)
async def test_a_month_runs_from_first_to_first_in_its_zone(
    make: Make, control: SandboxControl, tell: Callable[[Dates], None], zone_h: float, end: str
) -> None:
    """Whatever the cloud's end says; its answer is remembered, stands in, leaves a point and is projected."""
    billing = await make(**EVERYTHING)
    start, end_of_month = first(zone_h), first(zone_h, 1)
    tell(told(start, GOOD_ENDS[end](zone_h)))
    answer = await billing.ask("get_current_month_usage", org_id=HARBOR_ID, max_age_s=0)
    calls = control.stats().calls["GetCurrentMonthUsage"]
    assert (await billing.ask("get_current_month_usage", org_id=HARBOR_ID)) == answer
    assert control.stats().calls["GetCurrentMonthUsage"] == calls
    elapsed = (utc_now() - start) / (end_of_month - start)
    assert ("projection" in answer) == (elapsed >= 0.05)
    if "projection" in answer:
        assert answer["projection"]["elapsed_fraction"] == pytest.approx(elapsed, abs=1e-4)
        assert answer["projection"]["total"] == pytest.approx(COST / elapsed, rel=1e-3)
    (month,) = (await billing.ask("get_usage_history", org_id=HARBOR_ID, step="month", by="type"))["points"]
    assert (month["month_to_date"], month["delta"]) == (COST, COST)
    assert month["delta_by_type"] == {"per_machine": 50.0, "logs_upload": 10.0}
    assert await stale_answer(billing, control) == {**answer, "stale": True, "stale_reason": "cloud_unreachable"}


@pytest.mark.parametrize("end", ["the next first", "none", "counted until now", "the year 1", "the year 9999"])
@pytest.mark.parametrize("start", SENSELESS_STARTS)
async def test_a_start_that_makes_no_sense_is_none(
    make: Make, control: SandboxControl, tell: Callable[[Dates], None], start: str, end: str
) -> None:
    """Nothing is projected, compared or made up of it; the answer is remembered and stands in all the same."""
    billing = await make(**EVERYTHING, budget={"monthly": 100.0, "warn_at": [0.5]})
    tell(told(SENSELESS_STARTS[start](), GOOD_ENDS[end](0)))
    answer = await billing.ask("get_current_month_usage", org_id=HARBOR_ID, max_age_s=0)
    assert (answer["subtotal"], "projection" in answer) == (COST, False)
    assert (await billing.ask("get_usage_history", org_id=HARBOR_ID))["points"] == []
    compared = await billing.ask("compare_usage", org_id=HARBOR_ID)
    assert compared.keys() == {"org_id", "month_to_date", "by_type", "as_of", "stale"}
    crossed = [(await billing.ask("check_budget", org_id=HARBOR_ID, max_age_s=0))["newly_crossed"] for _ in range(2)]
    assert crossed == [[0.5], []]
    assert (await stale_answer(billing, control))["stale"] is True


async def test_an_answer_of_a_month_that_has_ended_is_told_once(
    make: Make, control: SandboxControl, tell: Callable[[Dates], None]
) -> None:
    """The cloud has not begun the new month: each caller gets its own answer, and none stands in."""
    billing = await make(**EVERYTHING)
    tell(told(first(0, -1), first(0)))
    answer = await billing.ask("get_current_month_usage", org_id=HARBOR_ID)
    assert (answer["subtotal"], "projection" in answer) == (COST, False)
    await billing.ask("get_current_month_usage", org_id=HARBOR_ID)
    assert control.stats().calls["GetCurrentMonthUsage"] == 2


async def test_a_month_of_credits_is_told_as_it_is(make: Make, control: SandboxControl) -> None:
    """In usage, budget, fleet, history and comparison: below 0, and projected to no less."""
    billing = await make(**EVERYTHING, budget={"monthly": 100.0, "warn_at": [0.5]})
    usage = [{"costs": {"per_machine": 30.0, "logs_upload": -80.5}}]
    control.patch_organization(HARBOR_ID, usage=usage, usage_grows=False, **told(first(0), None))
    answer = await billing.ask("get_location_usage", location_id=LOCATION, max_age_s=0)
    assert (answer["month_to_date"], answer["cost_by_type"]) == (-50.5, {"per_machine": 30.0, "logs_upload": -80.5})
    if "projection" in answer:
        assert answer["projection"]["total"] == -50.5
    budget = await billing.ask("check_budget", location_id=LOCATION)
    assert (budget["status"], budget["used_fraction"], budget["thresholds_crossed"]) == ("ok", -0.505, [])
    fleet = await billing.ask("get_fleet_usage", location_ids=[LOCATION])
    assert (fleet["total_month_to_date"], fleet["complete"]) == (-50.5, True)
    (month,) = (await billing.ask("get_usage_history", location_id=LOCATION, step="month", by="type"))["points"]
    assert (month["delta"], month["delta_by_type"]["logs_upload"]) == (-50.5, -80.5)
    compared = await billing.ask("compare_usage", location_id=LOCATION)
    assert (compared["location_id"], compared["billing_organization_id"]) == (LOCATION, HARBOR_ID)
    assert (compared["month_to_date"], compared["by_type"][-1]) == (-50.5, {"type": "logs_upload", "now": -80.5})


async def test_a_credit_note_is_an_invoice_below_zero(make: Make, control: SandboxControl) -> None:
    billing = await make(**EVERYTHING)
    note = {"id": "credit-1", "amount": -25.5, "hours_ago": 1, "status": "outstanding"}
    before = await billing.ask("get_invoices_summary", org_id=HARBOR_ID, max_age_s=0)
    control.patch_organization(HARBOR_ID, add_invoices=[note])
    answer = await billing.ask("get_invoices_summary", org_id=HARBOR_ID, max_age_s=0)
    assert (answer["invoices"][0]["id"], answer["invoices"][0]["invoice_amount"]) == ("credit-1", -25.5)
    assert answer["outstanding_balance"] == pytest.approx(before["outstanding_balance"] - 25.5)
    assert answer["overdue_count"] == before["overdue_count"]
