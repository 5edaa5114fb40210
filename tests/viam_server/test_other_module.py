"""The guide's example of another module, on a machine beside this one: it asks the service through viam-server."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from viam.services.generic import Generic

from support.module_process import API, CHECKOUT
from support.viam_server import Machine, ViamServer, billing, until
from viam_billing_client import Billing, answers
from viam_billing_sandbox.control import SandboxControl

GUARD = CHECKOUT / "docs" / "spending_guard.py"
MODEL = "example:spending:guard"


@pytest.fixture
def guard(tmp_path: Path) -> dict[str, str]:
    """The module as the guide configures it, with this Python."""
    script = tmp_path / "guard.sh"
    script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(GUARD)])} "$@"\n')
    script.chmod(0o700)
    return {"type": "local", "name": "spending", "executable_path": str(script)}


async def may_spend(machine: Machine, name: str) -> dict[str, Any] | None:
    """What the guard answers, as soon as it is there."""
    await machine.robot.refresh()  # type: ignore[no-untyped-call] # the SDK's
    service = Generic.from_robot(machine.robot, name)
    return dict(await service.do_command({"may_spend": {}}, timeout=20))


async def test_another_module_asks_with_the_client(
    start: Callable[..., ViamServer],
    executable: Path,
    attributes: dict[str, Any],
    guard: dict[str, str],
    control: SandboxControl,  # noqa: ARG001 - a cloud without faults
) -> None:
    """One guard lets go on, one with a lower limit stops; a third, whose service may not be asked, says so."""
    closed = {**billing({**attributes, "allowed_commands": []}), "name": "closed"}
    guards = [
        {"name": name, "api": API, "model": MODEL, "attributes": {"billing": service, "most": most}}
        for name, service, most in (("generous", "billing", 1e6), ("strict", "billing", 0.01), ("blind", "closed", 1))
    ]
    own = {"type": "local", "name": "billing", "executable_path": str(executable)}
    server = start(modules=[own, guard], services=[billing(attributes), closed, *guards])
    async with server.machine() as machine:
        found = {
            name: await until(lambda name=name: may_spend(machine, name), f"{name} answers: {server.log}")  # type: ignore[misc]
            for name in ("generous", "strict", "blind")
        }
        assert (found["generous"]["go_on"], found["strict"]["go_on"]) == (True, False)
        assert found["blind"]["why"].startswith("not known: command_not_allowed: ")
        usage = await Billing.from_robot(machine.robot).get_location_usage()
        assert isinstance(usage, answers.LocationUsage)
        assert found["strict"]["why"] == f"{usage.month_to_date} of 0.01 dollars"
