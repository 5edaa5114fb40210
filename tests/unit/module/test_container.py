"""How a service's parts are put together."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from support.fake_charges import APP, Scene, request, settings
from viam_billing.charging.attempt import Attempt
from viam_billing.charging.charge import Entry
from viam_billing.charging.lock import FolderLock
from viam_billing.commands import EFFECTS
from viam_billing.core.errors import CloudUnreachableError, StateUnavailableError
from viam_billing.module.container import Runtime
from viam_billing.settings.attributes import parse_attributes


async def test_the_journal_survives_a_power_cut(tmp_path: Path) -> None:
    """Every commit of it is synced in full: what was tried, and the cooldowns."""
    runtime = Runtime(parse_attributes({"state_dir": str(tmp_path)}, {}, EFFECTS))
    store = runtime.context.state._store  # noqa: SLF001 - the setting is the connection's own and not in the file
    assert store is not None
    synchronous = await store.run(lambda db: db.execute("PRAGMA synchronous").fetchone()[0])
    await runtime.close()
    assert synchronous == 2
    assert (tmp_path / "journal.db").exists()


def charging(folder: Path) -> Runtime:
    """A service that may charge, in front of no cloud."""
    return Runtime(settings(str(folder), 100.0, 100.0, ("a",), {"app_address": "http://localhost:1"}))


async def test_a_service_that_is_closed_gives_the_folder_back(tmp_path: Path) -> None:
    """The next one finds the lock free."""
    first = charging(tmp_path)
    book = first.context.open_book()
    await book.charger.prepare()
    await first.close()
    await first.close()
    second = charging(tmp_path)
    assert second.context.open_book() is not book
    await second.context.open_book().charger.prepare()
    await second.close()


async def test_a_charge_under_way_keeps_the_folder_of_a_closed_service(tmp_path: Path) -> None:
    """Until it has ended: its outcome has to get on the disk; a service made meanwhile shares the book."""
    runtime = charging(tmp_path)
    book, ended = runtime.context.open_book(), asyncio.Event()
    attempt = Attempt(request(), runtime.context.desk)
    attempt.reserved = True

    async def charge() -> Entry:
        await ended.wait()
        del book.charger._attempts["k"]  # noqa: SLF001 - the attempt is put there by hand
        raise CloudUnreachableError("no")

    attempt.task = asyncio.create_task(charge())
    book.charger._attempts["k"] = attempt  # noqa: SLF001 - the same
    await runtime.close()
    later = charging(tmp_path)
    assert later.context.open_book() is book
    await later.close()
    assert (await book.charger.journal.find("k")) is None
    ended.set()
    await asyncio.wait({attempt.task})
    assert isinstance(attempt.task.exception(), CloudUnreachableError)
    await asyncio.sleep(0)
    with pytest.raises(StateUnavailableError):
        await book.charger.journal.find("k")


async def test_a_service_that_may_not_charge_takes_no_lock(tmp_path: Path) -> None:
    """It reads beside another process that charges."""
    runtime = Runtime(settings(str(tmp_path), 1.0, 1.0, ("a",), {"allowed_commands": ["read"]}))
    other = FolderLock(str(tmp_path))
    assert other.take() == 1
    assert await runtime.context.open_book().charger.journal.find("k") is None
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
    runtime = Runtime(settings(str(tmp_path), 100.0, 100.0, ("a",), {"app_address": APP, **attributes}))
    status = await runtime.status()
    assert (status["unknown_charges"], status["journal"]["entries"]) == (0, 1)
    await runtime.close()


@pytest.mark.parametrize("attributes", [{}, {"allowed_commands": ["read"]}])
async def test_the_figures_of_a_journal_that_cannot_be_read_are_left_out(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    """They are not 0: nobody knows. Nor are they when the service is closed."""
    (tmp_path / "journal.db").write_bytes(b"no database" * 1000)
    runtime = Runtime(settings(str(tmp_path), 100.0, 100.0, ("a",), attributes))
    assert not FIGURES & (await runtime.status()).keys()
    await runtime.close()
    assert not FIGURES & (await runtime.status()).keys()


async def test_a_journal_that_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    """What it tells is there when it has been read."""
    runtime = Runtime(settings(str(tmp_path), 100.0, 100.0, ("a",), {"allowed_commands": ["read"]}))
    store, goes_on = runtime.context.open_book().store, threading.Event()
    held = asyncio.ensure_future(store.run(lambda _: goes_on.wait()))
    assert not FIGURES & (await runtime.status()).keys()
    goes_on.set()
    await held
    while not (await runtime.status()).keys() >= FIGURES:  # noqa: ASYNC110 - the next answer may be the one
        await asyncio.sleep(0)
    await runtime.close()


async def test_where_there_is_no_journal_there_are_no_charges(tmp_path: Path) -> None:
    """Without a folder, in a folder without one, and in one that is made later; a look at charges makes one."""
    without = Runtime(parse_attributes({}, {}, EFFECTS))
    reading = Runtime(settings(str(tmp_path / "state"), 1.0, 1.0, ("a",), {"allowed_commands": ["read", "notify"]}))
    for runtime in (without, reading):
        status = await runtime.status()
        assert (status["unknown_charges"], status["charged_last_24h"], "journal" in status) == (0, 0, False)
    await reading.context.state.begin_cooldown("a")
    status = await reading.status()
    assert (status["unknown_charges"], status["charged_last_24h"], status["journal"]["entries"]) == (0, 0, 0)
    for runtime in (without, reading):
        await runtime.close()
