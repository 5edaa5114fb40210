"""A fleet whose list of locations is too long."""

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


async def test_a_list_of_the_cloud_of_more_than_16_mib_is_an_error_and_listed_locations_are_read(
    make: Callable[..., Awaitable[Service]],
) -> None:
    service = await make(allowed_org_ids=["*"], allowed_location_ids=["*"])
    assert (await refused(service.do({"get_fleet_usage": {}}, timeout_s=60))).code == "cloud_error"
    found = await service.ask("get_fleet_usage", location_ids=IDS)
    assert (len(found["locations"]), found["complete"]) == (LARGE, True)
