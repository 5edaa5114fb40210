"""The attribute `api_key_file`: which files are taken, that a change is heard, that the key stays a secret."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError

from support.module_process import ModuleProcess, Service, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG_KEY = "a-key-that-the-cloud-does-not-know"
NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")

Make = Callable[..., Awaitable[Service]]


def put(file: Path, key: str) -> None:
    """Replace the file as a whole, for its owner alone."""
    new = file.with_name("new")
    new.touch(0o600)
    new.write_text(key)
    new.rename(file)


def replace(file: Path) -> None:
    """Put a file with the key in the place of whatever is there."""
    with suppress(FileNotFoundError):
        os.rename(file, file.with_name("spoilt"))
    put(file, DEFAULT_API_KEY)


def contents(folder: str) -> str:
    """All bytes of the files in a folder."""
    return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()).decode("latin-1")


async def comes_to(ask: Callable[[], Awaitable[dict[str, Any]]], **expected: object) -> None:
    """Ask until the answer has what is expected."""
    end_s = time.monotonic() + 20
    while True:
        answer = await ask()
        if expected.items() <= answer.items():
            return
        assert time.monotonic() < end_s, answer
        await asyncio.sleep(0.02)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the key that the cloud knows."""
    put(tmp_path / "owner.key", f"{DEFAULT_API_KEY}\n")
    return tmp_path / "owner.key"


@pytest.fixture
def by_file(attributes: dict[str, Any], file: Path) -> dict[str, Any]:
    """The usual configuration, with the key in the file."""
    del attributes["api_key"]
    return {**attributes, "api_key_file": str(file)}


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
async def test_the_key_may_be_in_a_file(make: Make, file: Path, control: SandboxControl, ending: str) -> None:
    put(file, f"{DEFAULT_API_KEY}{ending}")
    service = await make(api_key=None, api_key_file=str(file))
    assert (await service.ask("check_access"))["authenticated"] is True
    assert control.stats().logins == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"api_key": DEFAULT_API_KEY}, "api_key_file: found api_key beside it"),
        ({"api_key_id": None}, "api_key_id: found nothing"),
        ({"api_key_file": "owner.key"}, "api_key_file: found a value that is not shown"),
        ({"api_key_file": DEFAULT_API_KEY}, "api_key_file: found a value that is not shown"),
        ({"api_key_file": "/etc/a\0b"}, "api_key_file: found a value that is not shown"),
        ({"api_key_file": 5}, "api_key_file: found a value that is not shown"),
        ({"api_key_file": None}, "api_key: found nothing, expected both api_key (or api_key_file) and api_key_id"),
    ],
)
async def test_the_file_takes_the_place_of_the_key(
    module: ModuleProcess, by_file: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    """One of the two, with the key's ID; a key in the wrong place is not shown."""
    block = {name: value for name, value in {**by_file, **change}.items() if value is not None}
    with pytest.raises(GRPCError) as caught:
        await module.validate(block)
    assert why in (caught.value.message or "")
    assert DEFAULT_API_KEY not in (caught.value.message or "")


def a_link(file: Path) -> None:
    file.rename(file.with_name("real"))
    file.symlink_to("real")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir(0o700)


def a_pipe(file: Path) -> None:
    """Opening one waits for somebody who writes."""
    file.unlink()
    os.mkfifo(file, 0o600)


def a_socket(file: Path) -> None:
    file.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(file))


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda file: file.unlink(), "No such file"),
    "a link": (a_link, "it is a link"),
    "a folder": (a_folder, "it is not a regular file"),
    "a pipe": (a_pipe, "it is not a regular file"),
    "a socket": (a_socket, ""),
    "read by its group": (lambda file: file.chmod(0o640), "others than its owner"),
    "read by all": (lambda file: file.chmod(0o604), "others than its owner"),
    "written by its group": (lambda file: file.chmod(0o620), "others than its owner"),
    "too long": (lambda file: file.write_text("k" * 4097), "more than 4096 bytes"),
    "empty": (lambda file: file.write_text("\n"), "does not hold an API key"),
    "two lines": (lambda file: file.write_text("one\ntwo\n"), "does not hold an API key"),
    "binary": (lambda file: file.write_bytes(b"\xff\xfe\0key"), "does not hold an API key"),
    "quotes": (lambda file: file.write_text(f'"{DEFAULT_API_KEY}"'), "does not hold an API key"),
    "a blank": (lambda file: file.write_text(f"{DEFAULT_API_KEY} "), "does not hold an API key"),
    "not ASCII": (lambda file: file.write_text("schlüssel-von-hier"), "does not hold an API key"),
}


@pytest.mark.parametrize(("spoil", "why"), BAD_FILES.values(), ids=BAD_FILES)
async def test_a_file_that_others_could_use_or_that_has_no_key_is_refused(
    make: Make, file: Path, control: SandboxControl, spoil: Callable[[Path], object], why: str
) -> None:
    """With its reason, for what asks the cloud; a good one in its place is used without a restart."""
    spoil(file)
    service = await make(api_key=None, api_key_file=str(file))
    refusal = await refused(service.ask("get_current_month_usage"))
    assert refusal.code == "not_configured"
    assert "api_key_file" in refusal.text
    assert why in refusal.text
    assert "commands" in await service.ask("help")
    assert set((await service.ask("check_access"))["calls"].values()) == {"not_configured"}
    assert "not_configured" in (await service.status())["last_error"]
    assert control.stats().logins == 0
    replace(file)
    await comes_to(lambda: service.ask("check_access"), authenticated=True)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
async def test_a_file_in_a_folder_that_others_can_write_is_refused_unless_it_is_sticky(
    make: Make, file: Path, mode: int
) -> None:
    """Another file of the module's user could be put in its place."""
    service = await make(api_key=None, api_key_file=str(file))
    file.parent.chmod(mode)
    if mode & 0o1000:
        assert (await service.ask("check_access"))["authenticated"] is True
    else:
        refusal = await refused(service.ask("get_current_month_usage"))
        assert (refusal.code, "can be written by others" in refusal.text) == ("not_configured", True)


@AS_ROOT
async def test_a_file_below_a_folder_of_another_user_is_refused(make: Make, file: Path) -> None:
    os.chown(file.parent, NOBODY, NOBODY)
    service = await make(api_key=None, api_key_file=str(file))
    refusal = await refused(service.ask("get_current_month_usage"))
    assert (refusal.code, "belongs to user" in refusal.text) == ("not_configured", True)


@AS_ROOT
async def test_a_file_of_another_user_is_refused(make: Make, file: Path) -> None:
    """Root could read it, and that user could change it."""
    os.chown(file, NOBODY, NOBODY)
    service = await make(api_key=None, api_key_file=str(file))
    refusal = await refused(service.ask("get_current_month_usage"))
    assert (refusal.code, "it belongs to another user" in refusal.text) == ("not_configured", True)


async def test_the_machines_key_does_not_stand_in_for_the_file(by_file: dict[str, Any], file: Path) -> None:
    os.unlink(file)
    machine = {"VIAM_API_KEY": DEFAULT_API_KEY, "VIAM_API_KEY_ID": DEFAULT_API_KEY_ID}
    async with ModuleProcess(machine) as module:
        await module.add(by_file)
        assert (await refused(module.ask("get_current_month_usage"))).code == "not_configured"


async def test_another_key_in_the_file_is_used_from_the_next_call_on(
    make: Make, file: Path, control: SandboxControl
) -> None:
    """In both directions, though the old login would still be good."""
    service = await make(api_key=None, api_key_file=str(file))
    await service.ask("get_current_month_usage")
    put(file, WRONG_KEY)
    await comes_to(lambda: service.ask("check_access"), authenticated=False)
    assert (await refused(service.ask("get_current_month_usage"))).code == "key_rejected"
    put(file, DEFAULT_API_KEY)
    await comes_to(lambda: service.ask("check_access"), authenticated=True)
    assert (await service.ask("get_current_month_usage"))["stale"] is False
    assert control.stats().logins == 2


async def test_a_login_that_is_refused_with_an_old_key_is_made_with_the_new_one(
    make: Make, file: Path, control: SandboxControl
) -> None:
    """Its caller gets an answer where the file changed while the login was under way."""
    put(file, WRONG_KEY)
    control.set_fault(Fault("Authenticate", latency_before_s=0.3, count=1))
    service = await make(api_key=None, api_key_file=str(file))
    asking = asyncio.create_task(service.ask("get_current_month_usage"))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get("Authenticate", 0) == 1)
    put(file, DEFAULT_API_KEY)
    assert (await asking)["stale"] is False


async def test_a_file_that_cannot_be_read_any_more_ends_no_login(
    make: Make, file: Path, control: SandboxControl
) -> None:
    """It is needed for the next one only."""
    service = await make(api_key=None, api_key_file=str(file))
    await service.ask("get_current_month_usage")
    os.unlink(file)
    end_s = time.monotonic() + 1.5  # it is looked at once a second
    while time.monotonic() < end_s:
        assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    control.expire_tokens()
    assert (await refused(service.ask("get_current_month_usage", max_age_s=0))).code == "not_configured"


async def test_services_with_one_file_share_a_login(make: Make, file: Path, control: SandboxControl) -> None:
    for service in [await make(api_key=None, api_key_file=str(file)) for _ in range(2)]:
        await service.ask("check_access")
    assert control.stats().logins == 1


async def test_answers_belong_to_the_key_in_the_file(
    by_file: dict[str, Any], file: Path, control: SandboxControl
) -> None:
    """Over a restart, and without a network."""
    async with ModuleProcess() as module:
        await module.add(by_file)
        await module.ask("get_current_month_usage")
        await module.remove()
        control.go_dark()
        for key, answers in ((WRONG_KEY, False), (DEFAULT_API_KEY, True)):
            put(file, key)
            await module.restart()
            await module.add(by_file)
            ask = module.ask("get_current_month_usage", max_age_s=0)
            if answers:
                assert (await ask)["stale"] is True
            else:
                assert (await refused(ask)).code == "cloud_unreachable"
        control.clear_faults()


async def test_answers_of_the_key_before_are_forgotten(by_file: dict[str, Any], file: Path, tmp_path: Path) -> None:
    """Where another good key takes its place while the module runs; on the disk they stay those of the old one."""
    scenario = tmp_path / "scenario.json"
    default = (resources.files("viam_billing_sandbox") / "scenario.json").read_text()
    scenario.write_text(default)
    with SandboxProcess("--quiet", "--scenario", str(scenario)) as cloud:
        async with ModuleProcess() as module:
            block = {**by_file, "app_address": cloud.address}
            await module.add(block)
            await module.ask("get_current_month_usage")
            cloud.kill()
            scenario.write_text(default.replace(DEFAULT_API_KEY, "the-next-key-of-the-owner"))
            cloud.start()
            put(file, "the-next-key-of-the-owner")
            await comes_to(lambda: module.ask("check_access"), authenticated=True)
            cloud.kill()
            assert (await refused(module.ask("get_current_month_usage"))).code == "cloud_unreachable"
            put(file, DEFAULT_API_KEY)
            await module.restart()
            await module.add(block)
            assert (await module.ask("get_current_month_usage", max_age_s=0))["stale"] is True
            cloud.start()
            put(file, "the-next-key-of-the-owner")  # before any login of this process
            await comes_to(lambda: module.ask("check_access"), authenticated=True)
            cloud.kill()
            assert (await refused(module.ask("get_current_month_usage"))).code == "cloud_unreachable"


async def test_a_key_in_a_file_is_told_nowhere(by_file: dict[str, Any], file: Path, control: SandboxControl) -> None:
    """Not before the first login, and not when another one has taken its place."""
    told: list[str] = []

    async def ask(module: ModuleProcess, request: dict[str, Any]) -> None:
        try:
            told.append(json.dumps(await module.do(request)))
        except GRPCError as error:
            told.append(str(error))

    keys = (DEFAULT_API_KEY, WRONG_KEY)
    async with ModuleProcess(arguments=("--log-level=debug",)) as module:
        await module.add({**by_file, "allowed_commands": ["read", "notify"]})
        await ask(module, {f"{'A' * 60}{DEFAULT_API_KEY}": {}})
        await ask(module, {"send_payment_required_email": {"customer_org_id": DEFAULT_API_KEY}})
        await ask(module, {"check_access": {}})
        put(file, WRONG_KEY)
        await comes_to(lambda: module.ask("check_access"), authenticated=False)
        words = f"neither {DEFAULT_API_KEY} nor {WRONG_KEY}"
        control.set_fault(Fault("Authenticate", status="UNAUTHENTICATED", message=words))
        await ask(module, {"get_current_month_usage": {}})
        for key in keys:
            await ask(module, {f"{'A' * 60}{key}": {}})
        told.append(json.dumps(await module.status()))
        module.terminate()
        told.append(module.log)
    told.append(contents(by_file["state_dir"]))
    assert "neither *** nor ***" in "".join(told)
    assert "send_payment_required_email" in told[-1]
    assert not [key for key in keys if any(key[:8] in text for text in told)]
