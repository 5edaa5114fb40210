"""A name with two addresses, of which one does not work."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faulty_cloud import attributes, outcome
from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess

OWN_HOSTS = ("unshare", "--user", "--map-root-user", "--mount")
"""Runs a command with mounts of its own, where the system lets an ordinary user do so."""


def with_hosts(hosts: Path) -> tuple[str, ...]:
    """What a command is run by that finds this file as /etc/hosts."""
    return (*OWN_HOSTS, "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$0" "$@"')


def both_loopbacks() -> bool:
    """Whether a command can be given a localhost of both families here."""
    if shutil.which("unshare") is None or not socket.has_ipv6:
        return False
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return subprocess.run([*OWN_HOSTS, "mount", "--bind", "/etc", "/etc"], check=False).returncode == 0  # noqa: S603 - a fixed command
    return False


@contextlib.contextmanager
def broken(kind: str) -> Iterator[int]:
    """A port of ::1 at which connections are refused, or are never accepted. Returns the port."""
    with contextlib.ExitStack() as held:
        ipv6 = held.enter_context(socket.socket(socket.AF_INET6))
        ipv6.bind(("::1", 0))
        port: int = ipv6.getsockname()[1]
        if kind == "silent":
            ipv6.listen(0)
            for _ in range(4):  # more than the backlog holds: whoever comes later hears nothing
                waiting = held.enter_context(socket.socket(socket.AF_INET6))
                waiting.setblocking(False)  # noqa: FBT003 - its only parameter
                waiting.connect_ex(("::1", port))
        yield port


@pytest.mark.skipif(not both_loopbacks(), reason="needs IPv6 and a mount of its own")
@pytest.mark.parametrize("kind", ["refused", "silent"])
async def test_a_good_ipv4_address_behind_a_broken_ipv6_address_is_found(tmp_path: Path, kind: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n127.0.0.1 localhost\n")
    with broken(kind) as port, SandboxProcess("--quiet", "--port", str(port)):
        async with ModuleProcess(prefix=with_hosts(hosts)) as module:
            await module.add(attributes(f"http://localhost:{port}", tmp_path / "state", timeout_s=5))
            found = await outcome(module.ask("get_current_month_usage"))
    assert found.word == "fresh"
    assert found.time_s < 4
