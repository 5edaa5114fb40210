"""The cached read as robot code sees it: through viam-server, next to the echo in the same one."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from viam.services.generic import Generic

from benchmarks.figures import Bar, Figure, percentile, ratio
from benchmarks.load import Ask, Size, latencies_in_turn_s
from benchmarks.processes import EchoProcess, attributes, thirty_values
from support.module_process import API, CHECKOUT, ModuleProcess
from support.sandbox_process import SandboxProcess
from support.viam_server import Machine, ViamServer, billing

_ECHO = Path(__file__).with_name(EchoProcess.script)


async def cached_read(size: Size) -> list[Figure]:
    """Of 30 values, p50. Measured where the variable VIAM_SERVER names one; without, there is no figure."""
    binary = shutil.which(os.environ.get("VIAM_SERVER", ""))
    if binary is None:
        sys.stderr.write("not measured: VIAM_SERVER names no viam-server\n")
        return []
    with SandboxProcess("--quiet") as sandbox, tempfile.TemporaryDirectory() as folder:
        async with ModuleProcess() as module:
            answer = await thirty_values(sandbox, module)
        modules = [
            {"type": "local", "name": name, "executable_path": str(path)}
            for name, path in (("billing", CHECKOUT / "run.sh"), ("echo", _echo_in(folder)))
        ]
        echo = {"name": "echo", "api": API, "model": EchoProcess.model, "attributes": answer}
        services = [billing(attributes(sandbox)), echo]
        with ViamServer(Path(binary), CHECKOUT / "run.sh", modules=modules, services=services) as server:
            async with server.machine() as machine:
                await machine.ready()
                ours, other = _asked(machine, "billing"), _asked(machine, "echo")
                await latencies_in_turn_s(ours, other, size.calls // 4)
                rounds = [await latencies_in_turn_s(ours, other, size.calls) for _ in range(size.rounds)]
    our_times, other_times = ([percentile(pair[side], 0.5) * 1e6 for pair in rounds] for side in range(2))
    what = "cached read of 30 values through viam-server, p50, against the echo"
    return [ratio("cached_read_through_viam_server", what, our_times, other_times, "us", Bar(at_most=1.0))]


def _echo_in(folder: str) -> Path:
    """What starts the echo."""
    script = Path(folder, "echo.sh")
    script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", str(_ECHO)])} "$@"\n')
    script.chmod(0o700)
    return script


def _asked(machine: Machine, name: str) -> Ask:
    service = Generic.from_robot(machine.robot, name)

    async def ask() -> None:
        await service.do_command({"command": "get_location_usage"})

    return ask
