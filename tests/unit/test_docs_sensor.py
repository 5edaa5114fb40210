"""The page of the sensor against the code: its attributes, its readings, its place in the project."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest

from support.documentation import CODE, documented_default, field_of, own_default, prose, sections, table
from viam_billing.module.sensor import COST_PREFIX, Readings, SensorAttributes, flat
from viam_billing.module.sensor_client import Budget, Invoices, Projection, Status, Usage
from viam_billing.version import SENSOR_MODEL

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "usage-sensor.md"
PAGE = prose(FILE)
ATTRIBUTES = table(sections(sections(PAGE, 2)["Configuration"], 3)["Attributes"], "Name")
READINGS = table(sections(PAGE, 2)["Readings"], "Reading")
NAMES = SensorAttributes.__struct_fields__

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
USAGE = Usage("location", "org", 1.0, {"<type>": 1.0}, NOON, stale=False)
LEAST = flat(USAGE, None, None)
MOST = flat(
    msgspec.structs.replace(USAGE, projection=Projection(1.0, 1.0, 1.0), budget=Budget(0.1)),
    Invoices(1.0, 1, NOON, stale=False),
    Status("1", 1, 1.0),
)


def type_word(value: float | str) -> str:
    """What the page calls the type of a value."""
    return {bool: "boolean", str: "string"}.get(type(value), "number")


def test_the_page_is_laid_out_as_the_cli_generates_it() -> None:
    """Title, Configuration with Attributes and Example Configuration."""
    headings = re.findall(r"^#{1,3} .+$", PAGE, re.MULTILINE)
    assert headings[:4] == [
        f"# Model {SENSOR_MODEL}",
        "## Configuration",
        "### Attributes",
        "### Example Configuration",
    ]


def test_the_attributes_table_has_every_attribute_and_no_other() -> None:
    """The names in the first column are those that the configuration takes."""
    assert ATTRIBUTES.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_attribute_is_on_the_page_as_in_the_code(name: str) -> None:
    """Required or Optional, and its default."""
    field = field_of(SensorAttributes, name)
    assert ATTRIBUTES[name][2] == ("Required" if field.required else "Optional")
    assert documented_default(ATTRIBUTES[name]) == own_default(field)


def test_the_readings_table_has_every_reading_and_no_other() -> None:
    """The costs by their prefix."""
    assert READINGS.keys() == MOST.keys()
    assert f"{COST_PREFIX}<type>" in READINGS


@pytest.mark.parametrize("name", MOST)
def test_a_reading_is_on_the_page_as_in_the_code(name: str) -> None:
    """Its type, and whether it is always there."""
    assert READINGS[name][1] == type_word(MOST[name])
    assert READINGS[name][2] == ("Always" if name in LEAST else "Optional")


def test_the_example_has_every_reading() -> None:
    """In the order of the table, the costs by their own names."""
    blocks = re.findall(r"^```json\n(.*?)^```$", FILE.read_text(), re.DOTALL | re.MULTILINE)
    example: Readings = next(json.loads(block) for block in blocks if "month_to_date" in block)
    names = [f"{COST_PREFIX}<type>" if name.startswith(COST_PREFIX) else name for name in example]
    assert list(dict.fromkeys(names)) == list(READINGS)
    assert {n: type_word(v) for n, v in example.items() if n in MOST} == {
        n: type_word(v) for n, v in MOST.items() if not n.startswith(COST_PREFIX)
    }


def test_a_reading_that_can_be_missing_is_explained() -> None:
    """When it is left out, in its row or below the table."""
    below = sections(PAGE, 2)["Readings"].rpartition("\n|")[2]
    optional = [name for name, row in READINGS.items() if row[2] == "Optional"]
    explained = set(CODE.findall(below)) | {name for name in optional if "Left out" in READINGS[name][3]}
    assert set(optional) <= explained


@pytest.mark.parametrize("page", ["README.md", "docs/billing.md", "docs/guide.md"])
def test_the_sensor_can_be_found_from_the_other_pages(page: str) -> None:
    """By a link."""
    assert re.search(r"\]\((docs/)?usage-sensor\.md", (ROOT / page).read_text())
