"""The module as a process: its start, its arguments, its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError

from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

END_S = 2.0
NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")


@pytest_asyncio.fixture(loop_scope="module")
async def own(attributes: dict[str, Any]) -> AsyncIterator[ModuleProcess]:
    """A module process for this test alone, with one service."""
    async with ModuleProcess() as running:
        await running.add(attributes)
        yield running


def remaining(module: ModuleProcess) -> list[str]:
    """The command lines of processes that name the module's socket."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)  # noqa: S607 - wherever it is
    return [line for line in listing.stdout.splitlines() if str(module.socket) in line]


async def test_sigterm_ends_it_at_once(own: ModuleProcess) -> None:
    """Although its caller keeps an idle connection; nothing is left of it."""
    await own.ask("get_current_month_usage")
    assert remaining(own)
    assert own.terminate(END_S) < END_S
    assert own.process.returncode == 0
    assert remaining(own) == []


@pytest.mark.parametrize("also_stderr", [False, True])
@pytest.mark.parametrize("kind", ["closed", "broken", pytest.param("full", marks=NEEDS_FULL)])
async def test_a_stdout_that_takes_nothing_changes_nothing(
    attributes: dict[str, Any], tmp_path: Path, kind: str, *, also_stderr: bool
) -> None:
    """It serves, and ends with 0 at SIGTERM; no traceback stands on stderr."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # descriptor 3 is its reader, and closed before the module runs
    place = {"closed": "&-", "full": "/dev/full", "broken": f"'{pipe}'"}[kind]
    other = place if also_stderr else f"'{tmp_path}/stderr'"
    shell = ("sh", "-c", f"exec 3<>'{pipe}'; exec \"$@\" >{place} 2>{other} 3<&-", "sh")
    async with ModuleProcess(prefix=shell) as module:
        await module.add(attributes)
        assert (await module.ask("get_current_month_usage"))["org_id"] == DEFAULT_ORG_ID
        assert module.terminate(END_S) < END_S
        assert module.process.returncode == 0
    assert also_stderr or "Traceback" not in (tmp_path / "stderr").read_text()


@pytest.mark.skipif(shutil.which("localedef") is None, reason="makes a locale of its own")
async def test_a_log_line_survives_a_locale_without_its_characters(attributes: dict[str, Any], tmp_path: Path) -> None:
    """The line stands there, escaped, and no traceback."""
    make = ["localedef", "--no-archive", "-c", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / "latin")]
    show = [sys.executable, "-I", "-c", "import sys; print(sys.stdout.encoding)"]
    latin = {"LOCPATH": str(tmp_path), "LC_ALL": "latin"}
    await asyncio.to_thread(subprocess.run, make, check=False, capture_output=True)
    shown = await asyncio.to_thread(subprocess.run, show, env={**os.environ, **latin}, stdout=subprocess.PIPE)
    if b"8859-1" not in shown.stdout:
        pytest.skip("the sources of locales are not installed")
    async with ModuleProcess(environment=latin) as module:
        state = tmp_path / ("x" * 90)
        state.write_text("no folder")
        await module.add({**attributes, "state_dir": str(state)})
        await module.ask("get_current_month_usage")
        assert "\\u2026" in module.log
        assert "Traceback" not in module.log


async def test_sigterm_does_not_wait_for_reads(own: ModuleProcess, control: SandboxControl) -> None:
    """Calls in flight that the cloud never answers hold nothing up."""
    control.set_fault(Fault(rpc="GetCurrentMonthUsage", never_answer=True))
    calls = [asyncio.create_task(own.ask("get_current_month_usage", max_age_s=0)) for _ in range(5)]
    await asyncio.to_thread(control.wait_for, lambda stats: stats.in_flight >= 1)
    assert await asyncio.to_thread(own.terminate, END_S) < END_S
    await asyncio.gather(*calls, return_exceptions=True)
    assert remaining(own) == []


async def test_sigterm_does_not_wait_for_a_login(own: ModuleProcess, control: SandboxControl) -> None:
    """Nor does a server that accepts connections and says nothing."""
    control.connections("silent")
    call = asyncio.create_task(own.ask("get_current_month_usage"))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.open_connections >= 1)
    assert await asyncio.to_thread(own.terminate, END_S) < END_S
    await asyncio.gather(call, return_exceptions=True)
    assert remaining(own) == []


async def test_sigterm_before_any_service(module: ModuleProcess) -> None:
    """A module that nobody has configured ends as quickly."""
    async with ModuleProcess() as idle:
        assert idle.terminate(END_S) < END_S
    assert module.process.poll() is None


@pytest.fixture(params=["plain", "tls", "socket"])
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SandboxProcess]:
    """A sandbox behind each kind of address."""
    arguments = {"plain": (), "tls": ("--tls",), "socket": ("--socket", str(tmp_path / "cloud.sock"))}
    with SandboxProcess("--quiet", *arguments[request.param]) as running:
        yield running


async def test_it_works_over_every_kind_of_address(
    module: ModuleProcess, attributes: dict[str, Any], transport: SandboxProcess
) -> None:
    """Plain on loopback, TLS on localhost, a unix socket."""
    await module.add({**attributes, "app_address": transport.address}, "transport")
    try:
        answer = await module.do({"command": "get_current_month_usage"}, name="transport")
        access = await module.do({"command": "check_access"}, name="transport")
    finally:
        await module.remove("transport")
    assert answer["org_id"] == DEFAULT_ORG_ID
    assert access["app_address"] == transport.address
    assert set(access["calls"].values()) == {"ok"}


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_tcp_mode(attributes: dict[str, Any]) -> None:
    """viam-server may hand over a TCP address and say so."""
    async with ModuleProcess(arguments=("--log-level=info", "--tcp-mode"), tcp_port=free_port()) as module:
        await module.add(attributes)
        assert (await module.ask("get_current_month_usage"))["org_id"] == DEFAULT_ORG_ID


async def test_making_a_service_connects_to_nothing(own: ModuleProcess, control: SandboxControl) -> None:
    """The cloud may be away when a robot starts: the first command is what needs it."""
    await own.ask("help")
    await own.status()
    stats = control.stats()
    assert (stats.open_connections, stats.logins, dict(stats.calls)) == (0, 0, {})
    await own.ask("get_current_month_usage")
    assert control.stats().open_connections == 1


async def test_a_removed_service_closes_its_connection(own: ModuleProcess, control: SandboxControl) -> None:
    """Nothing stays open for a service that is gone."""
    await own.ask("get_current_month_usage")
    await own.remove()
    await asyncio.to_thread(control.wait_for, lambda stats: stats.open_connections == 0)


async def test_status_asks_nobody(own: ModuleProcess, control: SandboxControl) -> None:
    """It answers from memory, while the cloud says nothing."""
    await own.ask("get_current_month_usage")
    control.reset_stats()
    control.go_dark()
    status = await own.status()
    assert status["version"]
    assert status["last_success"].endswith("Z")
    assert (status["logins"], status["cloud_calls"]) == (1, 1)
    assert status["allowed_commands"] == ["read"]
    assert control.stats().calls == {}


async def test_status_before_the_first_call(own: ModuleProcess) -> None:
    """What has not happened yet is left out or nought."""
    status = await own.status()
    assert "last_success" not in status
    assert "last_error" not in status
    assert "journal" not in status
    assert status["connected"] is False
    counters = ("cloud_calls", "logins", "retries", "cache_hits", "cache_misses", "stale_answers", "unknown_charges")
    assert {name: status[name] for name in counters} == dict.fromkeys(counters, 0)
    assert status["charged_last_24h"] == 0


async def test_status_tells_the_last_error(own: ModuleProcess, control: SandboxControl) -> None:
    """With its code, for whoever looks after the machine."""
    control.set_fault(Fault(rpc="GetCurrentMonthUsage", status="PERMISSION_DENIED"))
    with suppress(GRPCError):
        await own.ask("get_current_month_usage")
    assert "key_lacks_permission" in (await own.status())["last_error"]


async def test_a_killed_module_starts_again(own: ModuleProcess, attributes: dict[str, Any]) -> None:
    """On the socket and the files that the killed one left behind."""
    await own.ask("get_current_month_usage")
    own.kill()
    await own.restart()
    await own.add({**attributes, "api_key_id": DEFAULT_API_KEY_ID})
    assert (await own.ask("get_current_month_usage"))["org_id"] == DEFAULT_ORG_ID
