"""The sandbox and the module as processes, and viam-server's side of the module protocol.

demo --- gRPC on a unix socket ---> module --- gRPC at app_address ---> sandbox
  `--------------------- starts and ends both -----------------------------'
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import tempfile
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
from viam_billing_sandbox.child import Child, ChildError, module_command, start_sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

API: Final = "rdk:service:generic"

_MODULE_START_S: Final = 300.0
"""As long as viam-server waits: run.sh may have to install packages first."""
_CALL_S: Final = 30.0


class DemoError(ChildError):
    """The demonstration cannot go on; the text is a sentence for its user."""


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

    def start_sandbox(self) -> Child:
        """Starts a simulated cloud."""
        sandbox = start_sandbox(self.folder)
        self.children.append(sandbox)
        return sandbox

    def start_module(self, *, through_run_sh: bool) -> Child:
        """Starts the module as viam-server does, without the connection back, which billing does not need."""
        data = self.folder / "data"
        data.mkdir()
        environment = {
            "VIAM_NO_MODULE_PARENT": "true",
            "VIAM_MODULE_DATA": str(data),
            "VIAM_MODULE_NAME": "viam-billing",
        }
        command = (*module_command(through_run_sh=through_run_sh), str(self.socket))
        module = Child("module", command, self.folder, environment)
        self.children.append(module)
        return module

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
