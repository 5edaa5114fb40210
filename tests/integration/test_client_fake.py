"""The client's fake against the module as a process: it refuses what the module always refuses, and nothing else."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from support.machine_process import MachineProcess
from support.module_process import PACKAGED
from support.white_label import PARAMETERS
from viam_billing.commands import COMMANDS
from viam_billing.settings.records import schema
from viam_billing_client import Billing, BillingError, InvalidRequestError
from viam_billing_client.testing import FakeBilling

pytestmark = pytest.mark.skipif(PACKAGED, reason="the stand-in machine runs from the source tree")

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
CHARGE: dict[str, Any] = {"org_id_to_charge": "a", "subtotal": 1, "idempotency_key": "k"}
WRONG: list[tuple[str, dict[str, Any]]] = [
    *(
        ("charge_organization", {**CHARGE, "subtotal": each})
        for each in (Decimal("1.005"), Decimal("NaN"), math.inf, 0, -1, "5", True, 0.1 + 0.2, 10**12)
    ),
    *(("charge_organization", {**CHARGE, "tax": each}) for each in (Decimal("0.001"), -1, "1")),
    *(("charge_organization", {**CHARGE, "idempotency_key": each}) for each in ("", " ", 5, "k" * 201)),
    ("charge_organization", {**CHARGE, "description": "d" * 1001}),
    ("charge_organization", {**CHARGE, "org_id_to_charge": "o" * 129}),
    ("create_invoice_and_charge_immediately", {"org_id_to_charge": "a", "amount": 1.001, "idempotency_key": "k"}),
    ("get_usage_history", {"since": NOON.replace(tzinfo=None)}),
    ("get_usage_history", {"since": NOON, "until": NOON.replace(hour=11)}),
    ("get_usage_history", {"step": "week"}),
    ("check_budget", {"location_id": "a", "org_id": "b"}),
    ("compare_usage", {"location_id": "a", "org_id": "b"}),
    ("get_fleet_usage", {"location_ids": ["a"], "org_id": "b"}),
    ("get_fleet_usage", {"location_ids": "abc"}),
    ("get_fleet_usage", {"location_ids": []}),
    ("get_location_usage", {"max_age_s": -1}),
    ("get_invoices_summary", {"limit": 0}),
    ("get_invoices_summary", {"limit": 1.5}),
    ("get_invoice_pdf", {"invoice_id": "a", "save_as": "../a"}),
    ("resolve_charge", {"idempotency_key": "k", "outcome": "failed", "note": "seen", "invoice_id": "i"}),
    ("resolve_charge", {"idempotency_key": "k", "outcome": "unknown", "note": "seen"}),
    ("send_payment_required_email", {"customer_org_id": ""}),
]
VALUES: tuple[Any, ...] = (
    *(None, "", " ", "a", "a" * 129, "a" * 201, "a" * 1001, "..", "a/b", "a\n", "a\u200b", "day", "type", "failed"),
    *(0, 1, -1, 2.0, 1.5, 1.25, 1.005, 0.1 + 0.2, 1e12, 5e-324, 2.0**63, math.nan, math.inf, True, False),
    *("2026-11-01T00:00:00Z", "2026-11-01T00:00:00", "2026-11-01", "2026-11-01T24:00:00Z", "2026-02-30T00:00:00Z"),
    *([], ["a"], [""], [1], "[]", {}, {"a": 1}),
)


@pytest.fixture(scope="module")
def machine() -> Iterator[MachineProcess]:
    """One machine for the tests of this file."""
    with MachineProcess("--direct") as running:
        yield running


@pytest_asyncio.fixture
async def billing(machine: MachineProcess) -> AsyncIterator[Billing]:
    """A connected client."""
    async with Billing.connect(f"localhost:{machine.port}", insecure=True) as connected:
        yield connected


async def refused(billing: Billing, request: dict[str, Any]) -> bool:
    """Whether a request is refused for its parameters, and not for what the service may do and the cloud knows."""
    try:
        await billing.do_command(request)
    except InvalidRequestError:
        return True
    except BillingError:
        pass
    return False


@pytest.mark.parametrize(("command", "parameters"), WRONG)
async def test_a_wrong_call_fails_alike(billing: Billing, command: str, parameters: dict[str, Any]) -> None:
    fake = FakeBilling()
    for asked in (billing, fake):
        with pytest.raises(InvalidRequestError):
            await getattr(asked, command)(**parameters)
    assert fake.charges == {}


@pytest.mark.parametrize("command", COMMANDS)
async def test_each_parameter_takes_the_same_values(billing: Billing, command: str) -> None:
    """Each of a command's parameters, under each of its names, with values of every kind."""
    shape = schema(COMMANDS[command].parameters)
    good = {"outcome": "failed", "subtotal": 1, "amount": 1, **PARAMETERS}
    aliases = COMMANDS[command].parameters.aliases
    needed = {name: good.get(name, "a") for name in [*shape.get("required", ()), *aliases.values()]}
    if "dry_run" in shape["properties"]:
        needed["dry_run"] = True
    requests = [needed, needed | {"other": 1}, *({**needed, name: None} for name in needed)]
    requests += [
        {each: value for each, value in needed.items() if each != name} for name in needed if name != "dry_run"
    ]
    for name in shape["properties"]:
        rest = {each: value for each, value in needed.items() if each != aliases.get(name)}
        requests += [
            rest | {name: value} for value in VALUES if name != "dry_run" or not (value is False or value == 0)
        ]
        requests.append(needed | {name: "a"})
    fake = FakeBilling()
    found = [
        (request, await refused(fake, {command: request}), await refused(billing, {command: request}))
        for request in requests
    ]
    assert (found[0][1], found[1][1]) == (False, True)
    assert [request for request, by_fake, by_module in found if by_fake != by_module] == []
