"""What the services of one process share, and how it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.fake_charges import FOR_EVER, ChargeCloud, request, settings
from support.fake_parts import Clock
from unit.charging.scene import code_of
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.registry import ChargeServices
from viam_billing.charging.service import ChargeService
from viam_billing.core.errors import StateUnavailableError
from viam_billing.settings.policy import Policy
from viam_billing.storage.disk import Disk


def access(folder: Path, cloud: ChargeCloud) -> ServiceAccess:
    """A service's."""
    return ServiceAccess(cloud, Policy(settings(str(folder), 1000.0, 500.0, ("a", "b"))))


async def charge(service: ChargeService, access: ServiceAccess, key: str = "k") -> str:
    """The state of a charge."""
    entry, _ = await service.charge(request(key), access, FOR_EVER)
    return entry.state


async def test_a_folder_has_one_database_and_lock_and_a_journal_for_each_cloud(tmp_path: Path) -> None:
    services = ChargeServices(Disk())
    one, same, other = (services.open(str(tmp_path), app) for app in ("x", "x", "y"))
    assert one is same
    assert other is not one
    assert other.journal.store is one.journal.store
    await one.recovery.prepare()
    await other.recovery.prepare()
    for service in (one, same, other):
        services.release(service)


async def test_the_last_release_closes_the_database_and_the_lock(tmp_path: Path) -> None:
    services = ChargeServices(Disk())
    first, second = services.open(str(tmp_path), "x"), services.open(str(tmp_path), "x")
    services.release(first)
    await second.recovery.prepare()
    services.release(second)
    with pytest.raises(StateUnavailableError):
        await second.journal.find("k")
    third = services.open(str(tmp_path), "x")
    await third.recovery.prepare()
    services.release(third)


async def test_stopping_waits_for_what_is_under_way_and_begins_nothing(tmp_path: Path) -> None:
    services, cloud = ChargeServices(Disk()), ChargeCloud(Clock())
    service, own = services.open(str(tmp_path), "x"), access(tmp_path, cloud)
    task = asyncio.ensure_future(charge(service, own))
    sending = await cloud.arrived()
    stopping = asyncio.ensure_future(services.stop(60))
    sending.succeed()
    assert await stopping
    assert await task == "succeeded"
    for each in (service, services.open(str(tmp_path), "y")):
        assert await code_of(charge(each, own, "k2")) == "cloud_unreachable"
        services.release(each)


async def test_stopping_ends_although_a_charge_does_not(tmp_path: Path) -> None:
    services, cloud = ChargeServices(Disk()), ChargeCloud(Clock())
    assert not await services.stop(60)
    services = ChargeServices(Disk())
    service = services.open(str(tmp_path), "x")
    task = asyncio.ensure_future(charge(service, access(tmp_path, cloud)))
    await cloud.arrived()
    assert await services.stop(0.01)
    for attempt in service.under_way():
        attempt.task.cancel()
    assert await code_of(task) == "charge_outcome_unknown"
    services.release(service)
