"""A fleet whose answer would not arrive anywhere."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from support.module_process import Service, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID, DEFAULT_PATH

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE = 20
IDS = [f"large{number}" for number in range(LARGE)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Locations with names of 900 KB each."""
    scenario: dict[str, Any] = json.loads(DEFAULT_PATH.read_text())
    owned = {"organization_id": DEFAULT_ORG_ID, "billing_organization_id": DEFAULT_ORG_ID}
    scenario["locations"] += [{"id": name, "name": "x" * 900_000, **owned} for name in IDS]
    file = tmp_path_factory.mktemp("scenario") / "large.json"
    file.write_text(json.dumps(scenario))
    with SandboxProcess("--quiet", "--scenario", str(file)) as running:
        yield running


async def test_an_answer_of_more_than_16_mib_says_how_to_ask_for_less(
    make: Callable[..., Awaitable[Service]],
) -> None:
    """And what it says works: listed locations have no names."""
    service = await make(allowed_org_ids=["*"], allowed_location_ids=["*"])
    refusal = await refused(service.do({"get_fleet_usage": {}}, timeout_s=60))
    assert refusal.code == "result_too_large"
    assert "location_ids" in refusal.text
    found = await service.ask("get_fleet_usage", location_ids=IDS)
    assert (len(found["locations"]), found["complete"]) == (LARGE, True)
    some = await make(allowed_org_ids=["*"], allowed_location_ids=IDS[:3])
    found = await some.do({"command": "get_fleet_usage"}, timeout_s=60)
    assert [len(row["name"]) for row in found["locations"]] == [900_000] * 3
