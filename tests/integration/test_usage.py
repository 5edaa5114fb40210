"""get_current_month_usage and get_location_usage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALDER_ID = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"
NORTHWIND_LOCATION = "nwlabs0001"


def moment(text: str) -> datetime:
    """A time of an answer, which ends in Z."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def elapsed(answer: dict[str, Any]) -> float:
    """How much of the answer's month had passed when the cloud gave it."""
    start, end, as_of = (moment(answer[name]) for name in ("start_date", "end_date", "as_of"))
    return (as_of - start) / (end - start)


async def test_usage_is_the_apis_answer(service: Service) -> None:
    """The proto's names, enum names as text, and sources one by one."""
    answer = await service.ask("get_current_month_usage", org_id=NORTHWIND_ID)
    (source,) = answer["resource_usage_costs_by_source"]
    assert source["source_type"] == "SOURCE_TYPE_ORG"
    assert source["tier_name"] == ""
    assert {"resource_type": "USAGE_COST_TYPE_PER_MACHINE", "cost": 60.0} in source["resource_usage_costs"][
        "usage_costs"
    ]
    assert source["resource_usage_costs"]["discount"] == 0
    assert answer["subtotal"] == pytest.approx(98.0)


async def test_deprecated_fields_are_left_out(service: Service) -> None:
    """The API's old cost fields stay 0 and would look like costs of nothing."""
    answer = await service.ask("get_current_month_usage", org_id=NORTHWIND_ID)
    assert set(answer) <= {
        *("start_date", "end_date", "resource_usage_costs_by_source", "subtotal"),
        *("org_id", "cost_by_type", "projection", "as_of", "stale"),
    }


async def test_usage_is_of_the_own_organization_by_default(service: Service) -> None:
    """Without org_id the configured one is asked for, and named in the answer."""
    assert (await service.ask("get_current_month_usage"))["org_id"] == DEFAULT_ORG_ID


async def test_usage_says_when_it_was_read(service: Service) -> None:
    """A fresh answer carries the time of the cloud's answer and is not stale."""
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    answer = await service.ask("get_current_month_usage", max_age_s=0)
    assert before < moment(answer["as_of"]) < datetime.now(timezone.utc) + timedelta(seconds=1)
    assert answer["stale"] is False
    assert "stale_reason" not in answer


async def test_costs_are_summed_by_type(service: Service, control: SandboxControl) -> None:
    """A type's costs of several sources are one amount, rounded after adding."""
    sources = [
        {"source": "org", "costs": {"per_machine": 30.004, "binary_data_upload": 1.5}},
        {"source": "fragment", "tier_name": "gold", "costs": {"per_machine": 0.004}},
    ]
    control.patch_organization(ALDER_ID, usage=sources, usage_grows=False)
    answer = await service.ask("get_current_month_usage", org_id=ALDER_ID, max_age_s=0)
    assert answer["cost_by_type"] == {"per_machine": 30.01, "binary_data_upload": 1.5}


async def test_an_unknown_cost_type_is_its_number(service: Service, control: SandboxControl) -> None:
    """A kind of usage that this build has no name for is neither lost nor misnamed."""
    control.patch_organization(ALDER_ID, usage=[{"costs": {"977": 2.25}}], usage_grows=False)
    answer = await service.ask("get_current_month_usage", org_id=ALDER_ID, max_age_s=0)
    (cost,) = answer["resource_usage_costs_by_source"][0]["resource_usage_costs"]["usage_costs"]
    assert cost == {"resource_type": 977, "cost": 2.25}
    assert answer["cost_by_type"] == {"unknown_977": 2.25}


@pytest.mark.parametrize(("dollars", "rounded"), [(1.005, 1.01), (0.005, 0.01), (0.004, 0.0), (2.675, 2.68)])
async def test_cents_are_rounded_half_up(
    service: Service, control: SandboxControl, dollars: float, rounded: float
) -> None:
    """Computed amounts are whole cents, half up on the shortest decimal form; proxied ones are as the API has them."""
    control.patch_organization(NORTHWIND_ID, usage=[{"costs": {"logs_upload": dollars}}], usage_grows=False)
    control.patch_location(NORTHWIND_LOCATION, billing_organization_id=NORTHWIND_ID)
    usage = await service.ask("get_current_month_usage", org_id=NORTHWIND_ID, max_age_s=0)
    location = await service.ask("get_location_usage", location_id=NORTHWIND_LOCATION, max_age_s=0)
    assert usage["subtotal"] == dollars
    assert usage["cost_by_type"] == {"logs_upload": rounded}
    assert location["month_to_date"] == rounded


async def test_an_organization_without_usage_has_no_costs(service: Service, control: SandboxControl) -> None:
    """Nothing used is an empty list and an amount of 0 that the API gave."""
    control.patch_organization(ALDER_ID, usage=[])
    answer = await service.ask("get_current_month_usage", org_id=ALDER_ID, max_age_s=0)
    assert answer["resource_usage_costs_by_source"] == []
    assert answer["cost_by_type"] == {}
    assert answer["subtotal"] == 0


async def test_the_projection_goes_on_as_the_month_began(service: Service) -> None:
    """The month's total is the costs so far over the share of the month that has passed, once that is 5%."""
    answer = await service.ask("get_current_month_usage", org_id=HARBOR_ID, max_age_s=0)
    share = elapsed(answer)
    assert ("projection" in answer) == (share >= 0.05)
    if share >= 0.05:
        projection = answer["projection"]
        assert set(projection) == {"total", "method", "elapsed_fraction"}
        assert projection["elapsed_fraction"] == pytest.approx(share, abs=1e-4)
        assert projection["total"] == pytest.approx(answer["subtotal"] / share, abs=0.01)
        assert projection["total"] == round(projection["total"], 2)


async def test_a_locations_usage_is_its_payers(service: Service) -> None:
    """The figures are those of the organization that pays for the location."""
    usage = await service.ask("get_current_month_usage", org_id=HARBOR_ID, max_age_s=0)
    answer = await service.ask("get_location_usage", location_id="pier7hl001", max_age_s=0)
    assert answer["location_id"] == "pier7hl001"
    assert answer["billing_organization_id"] == HARBOR_ID
    assert answer["month_to_date"] == pytest.approx(usage["subtotal"], abs=0.02)
    assert set(answer["cost_by_type"]) == set(usage["cost_by_type"])
    assert (answer["start_date"], answer["end_date"]) == (usage["start_date"], usage["end_date"])
    assert ("projection" in answer) == (elapsed(answer) >= 0.05)


async def test_a_locations_usage_has_the_contracts_names(service: Service) -> None:
    """No more is answered than what is written down, and the own location is the default."""
    answer = await service.ask("get_location_usage")
    assert answer["location_id"] == DEFAULT_LOCATION_ID
    assert set(answer) - {"projection"} == {
        *("location_id", "billing_organization_id", "month_to_date", "cost_by_type"),
        *("start_date", "end_date", "as_of", "stale"),
    }


async def test_a_location_without_a_payer_has_no_usage(service: Service) -> None:
    """Where the API names no billing organization the error says so."""
    refusal = await refused(service.ask("get_location_usage", location_id="newsite001"))
    assert refusal.code == "not_found"
    assert "newsite001" in refusal.text
    assert "paying" in refusal.text


async def test_a_location_without_a_payer_answers_without_one(service: Service) -> None:
    """Who pays is left out where the API names nobody: neither null nor empty."""
    answer = await service.ask("get_location_billing_organization", location_id="newsite001")
    assert answer["location_id"] == "newsite001"
    assert "billing_organization_id" not in answer


async def test_who_pays_for_a_location(service: Service) -> None:
    """The API's answer with the location's own ID."""
    answer = await service.ask("get_location_billing_organization", location_id="pier7hl001")
    assert {name: answer[name] for name in ("location_id", "billing_organization_id", "stale")} == {
        "location_id": "pier7hl001",
        "billing_organization_id": HARBOR_ID,
        "stale": False,
    }


async def test_an_unknown_location_is_not_found(service: Service) -> None:
    """An ID that the cloud does not know."""
    assert (await refused(service.ask("get_location_usage", location_id="nowhere"))).code == "not_found"


async def test_a_wrong_configured_location_is_looked_for_in_the_attributes(
    make: Callable[..., Awaitable[Service]],
) -> None:
    """A call that names no ID has none to check."""
    service = await make(location_id="nowhere")
    refusal = await refused(service.ask("get_location_usage"))
    assert refusal.code == "not_found"
    assert "the attributes org_id and location_id" in refusal.text


async def test_the_budget_is_told_where_one_is_configured(make: Callable[..., Awaitable[Service]]) -> None:
    """A location's usage says how much of the budget is used."""
    service = await make(budget={"monthly": 1_000_000})
    answer = await service.ask("get_location_usage", max_age_s=0)
    assert answer["budget"]["status"] == "ok"
    assert answer["budget"]["monthly_budget"] == 1_000_000
    assert answer["budget"]["used_fraction"] == pytest.approx(answer["month_to_date"] / 1_000_000, abs=1e-4)
