from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from unit.fleet_scene import FLEET, NOVEMBER_S, Fleet, small
from viam_billing.cache.queries import Reads
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.client import CloudClient
from viam_billing.commands.fleet import WORKERS
from viam_billing.core.errors import (
    BillingError,
    CloudError,
    CloudUnreachableError,
    KeyLacksPermissionError,
    KeyRejectedError,
    NotFoundError,
)


@pytest.mark.parametrize("error", [NotFoundError("gone."), KeyLacksPermissionError("no."), CloudError("oh.")])
async def test_a_location_that_fails_fails_alone(error: BillingError) -> None:
    """The others have their rows, and their payers theirs."""
    fleet = small()
    fleet.gateway.payers["c"] = error
    found = await fleet.ask(FLEET)
    assert [row for row in found["locations"] if "error" in row] == [
        {"location_id": "c", "name": "The c", "machine_count": 3, "error": {"code": error.code, "message": error.text}}
    ]
    assert [row["location_ids"] for row in found["organizations"]] == [["a"], ["b"]]
    assert (found["failed_count"], found["complete"], found["total_month_to_date"]) == (1, False, 30.01)


async def test_a_payer_that_fails_keeps_its_locations() -> None:
    """Who pays is known; the total is of the others."""
    fleet = small()
    fleet.bill("p", CloudError("oh."))
    found = await fleet.ask(FLEET)
    assert found["organizations"][0] == {
        "org_id": "p",
        "location_ids": ["a", "c"],
        "error": {"code": "cloud_error", "message": "oh."},
    }
    assert all("error" not in row for row in found["locations"])
    assert (found["failed_count"], found["complete"], found["total_month_to_date"]) == (1, False, 20.0)


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), 1e12])
async def test_a_cost_that_is_none_fails_its_row_only(cost: float) -> None:
    fleet = small()
    fleet.bill("p", cost)
    found = await fleet.ask(FLEET)
    assert found["organizations"][0]["error"]["code"] == "cloud_error"
    assert (found["failed_count"], found["total_month_to_date"]) == (1, 20.0)


@pytest.mark.parametrize("month_start_s", [None, NOVEMBER_S])
async def test_a_cost_that_is_none_is_not_kept(month_start_s: float | None) -> None:
    """Also where the cloud does not tell the month."""
    fleet = small()
    fleet.gateway.month_start_s = month_start_s
    fleet.bill("p", float("nan"))
    await fleet.ask(FLEET)
    fleet.bill("p", 10.004)
    assert (await fleet.ask(FLEET))["total_month_to_date"] == 30.01


async def test_a_remembered_cost_that_is_none_fails_its_row_only() -> None:
    fleet = small()
    fleet.memory.put("usage:p", {"subtotal": "NaN"})
    found = await fleet.ask(FLEET)
    assert found["organizations"][0]["error"]["code"] == "cloud_error"
    assert (found["failed_count"], found["total_month_to_date"]) == (1, 20.0)


async def test_a_location_without_a_payer_is_a_failed_row() -> None:
    fleet = small()
    fleet.gateway.payers["c"] = ""
    found = await fleet.ask(FLEET)
    assert found["locations"][1]["error"]["code"] == "not_found"
    assert "update_location_billing_organization" in found["locations"][1]["error"]["message"]
    assert (found["failed_count"], found["complete"]) == (1, False)


async def test_a_rejected_key_is_the_calls_error() -> None:
    """Thousands of rows must not each log in with it."""
    fleet = Fleet()
    names = [f"l{number}" for number in range(500)]
    fleet.bill("p", 1.0, *names)
    fleet.gateway.away = KeyRejectedError("no.")
    assert (await fleet.refused(FLEET, location_ids=names)).code == "key_rejected"
    assert len(fleet.gateway.asked) <= WORKERS


async def test_without_a_key_the_call_says_so() -> None:
    """In place of a failed row for each location."""
    fleet = Fleet(api_key=None, api_key_id=None)
    gateway = CloudClient(Calls(None, Counters(), 20.0))
    reads = Reads(gateway, fleet.cache, fleet.context.config, fleet.clock)
    fleet.context = structs.replace(fleet.context, gateway=gateway, reads=reads)
    assert (await fleet.refused(FLEET, location_ids=["a"])).code == "not_configured"


async def test_last_known_rows_serve_while_the_cloud_is_away() -> None:
    """The answer says that it is stale; what is not known fails."""
    fleet = small()
    await fleet.ask(FLEET)
    fleet.clock.now_s += 1000
    fleet.bill("p", 10.0, "d")
    fleet.gateway.away = CloudUnreachableError("no route.")
    found = await fleet.ask(FLEET, location_ids=["a", "b", "d"])
    assert (found["stale"], found["stale_reason"]) == (True, "cloud_unreachable")
    assert [row.get("error", {}).get("code") for row in found["locations"]] == [None, None, "cloud_unreachable"]
    assert (found["total_month_to_date"], found["failed_count"]) == (30.01, 1)


async def test_a_fleet_of_which_nothing_is_known_says_so() -> None:
    """It is stale and has neither a time nor a made-up total."""
    fleet = small()
    fleet.gateway.away = CloudUnreachableError("no route.")
    found = await fleet.ask(FLEET, location_ids=["a", "b"])
    assert {name: value for name, value in found.items() if name not in {"locations", "organizations"}} == {
        "failed_count": 2,
        "complete": False,
        "stale": True,
        "stale_reason": "cloud_unreachable",
    }


async def test_a_list_does_not_make_rows_fresh_that_have_all_failed() -> None:
    """It was read before the cloud went away, and has the answer's time."""
    fleet = small()
    await fleet.ask(FLEET)
    for name in ("a", "b", "c"):
        fleet.cache.drop(f"payer:{name}")
    fleet.gateway.away = CloudUnreachableError("no route.")
    found = await fleet.ask(FLEET)
    assert (found["as_of"], found["stale_reason"]) == ("2026-11-21T12:00:00Z", "cloud_unreachable")
    assert "total_month_to_date" not in found


async def test_rows_that_the_cloud_refuses_are_not_stale() -> None:
    fleet = small()
    fleet.gateway.payers = {"a": NotFoundError("gone."), "b": CloudUnreachableError("no route.")}
    found = await fleet.ask(FLEET, location_ids=["a", "b"])
    assert (found["stale"], "stale_reason" in found, "as_of" in found) == (False, False, False)
    assert "total_month_to_date" not in found


async def test_rows_that_the_callers_time_does_not_reach_time_out() -> None:
    """The answer still comes in that time, with what is known; rows that were not reached are not asked later."""
    fleet = small()
    await fleet.ask("get_location_billing_organization", location_id="a")
    await fleet.ask("get_current_month_usage", org_id="p")
    fleet.gateway.hold.clear()
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    names = ["a", *(f"l{number}" for number in range(500))]
    fleet.bill("q", 1.0, *names[1:])
    found = await fleet.ask_within(2.0, FLEET, location_ids=names)
    assert loop.time() - started_s < 10  # a read's own time is 20 s
    assert {row["error"]["code"] for row in found["locations"][1:]} == {"cloud_timeout"}
    assert (found["failed_count"], found["total_month_to_date"], found["stale"]) == (500, 10.0, False)
    assert len(fleet.gateway.asked) <= WORKERS + 2
    fleet.cache.close()


async def test_rows_that_are_not_reached_may_be_the_last_known_ones() -> None:
    """As with any other answer that the cloud did not give in time."""
    fleet = small()
    await fleet.ask(FLEET)
    fleet.clock.now_s += 1000
    found = await fleet.ask_within(0, FLEET, location_ids=["a", "b"])
    assert (found["stale_reason"], found["failed_count"], found["total_month_to_date"]) == ("cloud_timeout", 0, 30.01)


async def test_the_time_for_a_call_is_that_of_each_row() -> None:
    """`timeout_s` may be shorter than the whole takes: it ends a row and not the call."""
    fleet = Fleet(timeout_s=0.05)
    fleet.bill("p", 1.0, "a", *(f"l{number}" for number in range(200)))
    for name in ("a", "l0"):
        await fleet.ask("get_location_billing_organization", location_id=name)
    fleet.gateway.hold.clear()
    found = await fleet.ask(FLEET)
    assert found["failed_count"] == 200
    assert [row["location_id"] for row in found["locations"] if "error" not in row] == ["a", "l0"]
    fleet.cache.close()
