"""A machine whose billing service answers what a test says: newer answers, odd errors, none at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from viam.gen.common.v1 import common_pb2
from viam.gen.robot.v1 import robot_pb2

from support.module_process import struct
from viam_billing_client.testing.samples import SAMPLES

Answer = Mapping[str, Any] | GRPCError | None
"""An answer, an error, or that there is none for ever."""


class FakeRobot:
    """Answers each command with `answer`, by default with a sample; a `refusal` is how it answers who connects."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Answer] = sample
        self.refusal: GRPCError | None = None
        self.asked: list[dict[str, Any]] = []
        self.port = 0

    @property
    def options(self) -> tuple[str, ...]:
        """What leads the command line here."""
        return "--insecure", "--address", f"localhost:{self.port}"

    def __mapping__(self) -> dict[str, Handler]:
        """Grpclib's way to say what a server serves."""
        unary = Cardinality.UNARY_UNARY
        return {
            "/viam.robot.v1.RobotService/ResourceNames": Handler(
                self._resource_names, unary, robot_pb2.ResourceNamesRequest, robot_pb2.ResourceNamesResponse
            ),
            "/viam.service.generic.v1.GenericService/DoCommand": Handler(
                self._do_command, unary, common_pb2.DoCommandRequest, common_pb2.DoCommandResponse
            ),
        }

    async def _resource_names(
        self, stream: Stream[robot_pb2.ResourceNamesRequest, robot_pb2.ResourceNamesResponse]
    ) -> None:
        await stream.recv_message()
        if self.refusal is not None:
            raise self.refusal
        name = common_pb2.ResourceName(namespace="rdk", type="service", subtype="generic", name="billing")
        await stream.send_message(robot_pb2.ResourceNamesResponse(resources=[name]))

    async def _do_command(self, stream: Stream[common_pb2.DoCommandRequest, common_pb2.DoCommandResponse]) -> None:
        message = await stream.recv_message()
        assert message is not None
        request = MessageToDict(message.command)
        self.asked.append(request)
        answer = self.answer(request)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, GRPCError):
            raise answer
        assert answer is not None
        await stream.send_message(common_pb2.DoCommandResponse(result=struct(answer)))


def sample(request: Mapping[str, Any]) -> Answer:
    """An answer as the module gives it."""
    if request.get("dry_run"):
        return {"dry_run": True, "would_send": {"subtotal": 1.0}, "reconcilable": True}
    return SAMPLES[request["command"]]


def failing(message: str) -> Callable[[object], GRPCError]:
    """The same error for every command, as WebRTC gives it: without the status."""
    return lambda _: GRPCError(Status.UNKNOWN, message)


@contextlib.asynccontextmanager
async def fake_robot() -> AsyncIterator[FakeRobot]:
    """A machine on a free port."""
    robot = FakeRobot()
    server = Server([robot])
    await server.start("127.0.0.1", 0)
    (socket,) = server._server.sockets  # type: ignore[union-attr] # noqa: SLF001 - grpclib tells no port
    robot.port = int(socket.getsockname()[1])
    try:
        yield robot
    finally:
        server.close()
        await server.wait_closed()
