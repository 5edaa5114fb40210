"""The sensor's page against a real module: its configurations are valid, its readings are the real ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.faulty_cloud import attributes
from support.parent import Machine
from support.sandbox_process import SandboxProcess
from viam_billing.usage.forecast import EARLIEST_FRACTION
from viam_billing.version import BILLING_MODEL, SENSOR_MODEL
from viam_billing_sandbox.months import elapsed_fraction, utc_now

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "usage-sensor.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
]
TEMPLATE, EXAMPLE, MACHINE, READINGS = BLOCKS


def of_model(parts: list[dict[str, Any]], model: str) -> dict[str, Any]:
    """The one resource of a model in a part of a machine's configuration."""
    (found,) = (part for part in parts if part["model"] == model)
    return found


def kinds(readings: Mapping[str, Any]) -> dict[str, type]:
    """The JSON type of each value."""
    return {name: float if type(value) is int else type(value) for name, value in readings.items()}


async def test_the_documented_configurations_are_valid() -> None:
    """Of the sensor by itself, and in the machine, whose parts name each other."""
    service, sensor = of_model(MACHINE["services"], BILLING_MODEL), of_model(MACHINE["components"], SENSOR_MODEL)
    async with Machine() as machine:
        for block in (TEMPLATE, EXAMPLE, sensor["attributes"]):
            assert await machine.validate_sensor(block) == [f"{service['api']}/{service['name']}"]
        await machine.module.validate(service["attributes"])
    assert sensor["api"] == "rdk:component:sensor"
    (capture,) = sensor["service_configs"][0]["attributes"]["capture_methods"]
    assert capture["method"] == "Readings"
    assert 1 / capture["capture_frequency_hz"] == pytest.approx(3600, rel=1e-3)


async def test_the_documented_readings_are_the_real_ones(tmp_path: Path) -> None:
    """The same names and types, of the example's location and with the machine's budget."""
    budget = of_model(MACHINE["services"], BILLING_MODEL)["attributes"]["budget"]
    with SandboxProcess("--quiet") as cloud:
        async with Machine() as machine:
            await machine.add_service(attributes(cloud.address, tmp_path / "state", budget=budget, timeout_s=20.0))
            await machine.add_sensor(EXAMPLE)
            real = await machine.readings()
    early = {"projected_low", "projected_high"}  # of the first day of a history
    early |= {"projected_total"} if elapsed_fraction(utc_now()) < EARLIEST_FRACTION else set()
    assert kinds(real) == kinds({name: value for name, value in READINGS.items() if name not in early})
    assert real["location_id"] == READINGS["location_id"] == EXAMPLE["location_id"]
    assert READINGS["used_fraction"] == pytest.approx(READINGS["month_to_date"] / budget["monthly"])
