from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import FakeClient, answering
from unit.cloud_fakes import answer, make_context
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S, from_rfc3339
from viam_billing.usage.forecast import Projection, budget_status, crossed, month_end_s, straight_line, used_fraction

START_S = from_rfc3339("2026-11-01T00:00:00Z")
END_S = from_rfc3339("2026-12-01T00:00:00Z")

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


def test_the_rest_of_the_month_costs_as_much_per_second() -> None:
    """Half of the month for 50 makes 100."""
    assert straight_line(50.0, START_S, END_S, START_S + 15 * DAY_S) == Projection(100.0, "straight_line", 0.5)


def test_the_end_of_the_month_is_its_cost() -> None:
    """With nothing left to estimate."""
    projection = straight_line(77.77, START_S, END_S, END_S - 0.001)
    assert projection is not None
    assert projection.total == 77.77


def test_a_twentieth_of_the_month_is_enough() -> None:
    """36 hours of 30 days."""
    projection = straight_line(1.0, START_S, END_S, START_S + 1.5 * DAY_S)
    assert projection == Projection(20.0, "straight_line", 0.05)


def test_less_than_a_twentieth_is_not_enough() -> None:
    """An estimate would be noise."""
    assert straight_line(1.0, START_S, END_S, START_S + 1.5 * DAY_S - 1) is None


@pytest.mark.parametrize("end_s", [None, START_S, START_S + 10 * DAY_S, START_S + 15 * DAY_S])
def test_without_a_good_end_the_month_runs_to_the_next_one(end_s: float | None) -> None:
    """Where the API's end is missing or not after the moment of the answer."""
    projection = straight_line(50.0, START_S, end_s, START_S + 15 * DAY_S)
    assert projection is not None
    assert (projection.total, projection.elapsed_fraction) == (100.0, 0.5)


def test_an_end_after_the_answer_counts() -> None:
    """Whatever the calendar says."""
    projection = straight_line(50.0, START_S, START_S + 20 * DAY_S, START_S + 10 * DAY_S)
    assert projection is not None
    assert projection.elapsed_fraction == 0.5


def test_a_start_in_the_future_gives_no_estimate() -> None:
    """A wrong clock on the robot must not make up figures."""
    assert straight_line(50.0, END_S, None, START_S) is None


def test_a_start_after_the_end_gives_no_estimate() -> None:
    """Nothing is divided by nothing."""
    assert straight_line(50.0, END_S, END_S, END_S - 1) is None


def test_no_cost_is_no_cost() -> None:
    """An estimate of 0 is an estimate."""
    projection = straight_line(0.0, START_S, END_S, START_S + 15 * DAY_S)
    assert projection is not None
    assert projection.total == 0.0


def test_an_estimate_is_in_whole_cents() -> None:
    """10 over a third of the month, half up."""
    projection = straight_line(10.001, START_S, END_S, START_S + 10 * DAY_S)
    assert projection is not None
    assert projection.total == 30.0


def test_an_end_that_is_not_ahead_is_no_end_of_the_month() -> None:
    """The next calendar month is: the one after the start, or after the answer where no start is told."""
    assert month_end_s(START_S, END_S, START_S) == END_S
    assert month_end_s(START_S, START_S, START_S) == END_S
    assert month_end_s(START_S, None, END_S + DAY_S) == END_S
    assert month_end_s(None, None, START_S) == END_S


@pytest.mark.parametrize("end_s", [END_S, None])
@pytest.mark.parametrize("late_s", [0, 5, 3 * DAY_S])
def test_a_month_that_has_ended_has_no_estimate(end_s: float | None, late_s: float) -> None:
    """The cloud may answer the old month for a while, or the robot's clock be ahead: it does not run on for a month."""
    assert straight_line(1000.0, START_S, end_s, END_S + late_s) is None


@pytest.mark.parametrize(
    ("cents", "status"),
    [
        (-1, "ok"),
        (0, "ok"),
        (4_999, "ok"),
        (5_000, "warning"),
        (8_000, "warning"),
        (9_999, "warning"),
        (10_000, "exceeded"),
        (10_001, "exceeded"),
    ],
)
def test_a_budget_warns_from_its_lowest_threshold_and_is_exceeded_from_all_of_it(cents: int, status: str) -> None:
    """Each to the cent, in whatever order the thresholds are written."""
    assert budget_status(Cents(cents), Cents(10_000), (0.8, 0.5)) == status


@pytest.mark.parametrize(("share", "cents"), [(0.07, 7), (0.29, 29), (0.57, 57), (0.58, 58)])
def test_a_threshold_is_the_decimal_that_was_written(share: float, cents: int) -> None:
    """0.07, 0.29, 0.57 and 0.58 of 100 are no whole numbers in doubles."""
    assert budget_status(Cents(cents - 1), Cents(100), (share,)) == "ok"
    assert budget_status(Cents(cents), Cents(100), (share,)) == "warning"


def test_a_budget_without_thresholds_never_warns() -> None:
    """It is kept or exceeded."""
    assert [budget_status(Cents(cents), Cents(100), ()) for cents in (99, 100)] == ["ok", "exceeded"]


def test_a_threshold_of_nothing_always_warns() -> None:
    """Even before the first cent."""
    assert budget_status(Cents(0), Cents(100), (0.0,)) == "warning"


def test_a_threshold_of_all_is_the_end_of_the_budget() -> None:
    """Which is told as such."""
    assert [budget_status(Cents(cents), Cents(100), (1.0,)) for cents in (99, 100)] == ["ok", "exceeded"]


@pytest.mark.parametrize(
    ("cents", "thresholds"),
    [
        (-1, []),
        (4_999, []),
        (5_000, [0.5]),
        (7_999, [0.5]),
        (8_000, [0.5, 0.8]),
        (9_999, [0.5, 0.8]),
        (10_000, [0.5, 0.8, 1.0]),
        (99_999, [0.5, 0.8, 1.0]),
    ],
)
def test_a_threshold_is_crossed_when_the_cost_has_reached_it(cents: int, thresholds: list[float]) -> None:
    """To the cent; lowest first, in whatever order they are written, and the whole budget is one of them."""
    assert crossed(Cents(cents), Cents(10_000), (0.8, 0.5)) == thresholds


@pytest.mark.parametrize("warn_at", [(), (1.0,), (1.0, 1.0)])
def test_the_whole_budget_is_crossed_once(warn_at: tuple[float, ...]) -> None:
    """Whether or not it is written as a threshold."""
    assert [crossed(Cents(cents), Cents(100), warn_at) for cents in (99, 100)] == [[], [1.0]]


@pytest.mark.parametrize("share", [0.07, 0.29, 0.57, 0.58])
def test_what_is_crossed_and_what_warns_is_the_same(share: float) -> None:
    """0.07, 0.29, 0.57 and 0.58 of 100 are no whole numbers in doubles."""
    for cents in range(101):
        status = budget_status(Cents(cents), Cents(100), (share,))
        reached = crossed(Cents(cents), Cents(100), (share,))
        assert status == {0: "ok", 1: "warning", 2: "exceeded"}[len(reached)]


@pytest.mark.parametrize(
    ("cents", "budget", "fraction"), [(0, 100, 0.0), (50, 100, 0.5), (100, 100, 1.0), (250, 100, 2.5), (1, 3, 0.333333)]
)
def test_the_used_part_of_a_budget_goes_on_above_all_of_it(cents: int, budget: int, fraction: float) -> None:
    """To six digits."""
    assert used_fraction(Cents(cents), Cents(budget)) == fraction


async def test_an_answer_says_where_the_month_stands_in_its_budget() -> None:
    """Now, and as it is estimated to end: 41 after 0.683333 of the month makes 60."""
    assert (await location_usage(41.0, {"budget": BUDGET}))["budget"] == {
        "status": "ok",
        "monthly_budget": 100.0,
        "used_fraction": 0.41,
        "projected_status": "warning",
    }


async def test_an_answer_without_a_configured_budget_has_none() -> None:
    """Not even an empty one."""
    assert "budget" not in await location_usage(41.0, {})


async def test_a_budget_is_compared_with_the_cost_that_is_shown() -> None:
    """In whole cents: what is shown as 50.00 is half of 100."""
    found = await location_usage(49.995, {"budget": BUDGET})
    assert (found["month_to_date"], found["budget"]["status"], found["budget"]["used_fraction"]) == (50, "warning", 0.5)


async def test_an_estimate_that_reaches_the_budget_is_projected_to_exceed_it() -> None:
    """The status of today is another matter."""
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
    """So 50 of 100 is a warning."""
    assert (await location_usage(50.0, {"budget": {"monthly": 100.0}}))["budget"]["status"] == "warning"
