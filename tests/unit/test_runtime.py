"""How a service's parts are put together."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from support.fake_charges import APP, FOR_EVER, ChargeCloud, Scene, request, settings
from support.fake_parts import Clock
from viam_billing.charging.lock import FolderLock
from viam_billing.charging.registry import ChargeServices
from viam_billing.commands import EFFECTS
from viam_billing.core.errors import StateUnavailableError
from viam_billing.module.container import Runtime
from viam_billing.settings.attributes import parse_attributes


async def test_the_journal_survives_a_power_cut(tmp_path: Path) -> None:
    """Every commit of it is synced in full: what was tried, and the cooldowns."""
    runtime = Runtime(parse_attributes({"state_dir": str(tmp_path)}, {}, EFFECTS), ChargeServices())
    store = runtime.context.state._store  # noqa: SLF001 - the setting is the connection's own and not in the file
    assert store is not None
    synchronous = await store.run(lambda db: db.execute("PRAGMA synchronous").fetchone()[0])
    await runtime.close()
    assert synchronous == 2
    assert (tmp_path / "journal.db").exists()


def charging(folder: Path) -> Runtime:
    """A service that may charge, in front of no cloud."""
    return Runtime(settings(str(folder), 100.0, 100.0, ("a",), {"app_address": "http://localhost:1"}), ChargeServices())


async def test_a_service_that_is_closed_gives_the_folder_back(tmp_path: Path) -> None:
    """The next one finds the lock free."""
    first = charging(tmp_path)
    shared = first.context.charging()
    await shared.recovery.prepare()
    await first.close()
    await first.close()
    second = charging(tmp_path)
    assert second.context.charging() is not shared
    await second.context.charging().recovery.prepare()
    await second.close()


async def test_a_charge_under_way_keeps_the_folder_of_a_closed_service(tmp_path: Path) -> None:
    """Until its outcome is on the disk; a service made meanwhile shares the journal."""
    services, cloud = ChargeServices(), ChargeCloud(Clock())
    configured = settings(str(tmp_path), 100.0, 100.0, ("a",), {"app_address": "http://localhost:1"})
    runtime = Runtime(configured, services)
    shared, access = runtime.context.charging(), runtime.context.access
    access.cloud = cloud
    charging = asyncio.ensure_future(shared.charge(request(), access, FOR_EVER))
    sending = await cloud.arrived()
    await runtime.close()
    later = Runtime(configured, services)
    assert later.context.charging() is shared
    await later.close()
    sending.succeed()
    assert (await charging)[0].state == "succeeded"
    with pytest.raises(StateUnavailableError):
        await shared.journal.find("k")


async def test_a_service_that_may_not_charge_takes_no_lock(tmp_path: Path) -> None:
    """It reads beside another process that charges."""
    runtime = Runtime(settings(str(tmp_path), 1.0, 1.0, ("a",), {"allowed_commands": ["read"]}), ChargeServices())
    other = FolderLock(str(tmp_path))
    assert other.take() == 1
    assert await runtime.context.charging().journal.find("k") is None
    assert (await runtime.status())["unknown_charges"] == 0
    await runtime.close()
    other.release()


FIGURES = {"unknown_charges", "charged_last_24h"}


@pytest.mark.parametrize("attributes", [{}, {"allowed_commands": ["read"]}])
async def test_the_figures_are_there_right_after_the_start(tmp_path: Path, attributes: dict[str, Any]) -> None:
    """Whether the service charges or only reads: the first look is waited for."""
    scene = Scene(str(tmp_path))
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    scene.close()
    runtime = Runtime(
        settings(str(tmp_path), 100.0, 100.0, ("a",), {"app_address": APP, **attributes}), ChargeServices()
    )
    status = await runtime.status()
    assert (status["unknown_charges"], status["journal"]["entries"]) == (0, 1)
    await runtime.close()


@pytest.mark.parametrize("attributes", [{}, {"allowed_commands": ["read"]}])
async def test_the_figures_of_a_journal_that_cannot_be_read_are_left_out(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    """They are not 0: nobody knows. Nor are they when the service is closed."""
    (tmp_path / "journal.db").write_bytes(b"no database" * 1000)
    runtime = Runtime(settings(str(tmp_path), 100.0, 100.0, ("a",), attributes), ChargeServices())
    assert not FIGURES & (await runtime.status()).keys()
    await runtime.close()
    assert not FIGURES & (await runtime.status()).keys()


async def test_a_journal_that_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    """What it tells is there when it has been read."""
    runtime = Runtime(settings(str(tmp_path), 100.0, 100.0, ("a",), {"allowed_commands": ["read"]}), ChargeServices())
    store, goes_on = runtime.context.charging().journal.store, threading.Event()
    held = asyncio.ensure_future(store.run(lambda _: goes_on.wait()))
    assert not FIGURES & (await runtime.status()).keys()
    goes_on.set()
    await held
    while not (await runtime.status()).keys() >= FIGURES:  # noqa: ASYNC110 - the next answer may be the one
        await asyncio.sleep(0)
    await runtime.close()


async def test_where_there_is_no_journal_there_are_no_charges(tmp_path: Path) -> None:
    """Without a folder, in a folder without one, and in one that is made later; a look at charges makes one."""
    without = Runtime(parse_attributes({}, {}, EFFECTS), ChargeServices())
    reading = Runtime(
        settings(str(tmp_path / "state"), 1.0, 1.0, ("a",), {"allowed_commands": ["read", "notify"]}), ChargeServices()
    )
    for runtime in (without, reading):
        status = await runtime.status()
        assert (status["unknown_charges"], status["charged_last_24h"], "journal" in status) == (0, 0, False)
    await reading.context.state.begin_cooldown("a")
    status = await reading.status()
    assert (status["unknown_charges"], status["charged_last_24h"], status["journal"]["entries"]) == (0, 0, 0)
    for runtime in (without, reading):
        await runtime.close()
