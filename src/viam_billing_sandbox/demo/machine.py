"""The sandbox and the module as processes, and viam-server's side of the module protocol.

demo --- gRPC on a unix socket ---> module --- gRPC at app_address ---> sandbox
  `--------------------- starts and ends both -----------------------------'
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from grpclib.client import Channel
from grpclib.exceptions import GRPCError
from viam.gen.app.v1 import robot_pb2
from viam.gen.common.v1 import common_pb2
from viam.gen.module.v1 import module_grpc, module_pb2
from viam.gen.service.generic.v1 import generic_grpc

from viam_billing.version import BILLING_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

API: Final = "rdk:service:generic"
RUN_SH: Final = Path(__file__).resolve().parents[3] / "run.sh"
"""Starts the module in a checkout; installed packages have none."""

_SANDBOX_START_S: Final = 20.0
_MODULE_START_S: Final = 300.0
"""As long as viam-server waits: run.sh may have to install packages first."""
_CALL_S: Final = 30.0
_STOP_S: Final = 8.0
_POLL_S: Final = 0.02
_TAIL_LINES: Final = 20


class DemoError(Exception):
    """The demonstration cannot go on; the text is a sentence for its user."""


class Child:
    """A process with a log file. It has a session of its own, so that Ctrl-C reaches only the demonstration."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        # The demonstration must not use the user's own VIAM_API_KEY.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("VIAM_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are built below
                command,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The ID of the process and of its group."""
        return self._process.pid

    def log(self) -> str:
        """Returns everything that it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """Returns the last lines that it has printed."""
        return "\n".join(self.log().splitlines()[-_TAIL_LINES:])

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Waits for a condition.

        Raises:
            DemoError: The process ended, or the condition does not hold in time.
        """
        end_s = time.monotonic() + within_s
        while not condition():
            status = self._process.poll()
            if status is not None:
                raise DemoError(f"the {self.name} ended with status {status} before it was ready.")
            if time.monotonic() > end_s:
                raise DemoError(f"the {self.name} was not ready within {within_s:.0f} s.")
            await asyncio.sleep(_POLL_S)

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.terminate()

    def wait(self) -> None:
        """Waits until it has ended; kills it and its children if that takes too long."""
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


class Machine:
    """The two processes and the folder that they write to; `close` ends the processes and removes the folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vb-demo-"))
        self.socket = self.folder / "module.sock"
        self.children: list[Child] = []
        self._channel: Channel | None = None

    def close(self) -> None:
        """Ends both processes and removes all files."""
        if self._channel is not None:
            self._channel.close()
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        child = Child(name, command, self.folder, environment)
        self.children.append(child)
        return child

    def start_sandbox(self) -> Child:
        """Starts a simulated cloud on free ports of loopback."""
        return self._start("sandbox", (sys.executable, "-m", "viam_billing_sandbox", "--quiet"), {})

    async def sandbox_addresses(self, sandbox: Child) -> tuple[str, str]:
        """Waits for the sandbox. Returns its address, which is the module's `app_address`, and its control's."""
        await sandbox.until(lambda: _line(sandbox.log(), "sandbox control: ") != "", _SANDBOX_START_S)
        return _line(sandbox.log(), "sandbox ready: "), _line(sandbox.log(), "sandbox control: ")

    def start_module(self, *, through_run_sh: bool) -> Child:
        """Starts the module as viam-server does, without the connection back, which billing does not need."""
        command = (str(RUN_SH),) if through_run_sh else (sys.executable, "-OO", "-I", "-m", "viam_billing")
        data = self.folder / "data"
        data.mkdir()
        environment = {
            "VIAM_NO_MODULE_PARENT": "true",
            "VIAM_MODULE_DATA": str(data),
            "VIAM_MODULE_NAME": "viam-billing",
        }
        return self._start("module", (*command, str(self.socket)), environment)

    async def ready(self, module: Child) -> list[str]:
        """Ready: waits for the module. Returns the models that it offers."""
        await module.until(self._accepts, _MODULE_START_S)
        self._channel = Channel(path=str(self.socket))
        stub = module_grpc.ModuleServiceStub(self._channel)
        answer = await stub.Ready(module_pb2.ReadyRequest(parent_address=""), timeout=_CALL_S)
        return [model for handler in answer.handlermap.handlers for model in handler.models]

    def _accepts(self) -> bool:
        if not self.socket.exists():
            return False
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    async def validate(self, name: str, attributes: Mapping[str, object]) -> None:
        """ValidateConfig: checks the attributes of a service."""
        request = module_pb2.ValidateConfigRequest(config=_config(name, attributes))
        await module_grpc.ModuleServiceStub(self._connected()).ValidateConfig(request, timeout=_CALL_S)

    async def add(self, name: str, attributes: Mapping[str, object]) -> None:
        """AddResource: adds a service."""
        request = module_pb2.AddResourceRequest(config=_config(name, attributes))
        await module_grpc.ModuleServiceStub(self._connected()).AddResource(request, timeout=_CALL_S)

    async def answer(self, request: Mapping[str, object], name: str) -> dict[str, Any]:
        """DoCommand: returns the answer to a command.

        Raises:
            DemoError: The module refused.
        """
        try:
            return await self._do(request, name)
        except GRPCError as error:
            raise DemoError(f"the module refused {json.dumps(request)}: {error.message}") from None

    async def refusal(self, request: Mapping[str, object], name: str) -> GRPCError:
        """DoCommand: returns the error of a command that must not succeed.

        Raises:
            DemoError: The command succeeded.
        """
        try:
            await self._do(request, name)
        except GRPCError as error:
            return error
        raise DemoError(f"the module answered {json.dumps(request)}, which it should have refused.")

    async def status(self, name: str) -> dict[str, Any]:
        """GetStatus: returns the status of a service."""
        stub = generic_grpc.GenericServiceStub(self._connected())
        answer = await stub.GetStatus(common_pb2.GetStatusRequest(name=name), timeout=_CALL_S)
        return MessageToDict(answer.result)

    async def _do(self, request: Mapping[str, object], name: str) -> dict[str, Any]:
        stub = generic_grpc.GenericServiceStub(self._connected())
        message = common_pb2.DoCommandRequest(name=name, command=_struct(request))
        answers = MessageToDict((await stub.DoCommand(message, timeout=_CALL_S)).result)
        (command,) = request
        answer: dict[str, Any] = answers[command]
        return answer

    def _connected(self) -> Channel:
        if self._channel is None:
            raise AssertionError("ready() comes first")
        return self._channel


def _config(name: str, attributes: Mapping[str, object]) -> robot_pb2.ComponentConfig:
    return robot_pb2.ComponentConfig(name=name, api=API, model=BILLING_MODEL, attributes=_struct(attributes))


def _struct(values: Mapping[str, Any]) -> Struct:
    message = Struct()
    message.update(dict(values))
    return message


def _line(text: str, prefix: str) -> str:
    """Returns the rest of the line that begins with a prefix; empty while there is no such complete line."""
    lines = (line for line in text.splitlines(keepends=True) if line.startswith(prefix) and line.endswith("\n"))
    return next(lines, prefix).removeprefix(prefix).strip()
