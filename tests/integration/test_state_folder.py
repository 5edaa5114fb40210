"""A state_dir that others can change: nothing is read, written or deleted through it, by root and by nobody."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from support.charging import charge, keys
from support.module_process import PACKAGED, ModuleProcess, Service, refused
from support.state_scene import (
    FILES,
    FOLDERS,
    IS_ROOT,
    LINK,
    NOBODY,
    OTHERS,
    OWNER,
    SPECIAL,
    Scene,
    Step,
    all_refused,
    as_nobody,
    foreign,
    gone,
    hard_link,
    link_of_the_attacker,
    link_to_itself,
    link_to_nothing,
    link_to_the_victim,
    mode,
    pipe,
    save,
)
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PACKAGED, reason="only this Python is known to be readable by nobody"),
]

Start: TypeAlias = Callable[[], Awaitable[Service]]
RPC = "GetInvoicePdf"
READING = ("list_charges", "get_audit_log", "get_usage_history")
COMMANDS = (charge("a"), charge("b", dry_run=True), *({"command": name} for name in READING))
ROOT_ONLY = pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
_NUMBERS = itertools.count()

ATTACKS: list[tuple[str, Step, str]] = [
    *(("state", mode(value), OTHERS) for value in (0o777, 0o770, 0o702, 0o1777)),
    *(("parent", mode(value), OTHERS) for value in (0o777, 0o770, 0o703)),
    ("above", mode(0o777), OTHERS),
    *(("state", step, LINK) for step in (link_to_itself, link_to_the_victim, link_to_nothing)),
    ("state", pipe, SPECIAL),
    *((name, link_to_the_victim, LINK) for name in (*FOLDERS, *FILES, "anything")),
    *((name, link_to_nothing, LINK) for name in (*FOLDERS, *FILES)),
    *((name, mode(0o777), OTHERS) for name in FOLDERS),
    *((name, mode(0o666), OTHERS) for name in FILES),
    *((name, pipe, SPECIAL) for name in (*FOLDERS, *FILES)),
    *((name, hard_link, "a hard link") for name in FILES),
]
BY_ANOTHER_USER: list[tuple[str, Step, str]] = [
    *((name, foreign, OWNER) for name in ("above", "parent", "state", *FOLDERS, *FILES, "anything")),
    ("parent", link_of_the_attacker, OWNER),
    ("state", link_of_the_attacker, LINK),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["this user", "nobody"])
async def process(request: pytest.FixtureRequest) -> AsyncIterator[ModuleProcess]:
    """A module that runs as root, or as whoever tests; and one that runs as nobody."""
    prefix: tuple[str, ...] = ()
    user = -1
    if request.param == "nobody":
        found = as_nobody()
        if found is None:
            pytest.skip("only root becomes nobody, where nobody can start this Python")
        prefix, user = found, NOBODY
    async with ModuleProcess(prefix=prefix, user=user) as running:
        yield running


@pytest.fixture
def scene(process: ModuleProcess) -> Scene:
    """A good folder of the module's user."""
    return Scene.below(process.folder)


@pytest_asyncio.fixture(loop_scope="module")
async def start(
    process: ModuleProcess, scene: Scene, charging: dict[str, Any], control: SandboxControl
) -> AsyncIterator[Start]:
    """Adds a service that may charge."""
    control.reset_stats()
    made = Service(process, f"billing{next(_NUMBERS)}")

    async def add() -> Service:
        await process.add({**charging, "state_dir": str(scene.state)}, made.name)
        return made

    yield add
    await process.remove(made.name)


def named(value: object) -> str | None:
    """A parameter's part of a test's name."""
    return getattr(value, "__qualname__", None)


@pytest.mark.parametrize(
    ("where", "attack", "why"),
    [*ATTACKS, *(pytest.param(*case, marks=ROOT_ONLY) for case in BY_ANOTHER_USER)],
    ids=named,
)
async def test_what_others_can_change_is_refused_and_nothing_is_done_through_it(
    start: Start, scene: Scene, control: SandboxControl, where: str, attack: Step, why: str
) -> None:
    attack(scene, scene.at(where))
    assert why in await all_refused(await start(), scene, *COMMANDS)
    assert keys(control.stats()) == []


@pytest.mark.parametrize(
    ("where", "change"),
    [
        *(("state", change) for change in (gone, mode(0o755))),
        *(("parent", change) for change in (mode(0o1777), mode(0o755), link_to_itself)),
    ],
    ids=named,
)
async def test_what_only_its_user_can_change_is_used(start: Start, scene: Scene, where: str, change: Step) -> None:
    """A folder like /tmp may lead to it, and a link of the module's user or of root."""
    change(scene, scene.at(where))
    service = await start()
    saved = Path((await save(service))["path"])
    assert saved.read_bytes().startswith(b"%PDF")  # noqa: ASYNC240 - a small local file
    assert (await service.do(charge("a")))["state"] == "succeeded"
    made = [path.lstat() for path in scene.state.rglob("*")]
    assert {(found.st_mode & 0o077, found.st_uid) for found in made} == {(0, scene.user)}


@pytest.mark.parametrize(
    ("where", "change"),
    [
        *(("state", change) for change in (link_to_itself, link_to_the_victim, mode(0o770))),
        *(("parent", change) for change in (mode(0o773), mode(0o770))),
        *(("journal.db", change) for change in (link_to_itself, link_to_the_victim, mode(0o606))),
        *(pytest.param(where, foreign, marks=ROOT_ONLY) for where in ("parent", "state", "journal.db")),
    ],
    ids=named,
)
async def test_a_change_between_two_uses_is_noticed_and_can_be_put_right(
    start: Start, scene: Scene, control: SandboxControl, where: str, change: Step
) -> None:
    service = await start()
    await save(service)
    await service.do(charge("before"))
    path = scene.at(where)
    copy, kept = path.with_name("kept"), path.stat()
    if change is link_to_the_victim:
        path.rename(copy)
    change(scene, path)
    await all_refused(service, scene, charge("before"), *COMMANDS)
    if path.is_symlink():
        path.unlink()
        (copy if copy.exists() else scene.above / "aside").rename(path)
    os.chown(path, kept.st_uid, kept.st_gid)
    path.chmod(kept.st_mode & 0o7777)
    assert (await service.do(charge("before")))["replayed"] is True
    assert (await service.do(charge("a")))["state"] == "succeeded"
    assert keys(control.stats()) == ["before", "a"]
    await save(service, "b.pdf")


@pytest.mark.parametrize("name", FOLDERS)
async def test_a_folder_that_is_replaced_by_a_link_while_a_pdf_arrives(
    start: Start, scene: Scene, control: SandboxControl, name: str
) -> None:
    """The PDF gets its place or none, and never goes where the link leads; the next one is refused."""
    service = await start()
    await save(service)
    before = scene.victims()
    control.set_fault(Fault(rpc=RPC, latency_before_s=0.5, count=1))
    saving = asyncio.create_task(save(service, "b.pdf"))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(RPC, 0) >= 2)
    aside, back = scene.away(scene.state / name)
    scene.link(scene.state / name, scene.victim)
    if name == "invoices":
        assert (await refused(saving)).code == "state_unavailable"
    else:
        await saving
    assert LINK in (await refused(save(service))).text
    assert scene.victims() == before
    assert [path.name for path in aside.iterdir()] == (["a.pdf"] if name == "invoices" else [])
    back()
    await save(service)


@ROOT_ONLY
async def test_only_temporaries_of_its_own_are_deleted(start: Start, scene: Scene) -> None:
    """By name, kind and owner, left behind an hour ago."""
    incoming = scene.state / "incoming"
    incoming.mkdir(0o700)
    names = ["tmpabcd_123", "tmpof_other", "tmp.of.user", "invoice.pdf"]
    for name in (*names, "tmpabcd1234"):
        (incoming / name).touch(0o600)
    (incoming / "tmpa_folder").mkdir()
    (incoming / "tmpis_alink").symlink_to(scene.file)
    scene.own()
    foreign(scene, incoming / "tmpof_other")
    for name in (*names, "tmpa_folder", "tmpis_alink"):
        os.utime(incoming / name, (time.time() - 9000,) * 2, follow_symlinks=False)
    before = scene.victims()
    await save(await start())
    left = {path.name for path in incoming.iterdir()}
    assert left == {*names[1:], "tmpabcd1234", "tmpa_folder", "tmpis_alink"}
    assert scene.victims() == before


@pytest.mark.parametrize("attack", [link_to_the_victim, mode(0o777)], ids=named)
async def test_the_mark_outside_of_state_dir_is_not_written_where_others_can_change_it(
    charging: dict[str, Any], control: SandboxControl, attack: Step
) -> None:
    """Charging goes on, and says once what that costs."""
    async with ModuleProcess() as own:
        scene = Scene.below(own.folder)
        attack(scene, own.data)
        before = scene.victims()
        await own.add({**charging, "state_dir": str(scene.state)})
        for key in ("a", "b"):
            await own.do(charge(key))
        assert scene.victims() == before
        assert own.log.count("would not be noticed at the next start") == 1
        assert [path.name for path in own.data.iterdir() if path.name.startswith("journal")] == []
    assert keys(control.stats()) == ["a", "b"]
