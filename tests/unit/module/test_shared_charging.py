"""The charge journals that services share, and how charging stops."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.fake_charges import FOR_EVER, ChargeCloud, request, settings
from support.fake_parts import Clock
from unit.charging.scene import code_of
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.service import ChargeService
from viam_billing.core.errors import StateUnavailableError
from viam_billing.module.shared import Shared
from viam_billing.settings.app_address import AppAddress
from viam_billing.settings.policy import Policy

X = AppAddress("http://localhost:1", "localhost", 1)
Y = AppAddress("http://localhost:2", "localhost", 2)


def access(folder: Path, cloud: ChargeCloud) -> ServiceAccess:
    """A service's."""
    return ServiceAccess(cloud, Policy(settings(str(folder), 1000.0, 500.0, ("a", "b"))))


async def charge(service: ChargeService, access: ServiceAccess, key: str = "k") -> str:
    """The state of a charge."""
    entry, _ = await service.charge(request(key), access, FOR_EVER)
    return entry.state


async def test_a_folder_has_one_database_and_lock_and_a_journal_for_each_cloud(tmp_path: Path) -> None:
    shared = Shared()
    with ExitStack() as lease:
        one, same, other = (lease.enter_context(shared.charging(str(tmp_path), cloud)) for cloud in (X, X, Y))
        assert one is same
        assert other is not one
        await one.recovery.prepare()
        await other.recovery.prepare()


async def test_the_last_user_closes_the_database_and_the_lock(tmp_path: Path) -> None:
    shared = Shared()
    with shared.charging(str(tmp_path), X) as service:
        with shared.charging(str(tmp_path), X):
            pass
        await service.recovery.prepare()
    with pytest.raises(StateUnavailableError):
        await service.journal.find("k")
    with shared.charging(str(tmp_path), X) as service:
        await service.recovery.prepare()


async def test_stopping_waits_for_what_is_under_way_and_begins_nothing(tmp_path: Path) -> None:
    shared, cloud = Shared(), ChargeCloud(Clock())
    own = access(tmp_path, cloud)
    with shared.charging(str(tmp_path), X) as service:
        task = asyncio.ensure_future(charge(service, own))
        sending = await cloud.arrived()
        stopping = asyncio.ensure_future(shared.stop_charging(60))
        sending.succeed()
        assert await stopping
        assert await task == "succeeded"
        with shared.charging(str(tmp_path), Y) as later:
            for each in (service, later):
                assert await code_of(charge(each, own, "k2")) == "cloud_unreachable"


async def test_stopping_ends_although_a_charge_does_not(tmp_path: Path) -> None:
    shared, cloud = Shared(), ChargeCloud(Clock())
    with shared.charging(str(tmp_path), X) as service:
        task = asyncio.ensure_future(charge(service, access(tmp_path, cloud)))
        await cloud.arrived()
        assert await shared.stop_charging(0.01)
        for attempt in service.under_way():
            attempt.task.cancel()
        assert await code_of(task) == "charge_outcome_unknown"


async def test_without_charges_there_is_nothing_to_wait_for() -> None:
    assert not await Shared().stop_charging(60)
