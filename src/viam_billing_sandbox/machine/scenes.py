"""What there is to see: for each scene the cloud's data, the service's attributes, and what has happened before."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from viam_billing_sandbox import fleet, scenario_file
from viam_billing_sandbox.months import elapsed_fraction
from viam_billing_sandbox.scenario import (
    DEFAULT_API_KEY,
    DEFAULT_API_KEY_ID,
    DEFAULT_LOCATION_ID,
    DEFAULT_ORG_ID,
    DEFAULT_PATH,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from viam_billing_sandbox.scenario import Organization, Scenario

SCENES: Final = {
    "steady": "a budget that lasts, months of history, a few charges",
    "over-budget": "the month's budget is used up",
    "overdue": "invoices overdue for up to half a year, payments that failed",
    "cloud-away": "the cloud has answered everything once and cannot be reached any more",
    "unknown-charge": "two charges whose answers are lost, one of which may be either of two invoices",
    "fleet-10000": "10,000 locations that 200 organizations pay for",
}
ALDER_ID: Final = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"
HARBOR_ID: Final = "a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b"

_FLEET: Final = (10_000, 200)
_CHARGED: Final = (ALDER_ID, HARBOR_ID)
_OVERDUE: Final[tuple[dict[str, object], ...]] = (
    {"months_ago": 5, "failure_reason": "card_declined", "failed_after_days": 4},
    {"months_ago": 4},
    {"months_ago": 3, "failure_reason": "insufficient_funds", "failed_after_days": 2},
    {"months_ago": 2, "failure_reason": "expired_card", "failed_after_days": 6},
    {"months_ago": 1},
)


@dataclass(frozen=True)
class Scene:
    """A scene: how the sandbox is started, what the service is configured with, and the payers with a history."""

    name: str
    sandbox: tuple[str, ...]
    scenario: Scenario
    attributes: dict[str, Any] = field(repr=False)
    payers: tuple[Organization, ...]


def make(name: str, folder: Path, state: Path, now: datetime) -> Scene:
    """Makes a scene; a scenario of its own is written to the folder, for the sandbox."""
    sandbox: tuple[str, ...]
    payers: tuple[Organization, ...]
    if name == "fleet-10000":
        scenario = fleet.generate(*_FLEET, now)
        sandbox = ("--locations", str(_FLEET[0]), "--organizations", str(_FLEET[1]))
        payers = (scenario.organizations[DEFAULT_ORG_ID],)
    else:
        document = json.loads(DEFAULT_PATH.read_bytes())
        _CHANGES.get(name, _unchanged)(document)
        path = folder / "scenario.json"
        path.write_text(json.dumps(document))
        scenario = scenario_file.load(path, now)
        sandbox = ("--scenario", str(path))
        payers = tuple(scenario.organizations.values())
    attributes: dict[str, Any] = {
        "api_key": DEFAULT_API_KEY,
        "api_key_id": DEFAULT_API_KEY_ID,
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "allowed_commands": ["read", "notify", "charge", "resolve_charge"],
        "allowed_org_ids": [DEFAULT_ORG_ID, *(each for each in _CHARGED if each in scenario.organizations)],
        "allowed_location_ids": ["*"],
        "charge_limits": {"per_charge": 500, "per_day": 2000},
        "budget": {"monthly": _budget(name, payers[0], now), "warn_at": [0.8, 0.9]},
        "state_dir": str(state),
    }
    if name == "cloud-away":
        attributes |= {"cache_ttl_s": 0, "timeout_s": 5}
    return Scene(name, sandbox, scenario, attributes, payers)


def month_cost(organization: Organization) -> float:
    """Returns the dollars of the whole month, or those so far where they do not grow."""
    return sum(max(sum(source.costs.values()) - source.discount, 0.0) for source in organization.usage)


def _budget(name: str, payer: Organization, now: datetime) -> float:
    """Returns dollars: a third more than the month will cost, or a tenth less than it has cost so far."""
    if name != "over-budget":
        return round(month_cost(payer) * 4 / 3, -1)
    return max(round(month_cost(payer) * elapsed_fraction(now) * 0.9, 2), 0.01)


def _unchanged(_: dict[str, Any]) -> None:
    pass


def _overdue(document: dict[str, Any]) -> None:
    for organization in document["organizations"]:
        if organization["id"] not in (DEFAULT_ORG_ID, HARBOR_ID):
            continue
        for changes in _OVERDUE:
            (invoice,) = (each for each in organization["invoices"] if each["months_ago"] == changes["months_ago"])
            invoice.update(copy.deepcopy(changes), status="outstanding")


_CHANGES: Final[dict[str, Callable[[dict[str, Any]], None]]] = {"overdue": _overdue}
