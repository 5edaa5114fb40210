"""The journal's folder: full, replaced meanwhile, of a newer version, empty, and wanted by two processes."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.charging import RPC, change_journal, charge, keys, read_journal, sent, state_of
from support.module_process import ModuleProcess, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")
resource = pytest.importorskip("resource")


@pytest_asyncio.fixture(loop_scope="module")
async def own(charging: dict[str, Any], control: SandboxControl) -> AsyncIterator[ModuleProcess]:
    """A module process for this test alone, with a service that charges."""
    async with ModuleProcess() as running:
        await running.add(charging)
        yield running
        control.cut()  # what is still under way ends, so that the module does


def fill_disk(module: ModuleProcess, *, full: bool) -> None:
    """Let the module write no byte more into any file, as on a full disk, or as many as it wants."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs Linux, where one process can limit another's files")
    _, hard = resource.prlimit(module.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(module.process.pid, resource.RLIMIT_FSIZE, (0 if full else hard, hard))


def become_file(folder: str) -> None:
    """Put a file in the folder's place."""
    os.rename(folder, f"{folder}-away")
    Path(folder).write_text("a file")


def empty(folder: str) -> None:
    """Put a new folder in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder, 0o700)


def come_back(folder: str) -> None:
    """Put the folder in its place again."""
    os.unlink(folder)
    os.rename(f"{folder}-away", folder)


async def test_on_a_full_disk_nothing_is_sent(own: ModuleProcess, control: SandboxControl) -> None:
    """Neither for a new key nor for one that failed; with space again both work."""
    await own.do(charge("before"))
    control.set_fault(Fault(RPC, status="NOT_FOUND", count=1))
    await refused(own.do(charge("failed")))
    fill_disk(own, full=True)
    for key in ("a", "failed"):
        refusal = await refused(own.do(charge(key)))
        assert refusal.code == "state_unavailable"
        assert "state_dir" in refusal.text
    assert control.stats().calls[RPC] == 2
    fill_disk(own, full=False)
    assert [(await own.do(charge(key)))["attempts"] for key in ("a", "failed")] == [1, 2]
    assert keys(control.stats()) == ["before", "a", "failed"]


async def test_an_outcome_that_cannot_be_written_is_answered_and_kept(
    own: ModuleProcess, control: SandboxControl
) -> None:
    """The caller gets it; nothing else is charged until it is on the disk, not even another organization."""
    control.set_fault(Fault(RPC, latency_after_s=0.5, count=1))
    call = asyncio.create_task(own.do(charge("a")))
    await sent(control)
    fill_disk(own, full=True)
    answer = await call
    assert (answer["state"], answer["invoice_id"]) == ("succeeded", control.stats().charges[0]["invoice_id"])
    for command in (charge("a"), charge("b"), charge("c", NORTHWIND_ID)):
        assert (await refused(own.do(command))).code == "state_unavailable"
    fill_disk(own, full=False)
    assert await own.do(charge("a")) == {**answer, "replayed": True}
    assert await state_of(own, "a") == "succeeded"
    assert (await own.do(charge("b")))["state"] == "succeeded"
    assert keys(control.stats()) == ["a", "b"]


async def test_an_outcome_that_was_never_written_is_unknown_after_a_kill(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """What was answered is not forgotten: reconciling finds it."""
    control.set_fault(Fault(RPC, latency_after_s=0.5, count=1))
    call = asyncio.create_task(own.do(charge("a")))
    await sent(control)
    fill_disk(own, full=True)
    invoice_id = (await call)["invoice_id"]
    own.kill()
    await own.restart()
    await own.add(charging)
    assert await state_of(own, "a") == "unknown"
    assert (await own.ask("reconcile_charges"))["settled"][0]["invoice_id"] == invoice_id
    assert keys(control.stats()) == ["a"]


async def test_a_folder_that_became_a_file(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """No charge is made, old keys and new; with the folder back, all is known again."""
    await own.do(charge("a"))
    become_file(charging["state_dir"])
    for key in ("a", "b"):
        assert (await refused(own.do(charge(key)))).code == "state_unavailable"
    assert keys(control.stats()) == ["a"]
    come_back(charging["state_dir"])
    assert (await own.do(charge("a")))["replayed"] is True
    assert (await own.do(charge("b")))["state"] == "succeeded"


async def test_a_folder_that_became_a_file_while_a_charge_was_under_way(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """Its outcome is answered, and written when the folder is back."""
    control.set_fault(Fault(RPC, latency_after_s=0.5, count=1))
    call = asyncio.create_task(own.do(charge("a")))
    await sent(control)
    become_file(charging["state_dir"])
    assert (await call)["state"] == "succeeded"
    assert (await refused(own.do(charge("b")))).code == "state_unavailable"
    come_back(charging["state_dir"])
    assert (await own.do(charge("a")))["replayed"] is True
    assert keys(control.stats()) == ["a"]


async def test_a_lost_journal_is_charged_and_read_no_more_until_its_owner_accepts_it(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    control.set_fault(Fault(RPC, latency_after_s=0.6, count=1))
    call = asyncio.create_task(own.do(charge("a")))
    await sent(control)
    journal_id = (await own.status())["journal"]["id"]
    shutil.rmtree(charging["state_dir"])
    figures = {"journal", "unknown_charges", "charged_last_24h"}
    assert not figures & (await own.status()).keys()  # the first to meet the loss
    for command in ({"command": "list_charges"}, {"command": "get_charge", "idempotency_key": "a"}):
        refusal = await refused(own.do(command))
        assert (refusal.code, journal_id in refusal.text) == ("state_unavailable", True)
    assert not figures & (await own.status()).keys()
    assert not Path(charging["state_dir"]).exists()  # noqa: ASYNC240 - a look at a local folder
    assert (await refused(own.do(charge("b", NORTHWIND_ID)))).code == "state_unavailable"
    assert not Path(charging["state_dir"]).exists()  # noqa: ASYNC240 - the same
    assert (await call)["state"] == "succeeded"
    empty(charging["state_dir"])
    await own.restart()
    await own.add(charging)
    for command in (charge("a"), charge("b", dry_run=True), {"command": "reconcile_charges"}):
        assert (await refused(own.do(command))).code == "state_unavailable"
    assert "journal" not in await own.status()
    assert own.log.count("the charge journal is gone") == 2  # one for each process
    await own.remove()
    await own.add({**charging, "accept_lost_journal": journal_id})
    assert (await own.do(charge("b", NORTHWIND_ID)))["state"] == "succeeded"
    assert sorted(keys(control.stats())) == ["a", "b"]


async def test_the_folder_is_put_back(own: ModuleProcess, charging: dict[str, Any], control: SandboxControl) -> None:
    """Then all goes on, with what was charged before."""
    await own.do(charge("a"))
    folder = charging["state_dir"]
    become_file(folder)
    os.unlink(folder)
    os.mkdir(folder, 0o700)
    assert (await refused(own.do(charge("a")))).code == "state_unavailable"
    shutil.rmtree(folder)
    os.rename(f"{folder}-away", folder)
    assert (await own.do(charge("a")))["replayed"] is True
    assert keys(control.stats()) == ["a"]


async def test_an_empty_journal_is_a_warning(own: ModuleProcess, charging: dict[str, Any]) -> None:
    """Once, with its number; a journal with an entry is none."""
    await own.ask("list_charges")
    journal_id = (await own.status())["journal"]["id"]
    (line,) = [line for line in own.log.splitlines() if "is empty" in line]
    assert "WARNING" in line
    assert journal_id in line
    await own.do(charge("a"))
    own.kill()
    await own.restart()
    await own.add(charging)
    await own.ask("list_charges")
    assert (await own.status())["journal"]["id"] == journal_id
    assert own.log.count("is empty") == 1


async def test_a_journal_of_a_newer_version_is_refused(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """It is left as it is; with the version that knows it, or put back, all is there."""
    await own.do(charge("a"))
    own.kill()
    (version,) = read_journal(charging["state_dir"], "PRAGMA user_version")
    change_journal(charging["state_dir"], "PRAGMA user_version = 99")
    await own.restart()
    await own.add(charging)
    for call in (own.do(charge("b")), own.ask("list_charges"), own.ask("reconcile_charges")):
        refusal = await refused(call)
        assert (refusal.code, "newer version" in refusal.text) == ("state_unavailable", True)
    assert keys(control.stats()) == ["a"]
    own.kill()
    assert read_journal(charging["state_dir"], "PRAGMA user_version") == (99,)
    change_journal(charging["state_dir"], f"PRAGMA user_version = {version}")
    await own.restart()
    await own.add(charging)
    assert (await own.do(charge("a")))["replayed"] is True


async def test_a_second_process_is_refused_until_the_first_dies(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """It takes over then, with what the first one left: the charge under way is unknown, and blocks."""
    async with ModuleProcess() as second:
        await second.add(charging)
        await own.do(charge("a"))
        for command in (charge("a"), charge("b", NORTHWIND_ID), charge("b", NORTHWIND_ID, dry_run=True)):
            refusal = await refused(second.do(command))
            assert (refusal.code, "another process" in refusal.text) == ("state_unavailable", True)
        assert (await refused(second.ask("reconcile_charges"))).code == "state_unavailable"
        assert (await second.ask("list_charges"))["charges"][0]["idempotency_key"] == "a"
        control.set_fault(Fault(RPC, never_answer=True, when="after", count=1))
        call = asyncio.create_task(own.do(charge("c")))
        await asyncio.to_thread(control.wait_for, lambda stats: stats.finished.get(RPC) == 2)
        assert (await refused(second.do(charge("c")))).code == "state_unavailable"
        assert await state_of(second, "c") == "sent"
        own.kill()
        await asyncio.gather(call, return_exceptions=True)
        assert (await refused(second.do(charge("c")))).code == "charge_outcome_unknown"
        assert (await refused(second.do(charge("d", HARBOR_ID)))).code == "charge_blocked"
        assert (await second.do(charge("a")))["replayed"] is True
        assert [e["idempotency_key"] for e in (await second.ask("reconcile_charges"))["settled"]] == ["c"]
    assert keys(control.stats()) == ["a", "c"]
