"""The usage sensor, whose service answers through a parent, as on a machine."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from support.faulty_cloud import PAYER_LOCATION, until
from support.faulty_cloud import attributes as attributes_for
from support.module_process import refused
from support.parent import Machine
from support.sandbox_caller import HARBOR_ID
from support.sandbox_process import SandboxProcess
from viam_billing.usage.forecast import EARLIEST_FRACTION
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.months import elapsed_fraction, utc_now
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAPTURE: Final = {"fromDataManagement": True}
"""What viam-server adds to a call of data capture."""

INVOICE_READINGS: Final = {"outstanding_balance", "overdue_count"}
STATUS_READINGS: Final = {"unknown_charges", "charged_last_24h"}

_NUMBERS = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine() -> AsyncIterator[Machine]:
    """One machine for all tests that leave its module alone."""
    async with Machine() as running:
        yield running


@pytest.fixture
def block(cloud: SandboxProcess, tmp_path: Path) -> dict[str, Any]:
    """A service that sees everything and asks the cloud each time, with a budget."""
    return attributes_for(
        cloud.address, tmp_path / "state", timeout_s=5.0, cache_ttl_s=0, budget={"monthly": 2000, "warn_at": [0.8]}
    )


class Pair:
    """A billing service and a sensor of its own names."""

    def __init__(self, machine: Machine) -> None:
        number = next(_NUMBERS)
        self.machine = machine
        self.service = f"billing{number}"
        self.sensor = f"usage{number}"

    async def add(self, block: Mapping[str, Any], **attributes: object) -> None:
        """Make both."""
        await self.machine.add_service(block, self.service)
        await self.machine.add_sensor({"service": self.service, **attributes}, self.sensor)

    async def readings(self, extra: Mapping[str, Any] | None = None, timeout_s: float = 30) -> dict[str, Any]:
        """GetReadings."""
        return await self.machine.readings(self.sensor, extra=extra, timeout_s=timeout_s)

    async def remove(self) -> None:
        """Take away what is there."""
        await self.machine.remove_sensor(self.sensor)
        if self.service in self.machine.parent.services:
            await self.machine.remove_service(self.service)


@pytest_asyncio.fixture(loop_scope="module")
async def pair(
    machine: Machine,
    control: SandboxControl,  # noqa: ARG001 - it meets a sandbox without faults
) -> AsyncIterator[Pair]:
    """A service and a sensor to be."""
    made = Pair(machine)
    yield made
    await made.remove()


def kinds(readings: Mapping[str, Any]) -> set[type]:
    """The types of the values."""
    return {type(value) for value in readings.values()}


async def test_a_reading_has_all_that_the_service_knows(pair: Pair, block: dict[str, Any]) -> None:
    await pair.add(block)
    readings = await pair.readings()
    costs = {name: readings.pop(name) for name in list(readings) if name.startswith("cost_")}
    early = {"projected_total"} if elapsed_fraction(utc_now()) < EARLIEST_FRACTION else set()
    assert readings.keys() | early == {
        *("month_to_date", "projected_total", "used_fraction", "outstanding_balance", "overdue_count"),
        *("unknown_charges", "charged_last_24h"),
        *("billing_organization_id", "location_id", "as_of", "stale"),
    }
    assert kinds(readings) == {float, str, bool}
    assert readings["billing_organization_id"] == DEFAULT_ORG_ID
    assert readings["location_id"] == DEFAULT_LOCATION_ID
    assert readings["stale"] is False
    answer = await pair.machine.module.do({"command": "get_location_usage"}, name=pair.service)
    by_type = {f"cost_{kind}": dollars for kind, dollars in answer["cost_by_type"].items()}
    assert costs == pytest.approx(by_type, rel=1e-3)
    assert readings["month_to_date"] == pytest.approx(answer["month_to_date"], rel=1e-3)
    assert readings["used_fraction"] == pytest.approx(readings["month_to_date"] / 2000, abs=1e-4)


async def test_data_capture_gets_a_fresh_reading(pair: Pair, block: dict[str, Any]) -> None:
    await pair.add(block)
    assert (await pair.readings(CAPTURE)).keys() == (await pair.readings()).keys()


async def test_a_reading_is_about_the_configured_location(pair: Pair, block: dict[str, Any]) -> None:
    """And about the invoices of the organization that pays for it."""
    await pair.add(block, location_id=PAYER_LOCATION)
    readings = await pair.readings()
    summary = await pair.machine.module.do({"command": "get_invoices_summary", "org_id": HARBOR_ID}, name=pair.service)
    assert (readings["location_id"], readings["billing_organization_id"]) == (PAYER_LOCATION, HARBOR_ID)
    assert readings["outstanding_balance"] == summary["outstanding_balance"] > 0
    assert readings["overdue_count"] == summary["overdue_count"] > 0


async def test_without_a_budget_there_is_no_used_fraction(pair: Pair, block: dict[str, Any]) -> None:
    await pair.add({name: value for name, value in block.items() if name != "budget"})
    assert "used_fraction" not in await pair.readings()


@pytest.mark.parametrize(
    ("status", "code"),
    [("PERMISSION_DENIED", "key_lacks_permission"), ("UNAVAILABLE", "cloud_unreachable"), ("INTERNAL", "cloud_error")],
)
async def test_invoices_that_cannot_be_read_leave_out_their_readings_only(
    pair: Pair, block: dict[str, Any], control: SandboxControl, status: str, code: str
) -> None:
    """Also for data capture; the log says so once, and the readings come back with the right."""
    control.set_fault(Fault(rpc="GetInvoicesSummary", status=status))
    await pair.add({**block, "timeout_s": 1.0, "cache_ttl_s": 300})
    for extra in ({}, CAPTURE):
        readings = await pair.readings(extra)
        assert readings.keys() >= {"month_to_date", "used_fraction", *STATUS_READINGS}
        assert not readings.keys() & INVOICE_READINGS
        assert readings["stale"] is False
    control.clear_faults()

    async def has_invoices() -> bool:
        return (await pair.readings()).keys() >= INVOICE_READINGS

    await until(has_invoices)

    def told() -> list[str]:
        return [line for line in pair.machine.parent.log if f'sensor "{pair.sensor}"' in line]

    async def is_told() -> bool:
        return any("has outstanding_balance" in line for line in told())

    await until(is_told)
    assert len(told()) == 2
    assert any(code in line for line in told())


async def test_invoices_out_of_scope_leave_out_their_readings_only(pair: Pair, block: dict[str, Any]) -> None:
    """Usage may be read through the location; invoices need the organization in allowed_org_ids."""
    await pair.add({**block, "allowed_org_ids": [DEFAULT_ORG_ID]}, location_id=PAYER_LOCATION)
    readings = await pair.readings()
    assert readings["month_to_date"] > 0
    assert not readings.keys() & INVOICE_READINGS


async def test_an_older_viam_server_leaves_out_the_charges_only(pair: Pair, block: dict[str, Any]) -> None:
    """It does not know the call that would tell them."""
    await pair.add(block)
    complete = await pair.readings()
    pair.machine.parent.has_status = False
    try:
        assert complete.keys() - (await pair.readings()).keys() == STATUS_READINGS
    finally:
        pair.machine.parent.has_status = True


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("PERMISSION_DENIED", "key_lacks_permission"),
        ("UNIMPLEMENTED", "cloud_unimplemented"),
        ("NOT_FOUND", "not_found"),
    ],
)
async def test_without_usage_the_reading_fails_with_the_services_error(
    pair: Pair, block: dict[str, Any], control: SandboxControl, status: str, code: str
) -> None:
    """Code, status and words; for data capture too."""
    await pair.add(block)
    control.set_fault(Fault(rpc="GetCurrentMonthUsage", status=status))
    asked = {"command": "get_location_usage"}
    service = await refused(pair.machine.module.do(asked, name=pair.service))
    assert service.code == code
    assert await refused(pair.readings()) == service
    assert await refused(pair.readings(CAPTURE)) == service


async def test_a_location_out_of_scope_is_the_services_error(pair: Pair, block: dict[str, Any]) -> None:
    """The sensor opens nothing that the service does not."""
    await pair.add({**block, "allowed_location_ids": [DEFAULT_LOCATION_ID]}, location_id=PAYER_LOCATION)
    assert (await refused(pair.readings())).code == "out_of_scope"


async def test_a_removed_service_is_named_with_what_to_do(pair: Pair, block: dict[str, Any]) -> None:
    """In the words of the contract, whatever viam-server says."""
    await pair.add(block)
    await pair.machine.remove_service(pair.service)
    refusal = await refused(pair.readings())
    assert refusal.code == "not_configured"
    assert f'"{pair.service}"' in refusal.text
    assert "service" in refusal.text
    await pair.machine.add_service(block, pair.service)
    assert (await pair.readings())["stale"] is False


async def test_a_sensor_and_its_service_may_have_one_name(
    machine: Machine,
    block: dict[str, Any],
    control: SandboxControl,  # noqa: ARG001 - it meets a sandbox without faults
) -> None:
    """Commands and status go to the service, readings come from the sensor, whichever of them came first."""
    machine.parent.services.add("both")
    await machine.add_sensor({"service": "both"}, "both")
    await machine.add_service(block, "both")
    try:
        assert (await machine.readings("both"))["location_id"] == DEFAULT_LOCATION_ID
        assert "cloud_calls" in await machine.module.status("both")
        assert "location_id" in await machine.module.do({"command": "get_location_usage"}, name="both")
    finally:
        await machine.remove_sensor("both")
        await machine.remove_service("both")


async def test_commands_belong_to_the_service(pair: Pair, block: dict[str, Any]) -> None:
    """The sensor says so, without a source file's path, and its status says which service it asks."""
    await pair.add(block, location_id=PAYER_LOCATION)
    refusal = await refused(pair.machine.sensor_do({"get_location_usage": {}}, pair.sensor))
    assert refusal.code == "unknown_command"
    assert pair.service in refusal.text
    status = await pair.machine.sensor_status(pair.sensor)
    assert (status["service"], status["location_id"]) == (pair.service, PAYER_LOCATION)
