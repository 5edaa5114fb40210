"""The calls that the machine serves, apart from the protocol that brings them: bytes in, bytes or a refusal out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from viam.gen.common.v1 import common_pb2

from viam_billing_sandbox.machine.refused import Refused

if TYPE_CHECKING:
    from viam_billing_sandbox.machine.module import Module
    from viam_billing_sandbox.machine.robot import RobotService

Answer = Callable[[bytes, float], Awaitable[bytes]]

M = TypeVar("M", bound=Message)

LONGEST_MESSAGE: Final = 32 * 1024 * 1024
"""Bytes of a message, as at viam-server."""
DEFAULT_TIMEOUT_S: Final = 600.0
"""What viam-server gives a call without a deadline."""

_GENERIC: Final = "/viam.service.generic.v1.GenericService"
_SENSOR: Final = "/viam.component.sensor.v1.SensorService"
_RESOURCE_CALLS: Final[dict[str, tuple[str, type[Message]]]] = {
    f"{_GENERIC}/DoCommand": ("rdk:service:generic", common_pb2.DoCommandRequest),
    f"{_GENERIC}/GetStatus": ("rdk:service:generic", common_pb2.GetStatusRequest),
    f"{_SENSOR}/GetReadings": ("rdk:component:sensor", common_pb2.GetReadingsRequest),
    f"{_SENSOR}/DoCommand": ("rdk:component:sensor", common_pb2.DoCommandRequest),
    f"{_SENSOR}/GetStatus": ("rdk:component:sensor", common_pb2.GetStatusRequest),
}


class Calls:
    """Answers the calls of the machine and passes those of a resource on to the module."""

    def __init__(self, module: Module, robot: RobotService) -> None:
        self._module = module
        self._own = robot.methods()

    def find(self, path: str) -> Answer:
        """Returns what answers a call, also one that the machine does not know."""
        if path in _RESOURCE_CALLS:
            api, request_type = _RESOURCE_CALLS[path]
            return lambda request, timeout_s: self._pass_on(path, api, request_type, request, timeout_s)
        if path in self._own:
            request_type, method = self._own[path]

            async def answer(request: bytes, _: float) -> bytes:
                answered = await method(_parsed(request_type, request))
                return answered.SerializeToString()

            return answer
        return _unimplemented

    async def _pass_on(
        self, path: str, api: str, request_type: type[Message], request: bytes, timeout_s: float
    ) -> bytes:
        name: str = getattr(_parsed(request_type, request), "name", "")
        if (api, name) not in self._module.resources:
            raise Refused(grpc.StatusCode.UNKNOWN, f"no node found with api {api} and name {name}")
        if not self._module.serves(api, name):
            raise Refused(grpc.StatusCode.UNKNOWN, "not connected")
        try:
            return await self._module.call(path, request, timeout_s)
        except grpc.aio.AioRpcError as error:
            words = error.details() or ""
            if error.code() is grpc.StatusCode.UNAVAILABLE and not self._module.serves(api, name):
                words = "error reading from server: connection reset by peer"
            raise Refused(error.code(), words) from None


async def _unimplemented(_: bytes, __: float) -> bytes:
    raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Unimplemented")


def _parsed(request_type: type[M], request: bytes) -> M:
    try:
        return request_type.FromString(request)
    except DecodeError as error:
        raise Refused(grpc.StatusCode.INTERNAL, f"grpc: error unmarshalling request: {error}") from None
