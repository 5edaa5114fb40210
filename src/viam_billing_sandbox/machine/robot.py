"""The calls of RobotService that SDK clients and the module make of a machine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import grpc
from viam.gen.common.v1 import common_pb2
from viam.gen.robot.v1 import robot_pb2

from viam_billing.version import VERSION
from viam_billing_sandbox.machine.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from viam_billing_sandbox.machine.module import Module

Method = tuple[Any, Callable[[Any], Awaitable["Message"]]]
"""The type of a request, and what answers it."""

_SERVICE: Final = "/viam.robot.v1.RobotService"
_HEARTBEAT: Final = timedelta(seconds=2)
_MOST_SESSIONS: Final = 1000
_STATE: Final = robot_pb2.GetMachineStatusResponse.STATE_RUNNING


class RobotService:
    """Answers for the machine itself: its resources, its state, its clients' sessions."""

    def __init__(self, module: Module, cloud_metadata: Mapping[str, str], log: Callable[[str], None]) -> None:
        self._module = module
        self._cloud_metadata = dict(cloud_metadata)
        self._log_line = log
        self._sessions: dict[str, float] = {}

    def methods(self) -> dict[str, Method]:
        """Returns the methods by path."""
        return {
            f"{_SERVICE}/ResourceNames": (robot_pb2.ResourceNamesRequest, self._resource_names),
            f"{_SERVICE}/GetOperations": (robot_pb2.GetOperationsRequest, self._operations),
            f"{_SERVICE}/StartSession": (robot_pb2.StartSessionRequest, self._start_session),
            f"{_SERVICE}/SendSessionHeartbeat": (robot_pb2.SendSessionHeartbeatRequest, self._heartbeat),
            f"{_SERVICE}/GetMachineStatus": (robot_pb2.GetMachineStatusRequest, self._machine_status),
            f"{_SERVICE}/GetVersion": (robot_pb2.GetVersionRequest, self._version),
            f"{_SERVICE}/GetCloudMetadata": (robot_pb2.GetCloudMetadataRequest, self._metadata),
            f"{_SERVICE}/RestartModule": (robot_pb2.RestartModuleRequest, self._restart),
            f"{_SERVICE}/Log": (robot_pb2.LogRequest, self._log),
        }

    def _names(self) -> list[common_pb2.ResourceName]:
        parts = [(*api.split(":"), name) for api, name in sorted(self._module.resources)]
        return [common_pb2.ResourceName(namespace=a, type=b, subtype=c, name=d) for a, b, c, d in parts]

    async def _resource_names(self, _: object) -> robot_pb2.ResourceNamesResponse:
        return robot_pb2.ResourceNamesResponse(resources=self._names())

    async def _operations(self, _: object) -> robot_pb2.GetOperationsResponse:
        return robot_pb2.GetOperationsResponse()

    async def _start_session(self, request: robot_pb2.StartSessionRequest) -> robot_pb2.StartSessionResponse:
        now = time.monotonic()
        for session, seen_s in list(self._sessions.items()):
            if now - seen_s > _HEARTBEAT.total_seconds():
                del self._sessions[session]
        if len(self._sessions) >= _MOST_SESSIONS:
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many sessions")
        session = request.resume if request.resume in self._sessions else str(uuid.uuid4())
        self._sessions[session] = now
        answer = robot_pb2.StartSessionResponse(id=session)
        answer.heartbeat_window.FromTimedelta(_HEARTBEAT)
        return answer

    async def _heartbeat(
        self, request: robot_pb2.SendSessionHeartbeatRequest
    ) -> robot_pb2.SendSessionHeartbeatResponse:
        seen_s = self._sessions.get(request.id)
        if seen_s is None or time.monotonic() - seen_s > _HEARTBEAT.total_seconds():
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "SESSION_EXPIRED")
        self._sessions[request.id] = time.monotonic()
        return robot_pb2.SendSessionHeartbeatResponse()

    async def _machine_status(self, _: object) -> robot_pb2.GetMachineStatusResponse:
        ready = self._module.is_ready
        state = robot_pb2.ResourceStatus.STATE_READY if ready else robot_pb2.ResourceStatus.STATE_UNHEALTHY
        resources = [
            robot_pb2.ResourceStatus(name=name, state=state, error="" if ready else "the module is not running")
            for name in self._names()
        ]
        return robot_pb2.GetMachineStatusResponse(state=_STATE, resources=resources)

    async def _version(self, _: object) -> robot_pb2.GetVersionResponse:
        return robot_pb2.GetVersionResponse(platform="stand-in", version=VERSION, api_version="v1")

    async def _metadata(self, _: object) -> robot_pb2.GetCloudMetadataResponse:
        return robot_pb2.GetCloudMetadataResponse(**self._cloud_metadata)

    async def _restart(self, _: object) -> robot_pb2.RestartModuleResponse:
        await self._module.restart()
        return robot_pb2.RestartModuleResponse()

    async def _log(self, request: robot_pb2.LogRequest) -> robot_pb2.LogResponse:
        for entry in request.logs:
            self._log_line(f"{entry.level}\t{entry.logger_name}\t{entry.message}")
        return robot_pb2.LogResponse()
