"""The module as viam-server starts it: a process, a unix socket, the module protocol over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from grpclib import GRPCError, Status
from grpclib.client import Channel
from typing_extensions import Self
from viam.gen.app.v1 import robot_pb2
from viam.gen.common.v1 import common_pb2
from viam.gen.module.v1 import module_grpc, module_pb2
from viam.gen.service.generic.v1 import generic_grpc

from viam_billing.version import BILLING_MODEL

CHECKOUT = Path(__file__).parents[2]
API = "rdk:service:generic"
RESOURCE = "rdk:service:generic/billing"
START_S = 60.0

PACKAGED = "MODULE_COMMAND" in os.environ
"""Whether the tests run against a built archive, see `make test-archive`."""
COMMAND = tuple(
    shlex.split(os.environ["MODULE_COMMAND"]) if PACKAGED else (sys.executable, "-OO", "-I", "-m", "viam_billing")
)
"""What starts the module: without MODULE_COMMAND this Python as run.sh starts it, so that coverage sees it."""

STATUS_OF_CODE = {
    "invalid_request": Status.INVALID_ARGUMENT,
    "unknown_command": Status.INVALID_ARGUMENT,
    "command_not_allowed": Status.PERMISSION_DENIED,
    "out_of_scope": Status.PERMISSION_DENIED,
    "not_configured": Status.FAILED_PRECONDITION,
    "state_unavailable": Status.FAILED_PRECONDITION,
    "key_rejected": Status.FAILED_PRECONDITION,
    "key_lacks_permission": Status.FAILED_PRECONDITION,
    "cooldown_active": Status.FAILED_PRECONDITION,
    "charge_limit_exceeded": Status.FAILED_PRECONDITION,
    "charge_blocked": Status.FAILED_PRECONDITION,
    "idempotency_conflict": Status.ALREADY_EXISTS,
    "charge_outcome_unknown": Status.ABORTED,
    "result_too_large": Status.FAILED_PRECONDITION,
    "not_found": Status.NOT_FOUND,
    "cloud_rejected": Status.INVALID_ARGUMENT,
    "cloud_unreachable": Status.UNAVAILABLE,
    "cloud_timeout": Status.DEADLINE_EXCEEDED,
    "cloud_rate_limited": Status.RESOURCE_EXHAUSTED,
    "cloud_unimplemented": Status.UNIMPLEMENTED,
    "cloud_error": Status.INTERNAL,
}
"""The contract's table of errors, without `internal_error`, which no request may meet."""


def struct(values: Mapping[str, Any]) -> Struct:
    """A Struct of JSON values; None is null."""
    message = Struct()
    message.update(dict(values))
    return message


class ModuleProcess:
    """Starts the module and speaks to it as viam-server does."""

    check_answer: ClassVar[Callable[[Mapping[str, Any], Mapping[str, Any]], None] | None] = None
    """What every answer to a `do_command` is held to, with its request."""

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        tcp_port: int = 0,
        parent_address: str = "",
        prefix: tuple[str, ...] = (),
        user: int = -1,
    ) -> None:
        """`prefix` is a command that runs the module's, as another `user` perhaps, who then gets the folder."""
        self._tcp_port = tcp_port
        self._parent_address = parent_address
        self._prefix = prefix
        self.folder = Path(tempfile.mkdtemp(prefix="vb-"))
        self.socket = self.folder / "m.sock"
        self.data = self.folder / "data"
        self.data.mkdir()
        for path in (self.folder, self.data):
            os.chown(path, user, user)
        self._environment = {
            **({} if parent_address else {"VIAM_NO_MODULE_PARENT": "true"}),
            "VIAM_MODULE_DATA": str(self.data),
            "VIAM_MODULE_NAME": "billing",
            **(environment or {}),
        }
        self._arguments = arguments
        self._output = (self.folder / "log.txt").open("ab")
        self.process = self._started()
        self._channel: Channel | None = None

    def _started(self) -> subprocess.Popen[bytes]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("VIAM_")}
        if "MODULE_COVERAGE" in inherited:
            inherited["COVERAGE_PROCESS_CONFIG"] = inherited["MODULE_COVERAGE"]
        address = f"127.0.0.1:{self._tcp_port}" if self._tcp_port else str(self.socket)
        return subprocess.Popen(  # noqa: S603 - the module's own command line
            [*self._prefix, *COMMAND, address, *self._arguments],
            env={**inherited, **self._environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def ready(self) -> module_pb2.ReadyResponse:
        """Connect and wait until the module says that it is ready."""
        deadline = time.monotonic() + START_S
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the module ended with {self.process.returncode}: {self.log}")
            try:
                channel = Channel(port=self._tcp_port) if self._tcp_port else Channel(path=str(self.socket))
                request = module_pb2.ReadyRequest(parent_address=self._parent_address)
                answer: module_pb2.ReadyResponse = await module_grpc.ModuleServiceStub(channel).Ready(
                    request, timeout=5
                )
            except OSError:
                channel.close()
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)
            else:
                self._channel = channel
                return answer

    @property
    def channel(self) -> Channel:
        """The connection to the module."""
        assert self._channel is not None, "ready() comes first"
        return self._channel

    @property
    def log(self) -> str:
        """All that the module has printed."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def _config(self, attributes: Mapping[str, Any], name: str) -> robot_pb2.ComponentConfig:
        return robot_pb2.ComponentConfig(name=name, api=API, model=BILLING_MODEL, attributes=struct(attributes))

    async def validate(self, attributes: Mapping[str, Any]) -> None:
        """ValidateConfig. Raises GRPCError with the module's words."""
        request = module_pb2.ValidateConfigRequest(config=self._config(attributes, "billing"))
        await module_grpc.ModuleServiceStub(self.channel).ValidateConfig(request, timeout=10)

    async def add(self, attributes: Mapping[str, Any], name: str = "billing") -> None:
        """AddResource: make a service."""
        request = module_pb2.AddResourceRequest(config=self._config(attributes, name))
        await module_grpc.ModuleServiceStub(self.channel).AddResource(request, timeout=10)

    async def remove(self, name: str = "billing") -> None:
        """RemoveResource: close a service."""
        request = module_pb2.RemoveResourceRequest(name=f"{API}/{name}")
        await module_grpc.ModuleServiceStub(self.channel).RemoveResource(request, timeout=10)

    async def reconfigure(self, attributes: Mapping[str, Any], name: str = "billing") -> None:
        """ReconfigureResource: close a service and make it again."""
        request = module_pb2.ReconfigureResourceRequest(config=self._config(attributes, name))
        await module_grpc.ModuleServiceStub(self.channel).ReconfigureResource(request, timeout=10)

    async def do(self, command: Mapping[str, Any], *, name: str = "billing", timeout_s: float = 30) -> dict[str, Any]:
        """DoCommand. Returns the answer as JSON values; raises GRPCError."""
        request = common_pb2.DoCommandRequest(name=name, command=struct(command))
        response = await generic_grpc.GenericServiceStub(self.channel).DoCommand(request, timeout=timeout_s)
        answer: dict[str, Any] = MessageToDict(response.result)
        if ModuleProcess.check_answer is not None:
            ModuleProcess.check_answer(command, answer)
        return answer

    async def ask(self, command: str, /, **parameters: object) -> dict[str, Any]:
        """A command in the flat spelling, as robot code writes it."""
        return await self.do({"command": command, **parameters})

    async def status(self, name: str = "billing") -> dict[str, Any]:
        """GetStatus."""
        request = common_pb2.GetStatusRequest(name=name)
        response = await generic_grpc.GenericServiceStub(self.channel).GetStatus(request, timeout=10)
        answer: dict[str, Any] = MessageToDict(response.result)
        return answer

    async def restart(self) -> None:
        """Start the module again on the same socket and data, after it was killed or stopped."""
        self.stop()
        self.socket.unlink(missing_ok=True)
        self._output = (self.folder / "log.txt").open("ab")
        self.process = self._started()
        await self.ready()

    def kill(self) -> None:
        """End it with kill -9, as a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self, wait_s: float = 10.0) -> float:
        """SIGTERM, as viam-server stops a module. Returns the seconds it took to end."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(wait_s)
        return time.monotonic() - started

    def stop(self) -> None:
        """End what is still there."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.terminate(5)
        if self.process.poll() is None:
            self.kill()
        self._output.close()


@dataclass(frozen=True)
class Service:
    """One generic service of a running module."""

    module: ModuleProcess
    name: str

    async def do(self, command: Mapping[str, Any], *, timeout_s: float = 30) -> dict[str, Any]:
        """DoCommand; see ModuleProcess."""
        return await self.module.do(command, name=self.name, timeout_s=timeout_s)

    async def ask(self, command: str, /, **parameters: object) -> dict[str, Any]:
        """A command in the flat spelling."""
        return await self.do({"command": command, **parameters})

    async def status(self) -> dict[str, Any]:
        """GetStatus."""
        return await self.module.status(self.name)

    async def back(self, within_s: float = 10.0) -> None:
        """Wait until the cloud, which counted as away, gives fresh answers again."""
        deadline = time.monotonic() + within_s
        while True:
            with contextlib.suppress(GRPCError):
                if not (await self.ask("get_available_billing_tiers", max_age_s=0))["stale"]:
                    return
            assert time.monotonic() < deadline, "the cloud is still away for the module"
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Refusal:
    """An error of the contract: its code and its sentence."""

    code: str
    text: str


async def refused(call: Awaitable[object]) -> Refusal:
    """The error that a call ends in, which has the form of the contract's errors and gives nothing away."""
    with pytest.raises(GRPCError) as caught:
        await call
    message = caught.value.message or ""
    code, _, text = message.partition(": ")
    assert caught.value.status is STATUS_OF_CODE.get(code), message
    assert len(message) <= 1000
    assert message.isprintable()
    assert not any(
        word in message for word in ("Traceback", ".py", "worthless-elsewhere", "Bearer ey", "sandbox-token-")
    )
    return Refusal(code, text)
