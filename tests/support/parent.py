"""A machine: the module's parent as viam-server is one, and the module, whose resources reach each other through it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from typing_extensions import Self
from viam.gen.app.v1 import robot_pb2 as app_pb2
from viam.gen.common.v1 import common_pb2
from viam.gen.component.sensor.v1 import sensor_grpc
from viam.gen.module.v1 import module_grpc, module_pb2
from viam.gen.robot.v1 import robot_pb2
from viam.utils import sensor_readings_value_to_native

from support.module_process import API, ModuleProcess, struct
from viam_billing.version import SENSOR_MODEL

SENSOR_API = "rdk:component:sensor"

Request = TypeVar("Request", common_pb2.DoCommandRequest, common_pb2.GetStatusRequest)


class Parent:
    """What a module needs of viam-server: the names of all resources, its log, and the way to generic services.

    A call of a generic service goes back to the module, with its deadline, and comes back with the module's own error.
    """

    def __init__(self) -> None:
        self.services: set[str] = set()
        """Names of the generic services that it has."""
        self.log: list[str] = []
        """What the module has logged through it."""
        self.asked: list[str] = []
        """The calls that it has passed on: `DoCommand`, `GetStatus`."""
        self.has_status = True
        """Older ones do not know GetStatus."""
        self.module: Channel | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="vbp-"))
        self.address = str(self._folder / "parent.sock")
        self._server = Server([self])
        self._public: Server | None = None
        self.port = 0
        """Of `listen`."""

    def __mapping__(self) -> dict[str, Handler]:
        """Grpclib's way to say what a server serves; every other call is UNIMPLEMENTED."""
        robot, generic = "/viam.robot.v1.RobotService", "/viam.service.generic.v1.GenericService"
        unary = Cardinality.UNARY_UNARY
        return {
            f"{robot}/ResourceNames": Handler(
                self._resource_names, unary, robot_pb2.ResourceNamesRequest, robot_pb2.ResourceNamesResponse
            ),
            f"{robot}/Log": Handler(self._log, unary, robot_pb2.LogRequest, robot_pb2.LogResponse),
            f"{generic}/DoCommand": Handler(
                self._do_command, unary, common_pb2.DoCommandRequest, common_pb2.DoCommandResponse
            ),
            f"{generic}/GetStatus": Handler(
                self._get_status, unary, common_pb2.GetStatusRequest, common_pb2.GetStatusResponse
            ),
        }

    async def start(self) -> None:
        """Serve on a unix socket, as viam-server does for its modules."""
        await self._server.start(path=self.address)

    async def listen(self) -> None:
        """Serve on a TCP port of this computer too, as viam-server does for everybody else."""
        self._public = Server([self])
        await self._public.start("127.0.0.1", 0)
        (socket,) = self._public._server.sockets  # type: ignore[union-attr] # noqa: SLF001 - grpclib tells no port
        self.port = int(socket.getsockname()[1])

    async def close(self) -> None:
        """End; connections live on until the module's process ends."""
        self._server.close()
        if self._public is not None:
            self._public.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _resource_names(
        self, stream: Stream[robot_pb2.ResourceNamesRequest, robot_pb2.ResourceNamesResponse]
    ) -> None:
        await stream.recv_message()
        names = [
            common_pb2.ResourceName(namespace="rdk", type="service", subtype="generic", name=name)
            for name in sorted(self.services)
        ]
        await stream.send_message(robot_pb2.ResourceNamesResponse(resources=names))

    async def _log(self, stream: Stream[robot_pb2.LogRequest, robot_pb2.LogResponse]) -> None:
        request = await stream.recv_message()
        assert request is not None
        self.log += [entry.message for entry in request.logs]
        await stream.send_message(robot_pb2.LogResponse())

    async def _do_command(self, stream: Stream[common_pb2.DoCommandRequest, common_pb2.DoCommandResponse]) -> None:
        await self._pass_on("DoCommand", stream, common_pb2.DoCommandRequest, common_pb2.DoCommandResponse)

    async def _get_status(self, stream: Stream[common_pb2.GetStatusRequest, common_pb2.GetStatusResponse]) -> None:
        if not self.has_status:
            raise GRPCError(Status.UNIMPLEMENTED, "unknown method GetStatus for service")
        await self._pass_on("GetStatus", stream, common_pb2.GetStatusRequest, common_pb2.GetStatusResponse)

    async def _pass_on(
        self, rpc: str, stream: Stream[Request, Any], request_type: type[Request], response_type: type[Message]
    ) -> None:
        request = await stream.recv_message()
        assert request is not None
        self.asked.append(rpc)
        if request.name not in self.services:
            # The words and the status of viam-server, whose own errors carry no status.
            raise GRPCError(Status.UNKNOWN, f'resource "{API}/{request.name}" not found')
        assert self.module is not None
        method = UnaryUnaryMethod(
            self.module, f"/viam.service.generic.v1.GenericService/{rpc}", request_type, response_type
        )
        timeout_s = stream.deadline.time_remaining() if stream.deadline else None
        await stream.send_message(await method(request, timeout=timeout_s))


class Machine:
    """A parent with its module."""

    def __init__(self) -> None:
        self.parent = Parent()
        self.module = ModuleProcess(parent_address=self.parent.address)

    async def __aenter__(self) -> Self:
        await self.parent.start()
        await self.module.ready()
        self.parent.module = self.module.channel
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.module.__aexit__(*exc_info)
        await self.parent.close()

    async def add_service(self, attributes: Mapping[str, Any], name: str = "billing") -> None:
        """A billing service."""
        await self.module.add(attributes, name)
        self.parent.services.add(name)

    async def remove_service(self, name: str = "billing") -> None:
        """Take it away."""
        self.parent.services.discard(name)
        await self.module.remove(name)

    async def validate_sensor(self, attributes: Mapping[str, Any]) -> list[str]:
        """ValidateConfig of a sensor. Returns its required dependencies."""
        request = module_pb2.ValidateConfigRequest(config=self._sensor(attributes, "usage"))
        response = await module_grpc.ModuleServiceStub(self.module.channel).ValidateConfig(request, timeout=10)
        assert not response.optional_dependencies
        return list(response.dependencies)

    async def add_sensor(self, attributes: Mapping[str, Any], name: str = "usage") -> None:
        """A sensor with the dependencies that it asks for."""
        dependencies = await self.validate_sensor(attributes)
        request = module_pb2.AddResourceRequest(config=self._sensor(attributes, name), dependencies=dependencies)
        await module_grpc.ModuleServiceStub(self.module.channel).AddResource(request, timeout=10)

    async def remove_sensor(self, name: str = "usage") -> None:
        """Take it away."""
        request = module_pb2.RemoveResourceRequest(name=f"{SENSOR_API}/{name}")
        await module_grpc.ModuleServiceStub(self.module.channel).RemoveResource(request, timeout=10)

    async def readings(
        self, name: str = "usage", *, extra: Mapping[str, Any] | None = None, timeout_s: float = 30
    ) -> dict[str, Any]:
        """GetReadings, as a client or, with the right `extra`, data capture calls it."""
        request = common_pb2.GetReadingsRequest(name=name, extra=struct(extra or {}))
        response = await sensor_grpc.SensorServiceStub(self.module.channel).GetReadings(request, timeout=timeout_s)
        return dict(sensor_readings_value_to_native(response.readings))

    async def sensor_do(self, command: Mapping[str, Any], name: str = "usage") -> None:
        """DoCommand of the sensor."""
        request = common_pb2.DoCommandRequest(name=name, command=struct(command))
        await sensor_grpc.SensorServiceStub(self.module.channel).DoCommand(request, timeout=10)

    async def sensor_status(self, name: str = "usage") -> dict[str, Any]:
        """GetStatus of the sensor."""
        request = common_pb2.GetStatusRequest(name=name)
        response = await sensor_grpc.SensorServiceStub(self.module.channel).GetStatus(request, timeout=10)
        return dict(response.result)

    def _sensor(self, attributes: Mapping[str, Any], name: str) -> app_pb2.ComponentConfig:
        return app_pb2.ComponentConfig(name=name, api=SENSOR_API, model=SENSOR_MODEL, attributes=struct(attributes))
