"""How a service's parts are put together, and how they end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

from support.fake_charges import APP, FOR_EVER, ChargeCloud, Scene, request, settings
from support.fake_parts import Clock
from viam_billing.audit.entries import AuditEntry
from viam_billing.cache.readings import Call
from viam_billing.charging.recovery import FolderLock
from viam_billing.commands import EFFECTS
from viam_billing.core.errors import CloudUnreachableError, StateUnavailableError
from viam_billing.core.times import Deadline
from viam_billing.module.container import Container
from viam_billing.module.shared import Shared
from viam_billing.settings.attributes import parse_attributes
from viam_billing.storage.disk import Disk


@pytest.fixture
def shared() -> Shared:
    """A process without services."""
    return Shared()


def charging(folder: Path, shared: Shared) -> Container:
    """A service that may charge, in front of no cloud."""
    return Container(settings(str(folder), 100.0, 100.0, ("a",), {"app_address": "http://localhost:1"}), shared)


def reading(folder: Path, shared: Shared, **attributes: Any) -> Container:  # noqa: ANN401 - of the configuration
    """A service that may only read, in front of no cloud."""
    return Container(settings(str(folder), 1.0, 1.0, ("a",), {"allowed_commands": ["read"], **attributes}), shared)


async def test_the_journal_survives_a_power_cut(tmp_path: Path, shared: Shared) -> None:
    """Every commit of it is synced in full: what was tried, and the cooldowns."""
    container = reading(tmp_path, shared)
    synchronous = await container.context.charging().journal.begin(
        lambda db: db.execute("PRAGMA synchronous").fetchone()[0]
    )
    await container.close()
    assert synchronous == 2


async def test_a_service_that_is_closed_gives_the_folder_back(tmp_path: Path, shared: Shared) -> None:
    first = charging(tmp_path, shared)
    shares = first.context.charging()
    await shares.recovery.prepare()
    await first.close()
    await first.close()
    second = charging(tmp_path, shared)
    assert second.context.charging() is not shares
    await second.context.charging().recovery.prepare()
    await second.close()


async def test_a_service_that_is_recreated_twice_in_a_row_reads_its_journal_at_once(
    tmp_path: Path, shared: Shared
) -> None:
    for _ in range(2):
        await charging(tmp_path, shared).close()
    container = charging(tmp_path, shared)
    assert await asyncio.wait_for(container.context.charging().journal.find("k"), 2) is None
    await container.close()


@pytest.mark.parametrize("held", [False, True])
async def test_a_read_under_way_ends_with_an_error_when_its_service_is_removed(
    tmp_path: Path, shared: Shared, *, held: bool
) -> None:
    """Also while the disk has not answered yet, because another process holds the file."""
    other = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    if held:
        other.execute("BEGIN EXCLUSIVE")
    container = reading(tmp_path, shared, app_address="http://localhost:1")
    call = Call(Deadline(20.0), Deadline(20.0))
    read = asyncio.create_task(container.context.reads.usage("a", call, None))
    await asyncio.sleep(0)
    await container.close()
    with pytest.raises(CloudUnreachableError, match="closed"):
        await asyncio.wait_for(read, 0.5)
    other.close()


async def test_an_attempt_under_way_keeps_what_a_closed_service_shares(tmp_path: Path, shared: Shared) -> None:
    container = reading(tmp_path, shared)
    log = container.context.audit_log
    async with log.attempt("do", {}, permitted=True, sync=True):
        await container.close()
        later = reading(tmp_path, shared)
        assert later.context.charging() is container.context.charging()
        await later.close()
    await log.idle.wait()
    (entry,) = await read_log(reading(tmp_path, shared))
    assert entry.code is None


async def read_log(container: Container) -> list[AuditEntry]:
    """The audit log, as a service that is closed afterwards sees it."""
    entries = await container.context.audit_log.entries(lambda *_: True, since_s=0, limit=10)
    await container.close()
    return entries


async def test_a_charge_under_way_keeps_the_folder_of_a_closed_service(tmp_path: Path, shared: Shared) -> None:
    """Until it has ended: its outcome has to get on the disk; a service made meanwhile shares the journal."""
    container = charging(tmp_path, shared)
    shares, access, cloud = container.context.charging(), container.context.access, ChargeCloud(Clock())
    access.cloud = cloud
    charge = asyncio.create_task(shares.charge(request(), access, FOR_EVER))
    sending = await cloud.arrived()
    await container.close()
    later = charging(tmp_path, shared)
    assert later.context.charging() is shares
    await later.close()
    sending.succeed()
    entry, _ = await charge
    assert entry.state == "succeeded"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(StateUnavailableError):
        await shares.journal.find("k")


async def test_a_service_that_may_not_charge_takes_no_lock(tmp_path: Path, shared: Shared) -> None:
    """It reads beside another process that charges."""
    container = reading(tmp_path, shared)
    other = FolderLock(str(tmp_path), Disk())
    assert await other.take() == 1
    assert await container.context.charging().journal.find("k") is None
    assert (await figures(container))["unknown_charges"] == 0
    await container.close()
    other.release()


FIGURES = {"unknown_charges", "charged_last_24h"}


async def figures(container: Container) -> dict[str, Any]:
    """What `get_status` answers."""
    status: dict[str, Any] = to_builtins(await container.status())
    return status


@pytest.mark.parametrize("attributes", [{}, {"allowed_commands": ["read"]}])
async def test_the_figures_are_there_right_after_the_start(
    tmp_path: Path, shared: Shared, attributes: dict[str, Any]
) -> None:
    """Whether the service charges or only reads: the first look is waited for."""
    scene = Scene(str(tmp_path))
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    scene.close()
    container = Container(settings(str(tmp_path), 100.0, 100.0, ("a",), {"app_address": APP, **attributes}), shared)
    status = await figures(container)
    assert (status["unknown_charges"], status["journal"]["entries"]) == (0, 1)
    await container.close()


@pytest.mark.parametrize("attributes", [{}, {"allowed_commands": ["read"]}])
async def test_the_figures_of_a_journal_that_cannot_be_read_are_left_out(
    tmp_path: Path, shared: Shared, attributes: dict[str, Any]
) -> None:
    """They are not 0: nobody knows. Nor are they when the service is closed."""
    (tmp_path / "journal.db").write_bytes(b"no database" * 1000)
    container = Container(settings(str(tmp_path), 100.0, 100.0, ("a",), attributes), shared)
    assert not FIGURES & (await figures(container)).keys()
    await container.close()
    assert not FIGURES & (await figures(container)).keys()


async def test_a_journal_that_is_slow_is_not_waited_for(tmp_path: Path, shared: Shared) -> None:
    """What it tells is there when it has been read."""
    container = Container(settings(str(tmp_path), 100.0, 100.0, ("a",), {"allowed_commands": ["read"]}), shared)
    journal, goes_on = container.context.charging().journal, threading.Event()
    held = journal.begin(lambda _: goes_on.wait())
    assert not FIGURES & (await figures(container)).keys()
    goes_on.set()
    await held
    while not (await figures(container)).keys() >= FIGURES:  # noqa: ASYNC110 - the next answer may be the one
        await asyncio.sleep(0)
    await container.close()


async def test_where_there_is_no_journal_there_are_no_charges(tmp_path: Path, shared: Shared) -> None:
    """Without a folder, in a folder without one, and in one that is made later; a look at charges makes one."""
    without = Container(parse_attributes({}, {}, EFFECTS), shared)
    notifying = Container(
        settings(str(tmp_path / "state"), 1.0, 1.0, ("a",), {"allowed_commands": ["read", "notify"]}), shared
    )
    for container in (without, notifying):
        status = await figures(container)
        assert (status["unknown_charges"], status["charged_last_24h"], "journal" in status) == (0, 0, False)
    await notifying.context.email_cooldown.check("a", begin=True)
    status = await figures(notifying)
    assert (status["unknown_charges"], status["charged_last_24h"], status["journal"]["entries"]) == (0, 0, 0)
    for container in (without, notifying):
        await container.close()


@pytest.mark.parametrize("restarted", [False, True])
async def test_no_email_is_begun_and_no_attempt_noted_while_the_journal_is_gone(
    tmp_path: Path,
    shared: Shared,
    monkeypatch: pytest.MonkeyPatch,
    restarted: bool,  # noqa: FBT001 - from the table
) -> None:
    """An empty journal in its place would let the same e-mail be sent again; its owner can say that it is lost."""
    marks, folder = tmp_path / "marks", tmp_path / "state"
    marks.mkdir()
    monkeypatch.setenv("VIAM_MODULE_DATA", str(marks))
    container = reading(folder, shared)
    journal = container.context.charging().journal
    _, own = await journal.reserve(request(cents=100), container.context.access.limits, [])
    assert own
    if not restarted:
        await container.context.email_cooldown.check("z", begin=True)
    else:
        await container.context.email_cooldown.check("a", begin=True)
        await container.close()
        shared = Shared()
        container = reading(folder, shared)
    folder.rename(tmp_path / "away")  # at once, whatever is being written in it
    async with container.context.audit_log.attempt("update_billing_service", {}, permitted=True, sync=True):
        pass
    with pytest.raises(StateUnavailableError, match="is gone"):
        await container.context.email_cooldown.check("a", begin=True)
    await container.context.email_cooldown.end("a")
    assert not list(tmp_path.glob("state/journal.db"))  # noqa: ASYNC240 - a small folder of its own
    await container.close()
    lost = container.context.charging().journal.identity.lost
    accepting = reading(folder, Shared() if restarted else shared, accept_lost_journal=lost)
    await accepting.context.email_cooldown.check("a", begin=True)
    await accepting.close()
