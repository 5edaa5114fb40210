"""How a service's parts are put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.fake_charges import request, settings
from viam_billing import config
from viam_billing.charging.attempt import Attempt
from viam_billing.charging.entry import Entry
from viam_billing.charging.lock import FolderLock
from viam_billing.commands import EFFECTS
from viam_billing.errors import CloudUnreachableError, StateUnavailableError
from viam_billing.runtime import Runtime


async def test_the_journal_survives_a_power_cut(tmp_path: Path) -> None:
    """Every commit of it is synced in full: what was tried, and the cooldowns."""
    runtime = Runtime(config.parse({"state_dir": str(tmp_path)}, {}, EFFECTS))
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
    assert runtime.status()["unknown_charges"] == 0
    await runtime.close()
    other.release()
