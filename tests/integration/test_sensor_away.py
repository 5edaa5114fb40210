"""The usage sensor when the cloud dies: old readings for who asks, none for data capture; and the module's own end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from grpclib import GRPCError, Status

from support.faulty_cloud import attributes, until
from support.module_process import refused
from support.parent import Machine
from support.sandbox_process import SandboxProcess
from viam_billing.core.times import from_rfc3339

CAPTURE: Final = {"fromDataManagement": True}
INVOICES: Final = {"outstanding_balance", "overdue_count"}
"""The readings that come of the invoices; one whose part the service does not get in time is left out."""


async def assert_not_captured(machine: Machine) -> None:
    """The error by which data capture knows that a reading is to be left out, and logs nothing."""
    with pytest.raises(GRPCError) as caught:
        await machine.readings(extra=CAPTURE)
    assert caught.value.status is Status.FAILED_PRECONDITION
    assert "no capture from filter module" in (caught.value.message or "")


async def test_old_readings_are_shown_and_not_captured(tmp_path: Path) -> None:
    """From the cloud's death until it is back; `stale` and `as_of` tell them from new ones."""
    with SandboxProcess("--quiet") as cloud:
        async with Machine() as machine:
            await machine.add_service(attributes(cloud.address, tmp_path / "state", cache_ttl_s=0, timeout_s=10))
            await machine.add_sensor({"service": "billing"})
            before = await machine.readings()
            assert before.keys() > INVOICES
            cloud.kill()
            after = await machine.readings()
            assert after == {**before, "stale": True}
            known_s = from_rfc3339(before["as_of"])
            await assert_not_captured(machine)
            assert await machine.readings(extra={"fromDataManagement": False}) == after
            cloud.start()

            async def is_captured() -> bool:
                try:
                    return from_rfc3339((await machine.readings(extra=CAPTURE))["as_of"]) > known_s
                except GRPCError:
                    return False

            await until(is_captured, within_s=10)


async def test_without_any_answer_it_is_the_services_error(tmp_path: Path) -> None:
    """Nothing is known: an error for data capture too, which logs it."""
    with SandboxProcess("--quiet") as cloud:
        async with Machine() as machine:
            cloud.kill()
            await machine.add_service(attributes(cloud.address, tmp_path / "state", timeout_s=10))
            await machine.add_sensor({"service": "billing"})
            assert (await refused(machine.readings())).code == "cloud_unreachable"
            assert (await refused(machine.readings(extra=CAPTURE))).code == "cloud_unreachable"


async def test_the_module_ends_in_time_while_it_has_a_parent(tmp_path: Path) -> None:
    """Its connection to viam-server does not hold it up."""
    with SandboxProcess("--quiet") as cloud:
        async with Machine() as machine:
            await machine.add_service(attributes(cloud.address, tmp_path / "state", timeout_s=10))
            await machine.add_sensor({"service": "billing"})
            await machine.readings()
            assert machine.module.terminate() < 5
