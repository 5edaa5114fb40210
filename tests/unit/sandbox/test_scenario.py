from __future__ import annotations

import copy
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from viam_billing_sandbox import fleet
from viam_billing_sandbox.cli import main
from viam_billing_sandbox.scenario import (
    DEFAULT_API_KEY,
    DEFAULT_API_KEY_ID,
    DEFAULT_LOCATION_ID,
    DEFAULT_ORG_ID,
    DEFAULT_PATH,
)
from viam_billing_sandbox.scenario_file import load, parse
from viam_billing_sandbox.strict import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 11, 12, tzinfo=timezone.utc)
SMALL: dict[str, Any] = {
    "billing_tiers": ["standard"],
    "keys": [{"id": "k", "key": "s", "role": "owner", "organizations": ["*"]}],
    "organizations": [
        {
            "id": "org",
            "name": "Org",
            "billing_tier": "standard",
            "usage": [{"costs": {"per_machine": 3}}],
            "invoices": [{"months_ago": 1, "amount": 5}],
        }
    ],
    "locations": [{"id": "loc", "name": "Loc", "organization_id": "org"}],
}


def changed(place: str, value: object) -> dict[str, Any]:
    """Answers the small scenario with one value replaced, at a place like `keys.0.role`."""
    document = copy.deepcopy(SMALL)
    *way, last = place.split(".")
    target: Any = document
    for step in way:
        target = target[int(step)] if isinstance(target, list) else target[step]
    target[last] = value
    return document


def test_the_default_constants_are_in_the_default_scenario() -> None:
    """What the documentation and the tests use is what the file has."""
    scenario = load(DEFAULT_PATH, NOW)
    assert (scenario.keys[0].id, scenario.keys[0].secret) == (DEFAULT_API_KEY_ID, DEFAULT_API_KEY)
    assert scenario.locations[DEFAULT_LOCATION_ID].billing_organization_id == DEFAULT_ORG_ID
    assert scenario.organizations[DEFAULT_ORG_ID].name == "Fleet Works"


def test_the_default_scenario_has_every_case() -> None:
    """A location without a payer, one with another payer, an overdue invoice and a failed payment are all there."""
    scenario = load(DEFAULT_PATH, NOW)
    payers = {(each.organization_id == each.billing_organization_id) for each in scenario.locations.values()}
    invoices = [invoice for each in scenario.organizations.values() for invoice in each.invoices]
    assert payers == {True, False}
    assert any(not each.billing_organization_id for each in scenario.locations.values())
    assert any(each.status == "outstanding" and each.due_date < NOW for each in invoices)
    assert any(each.failure_reason == "card_declined" and each.failure_at is not None for each in invoices)
    assert {len(each) for each in scenario.locations} == {10}
    assert {len(each.invoices) for each in scenario.organizations.values()} == {12}


def test_invoices_are_dated_by_month() -> None:
    """`months_ago` is the first of that month, over the turn of the year too."""
    invoices = parse(changed("organizations.0.invoices", [{"months_ago": 3, "amount": 5}]), NOW).organizations
    assert invoices["org"].invoices[0].date == datetime(2025, 12, 1, tzinfo=timezone.utc)


def test_a_cost_can_be_of_an_unknown_kind() -> None:
    """A number stands for itself, a name for its number."""
    usage = [{"costs": {"99": 1.5, "per_machine": 2, "unspecified": 3}}]
    scenario = parse(changed("organizations.0.usage", usage), NOW)
    assert scenario.organizations["org"].usage[0].costs == {99: 1.5, 8: 2.0, 0: 3.0}


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("keys.0.role", "admin", "scenario: Invalid enum value 'admin' - at `$.keys[0].role`"),
        ("keys.0.organizations", ["x"], "scenario.keys: organizations of 'k': 'x' is none of *, org"),
        ("keys", [], "scenario: Expected `array` of length >= 1 - at `$.keys`"),
        ("organizations.0.name", None, "scenario: Expected `str`, got `null` - at `$.organizations[0].name`"),
        ("organizations.0.colour", 1, "scenario: Object contains unknown field `colour` - at `$.organizations[0]`"),
        ("organizations.0.tells_tier", 1, "Expected `bool`, got `int` - at `$.organizations[0].tells_tier`"),
        ("organizations.0.billing_tier", "gold", "scenario.organizations: tier of 'org': 'gold' is none of standard"),
        ("organizations.0.invoices.0.amount", "5", "Expected `float`, got `str` - at `$.organizations[0].invoices"),
        ("organizations.0.invoices.0.months_ago", 1.5, "Expected `int | null`, got `float`"),
        ("organizations.0.invoices.0.hours_ago", 1, "either months_ago or hours_ago is needed"),
        ("organizations.0.usage.0.costs", {"gold": 1}, "'gold' is no kind of usage"),
        ("organizations.0.usage.0.discount", -1, "Expected `float` >= 0.0"),
        ("organizations.0.usage_start", "2026-11-01T00:00:00", "Expected `datetime` with a timezone component"),
        ("organizations.0.usage", 3, "Expected `array`, got `int` - at `$.organizations[0].usage`"),
        ("locations.0.organization_id", "x", "scenario.locations: organizations of 'loc': 'x' is none of org"),
        ("locations.0", 7, "Expected `object`, got `int` - at `$.locations[0]`"),
    ],
)
def test_a_wrong_scenario_is_explained(place: str, value: object, sentence: str) -> None:
    """Each mistake becomes one line that names its place."""
    document = changed(place, value) if not place.endswith("locations.0") else {**SMALL, "locations": [value]}
    with pytest.raises(ScenarioError) as caught:
        parse(document, NOW)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_id_cannot_be_there_twice() -> None:
    """Two organizations, locations or invoices with one id are a mistake."""
    for name in ("organizations", "locations"):
        with pytest.raises(ScenarioError, match="is there twice"):
            parse({**SMALL, name: SMALL[name] * 2}, NOW)
    with pytest.raises(ScenarioError, match="is there twice"):
        parse(changed("organizations.0.invoices", [{"months_ago": 1, "amount": 5}] * 2), NOW)


@pytest.mark.parametrize("text", ["{", json.dumps({**SMALL, "more": 1})])
def test_a_wrong_file_ends_the_sandbox(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2, and stderr has one line with the file's name."""
    path = tmp_path / "wrong.json"
    path.write_text(text)
    assert main(["--scenario", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(path) in lines[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "loopback only"),  # noqa: S104 - it is what must be refused
        (["--host", "example.com"], "loopback only"),
        (["--scenario", "/nowhere/at/all.json"], "cannot read it"),
        (["--cert", "cert.pem"], "--cert and --key go together"),
        (["--cert", __file__, "--key", __file__], "error: [SSL]"),
        (["--tls", "--socket", "cloud.sock"], "speaks no TLS"),
        (["--locations", "0"], "at least 1"),
        (["--locations", "5", "--scenario", "x.json"], "exclude each other"),
    ],
)
def test_a_wrong_command_line_ends_the_sandbox(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and stderr says what to change; above all, nothing but loopback is listened on."""
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_generated_fleet_spreads_its_locations() -> None:
    """Every organization pays for its share, and the defaults are in it."""
    scenario = fleet.generate(100, 10, NOW)
    payers = [each.billing_organization_id for each in scenario.locations.values()]
    assert {payers.count(org_id) for org_id in scenario.organizations} == {10}
    assert scenario.locations[DEFAULT_LOCATION_ID].billing_organization_id == DEFAULT_ORG_ID
