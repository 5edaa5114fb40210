from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import FakeClient, answering
from unit.cloud_fakes import answer, make_context

BUDGET = {"monthly": 100.0, "warn_at": [0.8, 0.5]}


async def location_usage(
    subtotal: float, attributes: dict[str, object], start: str = "2026-11-01T00:00:00Z"
) -> dict[str, Any]:
    """An answer of `get_location_usage` at noon of 21 November: 0.683333 of the month have passed."""
    payer = billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id="own-org")
    start_date = Timestamp()
    start_date.FromJsonString(start)
    usage = billing_pb2.GetCurrentMonthUsageResponse(subtotal=subtotal, start_date=start_date)
    client = FakeClient(answering(payer), answering(usage))
    return await answer(make_context(client, attributes), {"command": "get_location_usage"})


async def test_an_answer_says_where_the_month_stands_in_its_budget() -> None:
    """Now, and as it is estimated to end: 41 after 0.683333 of the month makes 60."""
    assert (await location_usage(41.0, {"budget": BUDGET}))["budget"] == {
        "status": "ok",
        "monthly_budget": 100.0,
        "used_fraction": 0.41,
        "projected_status": "warning",
    }


async def test_an_answer_without_a_configured_budget_has_none() -> None:
    assert "budget" not in await location_usage(41.0, {})


async def test_a_budget_is_compared_with_the_cost_that_is_shown() -> None:
    """In whole cents: what is shown as 50.00 is half of 100."""
    found = await location_usage(49.995, {"budget": BUDGET})
    assert (found["month_to_date"], found["budget"]["status"], found["budget"]["used_fraction"]) == (50, "warning", 0.5)


async def test_an_estimate_that_reaches_the_budget_is_projected_to_exceed_it() -> None:
    budget = (await location_usage(68.34, {"budget": BUDGET}))["budget"]
    assert (budget["status"], budget["projected_status"]) == ("warning", "exceeded")


async def test_an_estimate_of_a_trillion_is_no_defect() -> None:
    """A cost that is an amount has an answer, whatever it would come to by the end of the month."""
    budget = (await location_usage(8e11, {"budget": BUDGET}))["budget"]
    assert (budget["status"], budget["projected_status"]) == ("exceeded", "exceeded")


async def test_without_an_estimate_a_budget_has_no_projected_status() -> None:
    """Early in the month, as little as the answer has a projection."""
    found = await location_usage(41.0, {"budget": BUDGET}, start="2026-11-21T11:00:00Z")
    assert "projection" not in found
    assert set(found["budget"]) == {"status", "monthly_budget", "used_fraction"}


async def test_the_thresholds_of_a_budget_are_half_and_four_fifths_unless_configured() -> None:
    assert (await location_usage(50.0, {"budget": {"monthly": 100.0}}))["budget"]["status"] == "warning"
