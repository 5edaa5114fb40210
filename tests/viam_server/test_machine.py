"""What a machine does to its module: new attributes, wrong ones, a killed process, the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from grpclib import GRPCError

from support.sandbox_process import SandboxProcess
from support.viam_server import ViamServer, billing, until
from viam_billing_sandbox.control import SandboxControl

Start = Callable[..., ViamServer]


async def test_a_changed_attribute_takes_effect(start: Start, attributes: dict[str, Any]) -> None:
    """The file is rewritten while the machine runs: what was allowed is refused."""
    server = start(services=[billing(attributes)])
    async with server.machine() as machine:
        await machine.ready()
        await machine.ask({"get_current_month_usage": {}})
        server.configure(services=[billing({**attributes, "allowed_commands": ["get_location_usage"]})])

        async def refusal() -> str | None:
            try:
                await machine.ask({"get_current_month_usage": {}})
            except GRPCError as error:
                return str(error.message) if "command_not_allowed: " in str(error.message) else None
            return None

        assert "allowed_commands" in await until(refusal, "the command is not allowed any more")
        assert await machine.ask({"get_location_usage": {}})
    assert attributes["api_key"] not in server.log


async def test_a_wrong_attribute_is_told(start: Start, attributes: dict[str, Any]) -> None:
    """The machine's status has the module's own words, and a corrected configuration makes the service good."""
    server = start(services=[billing({**attributes, "timeout_s": "soon"})])
    async with server.machine() as machine:

        async def error() -> str | None:
            state = await machine.state_of("billing")
            return state[1] if state and state[0] == "STATE_UNHEALTHY" and state[1] else None

        told = await until(error, "the machine's status has an error")
        assert "timeout_s" in told
        assert "soon" in told
        server.configure(services=[billing(attributes)])
        await machine.ready()


async def test_a_killed_module_comes_back(start: Start, attributes: dict[str, Any], control: SandboxControl) -> None:
    """After kill -9 it answers again, and still knows what it has been told: from the folder that viam-server gives."""
    server = start(services=[billing(attributes)])
    async with server.machine() as machine:
        await machine.ready()
        before = (await machine.ask({"get_location_usage": {}}))["get_location_usage"]
        killed = server.descendants()
        assert killed
        control.go_dark()
        for number in killed:
            os.kill(number, signal.SIGKILL)

        async def answer() -> dict[str, Any] | None:
            found = await machine.ask({"get_location_usage": {"max_age_s": 0}})
            return found if server.descendants() - killed else None

        after = (await until(answer, "the module answers again"))["get_location_usage"]
        assert after["stale"] is True
        assert after["stale_reason"] == "cloud_unreachable"
        assert (after["month_to_date"], after["as_of"]) == (before["month_to_date"], before["as_of"])


async def test_nothing_is_left_when_the_machine_stops(
    start: Start, attributes: dict[str, Any], cloud: SandboxProcess
) -> None:
    """SIGTERM of viam-server: it ends well, the module is gone, and so are its socket, files and connections."""
    server = start(services=[billing(attributes)])
    async with server.machine() as machine:
        await machine.ready()
        await machine.ask({"get_location_usage": {}})
    processes = server.descendants()
    assert processes
    assert cloud.control.stats().open_connections
    assert server.stop() == 0
    cloud.control.wait_for(lambda stats: stats.open_connections == 0)
    assert not {number for number in processes if is_there(number)}
    left = [path for path in server.temporary.rglob("*") if not path.match("viam-module-*")]
    assert left == []  # the folder of the modules' sockets is viam-server's own, and it leaves that behind


def is_there(number: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
