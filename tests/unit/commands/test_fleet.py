from __future__ import annotations

import pytest

from unit.fleet_scene import FLEET, Fleet, small
from viam_billing.core.errors import NotFoundError


async def test_a_fleet_has_a_row_for_each_location_and_each_payer() -> None:
    """In the cloud's order; the total adds the unrounded costs first."""
    found = await small().ask(FLEET)
    assert found == {
        "organizations": [
            {
                "org_id": "p",
                "location_ids": ["a", "c"],
                "month_to_date": 10.0,
                "projection": found["organizations"][0]["projection"],
            },
            {
                "org_id": "q",
                "location_ids": ["b"],
                "month_to_date": 20.0,
                "projection": found["organizations"][1]["projection"],
            },
        ],
        "locations": [
            {"location_id": name, "name": f"The {name}", "machine_count": 3, "billing_organization_id": payer}
            for name, payer in (("a", "p"), ("c", "p"), ("b", "q"))
        ],
        "total_month_to_date": 30.01,
        "failed_count": 0,
        "complete": True,
        "out_of_scope_count": 0,
        "as_of": "2026-11-21T12:00:00Z",
        "stale": False,
    }
    assert set(found["organizations"][0]["projection"]) == {"total", "method", "elapsed_fraction"}


async def test_every_payer_is_asked_once() -> None:
    fleet = small()
    await fleet.ask(FLEET)
    assert sorted(fleet.gateway.asked) == [
        *(("list", "own-org"), ("payer", "a"), ("payer", "b"), ("payer", "c")),
        *(("usage", "p"), ("usage", "q")),
    ]


async def test_listed_locations_need_no_list() -> None:
    """Name and count of machines are then not known, and a location that is listed twice is one."""
    fleet = small()
    found = await fleet.ask(FLEET, location_ids=["b", "a", "b"])
    assert found["locations"] == [
        {"location_id": "b", "billing_organization_id": "q"},
        {"location_id": "a", "billing_organization_id": "p"},
    ]
    assert "out_of_scope_count" not in found
    assert ("list", "own-org") not in fleet.gateway.asked


async def test_locations_outside_the_scope_are_counted() -> None:
    fleet = Fleet(allowed_location_ids=["b"])
    fleet.bill("p", 1.0, "a", "b", "c")
    found = await fleet.ask(FLEET)
    assert [row["location_id"] for row in found["locations"]] == ["b"]
    assert (found["out_of_scope_count"], found["failed_count"], found["complete"]) == (2, 0, False)
    assert (found["total_month_to_date"], ("payer", "a") in fleet.gateway.asked) == (1.0, False)


async def test_a_fleet_whose_locations_are_all_outside_the_scope_has_no_total() -> None:
    """Nothing was read: 0 would be made up."""
    fleet = Fleet(allowed_location_ids=["b"])
    fleet.bill("p", 1.0, "a", "c")
    found = await fleet.ask(FLEET)
    assert (found["out_of_scope_count"], found["failed_count"], found["complete"]) == (2, 0, False)
    assert "total_month_to_date" not in found


async def test_an_organization_outside_the_scope_refuses_the_call() -> None:
    fleet = Fleet(allowed_org_ids=["own-org"])
    assert (await fleet.refused(FLEET, org_id="other")).code == "out_of_scope"


async def test_the_payers_of_visible_locations_may_be_read() -> None:
    """An organization that bills an allowed location is seen through it."""
    fleet = Fleet(allowed_org_ids=["own-org"])
    fleet.bill("p", 1.0, "a")
    assert (await fleet.ask(FLEET))["complete"] is True


async def test_a_list_that_cannot_be_read_is_the_calls_error() -> None:
    fleet = small()
    fleet.gateway.away = NotFoundError("gone.")
    assert (await fleet.refused(FLEET)).code == "not_found"


async def test_a_fleet_without_locations_is_complete() -> None:
    found = await Fleet().ask(FLEET)
    assert (found["locations"], found["organizations"], found["total_month_to_date"]) == ([], [], 0)
    assert (found["complete"], found["stale"]) == (True, False)


async def test_the_same_again_asks_nothing() -> None:
    fleet = small()
    first = await fleet.ask(FLEET)
    fleet.gateway.asked.clear()
    assert await fleet.ask(FLEET) == first
    assert fleet.gateway.asked == []


async def test_an_answer_of_several_has_the_oldest_time() -> None:
    fleet = small()
    await fleet.ask("get_location_billing_organization", location_id="b")
    fleet.clock.now_s += 60
    assert (await fleet.ask(FLEET))["as_of"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize(
    "parameters",
    [
        {"org_id": "own-org", "location_ids": ["a"]},
        *({"location_ids": value} for value in ([], "a", {"a": 1}, None, 1, True, [1], [""], [" "], [None], [["a"]])),
        {"location_ids": ["a" * 129]},
        *({"org_id": value} for value in ("", None, 1, ["a"])),
        {"location_id": "a"},
        *({"max_age_s": value} for value in (-1, "1", None, True)),
    ],
)
async def test_wrong_input_is_named(parameters: dict[str, object]) -> None:
    fleet = small()
    error = await fleet.refused(FLEET, **parameters)
    assert (error.code, fleet.gateway.asked) == ("invalid_request", [])
    assert any(name in error.text for name in parameters)
    assert "expected" in error.text


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "location_ids: found a list of 0, expected a list of 1 to 10,000 location IDs"),
        (["a", None], "location_ids[1]: found null, expected a non-empty text of at most 128 characters"),
        (["a", ""], 'location_ids[1]: found "", expected a non-empty text of at most 128 characters'),
    ],
)
async def test_what_is_wrong_in_a_list_is_told(value: list[object], told: str) -> None:
    """A list was found: that a list is expected would say nothing."""
    assert told in (await small().refused(FLEET, location_ids=value)).text
