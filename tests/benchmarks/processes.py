"""The processes that are measured: the module, and others that speak the same protocol."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.json_format import MessageToDict
from viam.gen.app.v1 import billing_pb2, robot_pb2
from viam.gen.common.v1 import common_pb2
from viam.gen.service.generic.v1 import generic_grpc

from support.module_process import API, ModuleProcess, struct
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

_HERE = Path(__file__).parent
_VALUES = 30
_CALL_S = 60.0


class OtherProcess(ModuleProcess):
    """A script of this folder, started as the module is: same Python, same isolation, same environment."""

    script: ClassVar[str]
    model: ClassVar[str]

    def _started(self) -> subprocess.Popen[bytes]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("VIAM_")}
        return subprocess.Popen(  # noqa: S603 - the command is built here
            [sys.executable, "-I", str(_HERE / self.script), str(self.socket)],
            env={**inherited, **self._environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )

    def _config(self, attributes: Mapping[str, Any], name: str) -> robot_pb2.ComponentConfig:
        return robot_pb2.ComponentConfig(name=name, api=API, model=self.model, attributes=struct(attributes))


class EchoProcess(OtherProcess):
    """The bare SDK's floor; the attributes of a service are its answer."""

    script = "echo_service.py"
    model = "viam-billing:bench:echo"


class NaiveProcess(OtherProcess):
    """A ViamClient for each call; the attributes are those of the real service."""

    script = "naive_service.py"
    model = "viam-billing:bench:naive"


class Asked:
    """One question to one service, made ready: what is timed is the call and not its making."""

    def __init__(self, process: ModuleProcess, service: str, command: Mapping[str, object]) -> None:
        self._stub = generic_grpc.GenericServiceStub(process.channel)
        self._request = common_pb2.DoCommandRequest(name=service, command=struct(command))

    async def __call__(self) -> None:
        """Ask, and leave the answer as it came."""
        await self._stub.DoCommand(self._request, timeout=_CALL_S)

    async def answer(self) -> dict[str, Any]:
        """Ask, and read the answer."""
        response = await self._stub.DoCommand(self._request, timeout=_CALL_S)
        answer: dict[str, Any] = MessageToDict(response.result)
        return answer


def attributes(sandbox: SandboxProcess, **more: object) -> dict[str, object]:
    """Of a service for the default organization, long before its answers are too old."""
    return {
        "app_address": sandbox.address,
        "api_key_id": DEFAULT_API_KEY_ID,
        "api_key": DEFAULT_API_KEY,
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "cache_ttl_s": 3600,
        **more,
    }


async def thirty_values(sandbox: SandboxProcess, module: ModuleProcess) -> dict[str, Any]:
    """Have the answer to `get_location_usage` hold 30 values: early in a month it has no projection."""
    name = "thirty-values"
    kinds = [kind.removeprefix("USAGE_COST_TYPE_").lower() for kind in billing_pb2.UsageCostType.keys()[2:]]
    await module.add(attributes(sandbox), name)
    count = 1
    while True:
        costs = {kind: 10.25 + number for number, kind in enumerate(kinds[:count])}
        sandbox.control.patch_organization(DEFAULT_ORG_ID, usage=[{"costs": costs}], usage_grows=False)
        answer = await Asked(module, name, {"command": "get_location_usage", "max_age_s": 0}).answer()
        missing = _VALUES - leaves(answer)
        if not missing:
            await module.remove(name)
            return answer
        count += missing


def leaves(value: object) -> int:
    """How many values an answer holds, objects and lists apart."""
    if isinstance(value, dict):
        return sum(leaves(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(leaves(inner) for inner in value)
    return 1


async def ready_after_s(kind: type[ModuleProcess]) -> float:
    """From exec to the answer to Ready, seconds. Looks for the socket every millisecond."""
    started_s = time.perf_counter()
    process = kind()
    try:
        while not _accepts(process.socket):
            if process.process.poll() is not None:
                raise RuntimeError(f"it ended with {process.process.returncode}: {process.log}")
            await asyncio.sleep(0.001)
        await process.ready()
        return time.perf_counter() - started_s
    finally:
        await process.__aexit__()


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def resident_bytes(process: ModuleProcess) -> int:
    """VmRSS."""
    return _memory_bytes(process, "VmRSS")


def peak_bytes(process: ModuleProcess) -> int:
    """VmHWM: the most that it ever was."""
    return _memory_bytes(process, "VmHWM")


def _memory_bytes(process: ModuleProcess, name: str) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def cpu_s(process: ModuleProcess) -> float:
    """Processor time so far: of a machine that others use too, this is what says how much work it was."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
