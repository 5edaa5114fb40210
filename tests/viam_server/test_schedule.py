"""What a machine asks of its module by itself: jobs, and data capture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.capture_files import captured
from support.viam_server import ViamServer, billing, until
from viam_billing.version import SENSOR_MODEL
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

Start = Callable[..., ViamServer]


def data_manager(folder: Path, captured_resource: str) -> dict[str, Any]:
    """Captures into a folder; a file is finished with its first reading, and nothing is sent anywhere."""
    return {
        "name": "data",
        "api": "rdk:service:data_manager",
        "model": "rdk:builtin:builtin",
        "depends_on": [captured_resource],
        "attributes": {"capture_dir": str(folder), "sync_disabled": True, "maximum_capture_file_size_bytes": 1},
    }


def capture(method: str, **parameters: object) -> dict[str, Any]:
    """The part of a resource's configuration that has a method captured."""
    how = {"method": method, "capture_frequency_hz": 10, "additional_params": parameters}
    return {"service_configs": [{"type": "data_manager", "attributes": {"capture_methods": [how]}}]}


async def test_a_job_asks_on_its_schedule(start: Start, attributes: dict[str, Any], control: SandboxControl) -> None:
    """Nobody else asks this machine: what reaches the cloud, again and again, is the job's command."""
    job = {
        "name": "usage",
        "schedule": "200ms",
        "resource": "billing",
        "method": "DoCommand",
        "command": {"command": "get_current_month_usage", "max_age_s": 0},
    }
    start(services=[billing(attributes)], jobs=[job])

    async def asked_thrice() -> bool | None:
        return control.stats().calls.get("GetCurrentMonthUsage", 0) >= 3 or None

    await until(asked_thrice, "the job has asked three times")


async def test_an_answer_is_captured(start: Start, attributes: dict[str, Any], tmp_path: Path) -> None:
    """Files appear whose readings are the answers of `get_location_usage`."""
    asked = capture("DoCommand", docommand_input={"command": "get_location_usage"})
    start(services=[billing(attributes, **asked), data_manager(tmp_path, "billing")])

    async def readings() -> list[dict[str, Any]] | None:
        return captured(tmp_path, "DoCommand") or None

    reading = (await until(readings, "a file of data capture is finished"))[0]["docommand_output"]
    assert reading["location_id"] == DEFAULT_LOCATION_ID
    assert reading["billing_organization_id"] == DEFAULT_ORG_ID
    assert reading["month_to_date"] > 0
    assert reading["stale"] is False


async def test_the_sensors_readings_are_captured(start: Start, attributes: dict[str, Any], tmp_path: Path) -> None:
    """Files appear that hold its flat numbers and texts."""
    sensor = {
        "name": "usage",
        "api": "rdk:component:sensor",
        "model": SENSOR_MODEL,
        "attributes": {"service": "billing", "location_id": DEFAULT_LOCATION_ID},
        **capture("Readings"),
    }
    start(components=[sensor], services=[billing(attributes), data_manager(tmp_path, "usage")])

    async def readings() -> list[dict[str, Any]] | None:
        return captured(tmp_path, "Readings") or None

    reading = (await until(readings, "a file of data capture is finished"))[0]["readings"]
    assert reading["location_id"] == DEFAULT_LOCATION_ID
    assert reading["billing_organization_id"] == DEFAULT_ORG_ID
    assert reading["month_to_date"] > 0
    assert reading["stale"] is False
    assert all(isinstance(value, (int, float, str, bool)) for value in reading.values())
