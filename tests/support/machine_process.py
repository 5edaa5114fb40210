"""A stand-in machine as a process of its own, with its control and the ways to it."""

from __future__ import annotations

import contextlib
import http.client
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from google.protobuf.json_format import MessageToDict
from typing_extensions import Self
from viam.gen.common.v1 import common_pb2
from viam.robot.client import RobotClient
from viam.rpc.dial import DialOptions

from support.module_process import struct as to_struct
from viam_billing_sandbox.control import SandboxControl

DO_COMMAND: Final = "/viam.service.generic.v1.GenericService/DoCommand"
GRPC_WEB: Final = {"content-type": "application/grpc-web+proto"}
_STOP_S: Final = 30.0


class MachineProcess:
    """Runs `python -m viam_billing_sandbox.machine` with the given arguments.

    with MachineProcess("--scene", "overdue") as machine:
        machine.port
        machine.printed["page"]                 # what it has printed, by the words before the colon
        machine.control.call("KillModule")
    """

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this project's own command
            [sys.executable, "-m", "viam_billing_sandbox.machine", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.printed: dict[str, str] = {}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, _, value = line.strip().partition(": ")
            self.printed[name] = value
            if name == "machine ready":
                break
        else:
            _, errors = self._process.communicate()
            raise RuntimeError(f"the machine did not get ready: {errors}")
        self.port = int(self.printed["machine ready"].rpartition(":")[2])
        self.control = SandboxControl(self.printed["machine control"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Ends it with a signal. Returns the exit code and what it has written to stderr."""
        self.control.close()
        self._process.send_signal(number)
        _, errors = self._process.communicate(timeout=_STOP_S)
        return self._process.returncode, errors

    @property
    def module_pid(self) -> int | None:
        """The module's process, once it has got ready."""
        status = self.control.call("Status")
        return status["module_pid"] if status["module_ready"] else None

    @contextlib.contextmanager
    def http(self) -> Iterator[http.client.HTTPConnection]:
        """A connection of HTTP/1.1."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=30)
        try:
            yield connection
        finally:
            connection.close()

    @contextlib.asynccontextmanager
    async def robot(self) -> AsyncIterator[RobotClient]:
        """A client of the Python SDK, without WebRTC."""
        dial = DialOptions(insecure=True, disable_webrtc=True)
        robot = await RobotClient.at_address(f"localhost:{self.port}", RobotClient.Options(dial_options=dial))
        try:
            yield robot
        finally:
            await robot.close()  # type: ignore[no-untyped-call] # the SDK's decorator hides its type


def call(
    connection: http.client.HTTPConnection,
    path: str,
    message: bytes,
    headers: Mapping[str, str] = GRPC_WEB,
) -> tuple[int, str, bytes | None]:
    """A call over gRPC-web. Returns the status and its words, and the message if there is one."""
    connection.request("POST", path, struct.pack(">BI", 0, len(message)) + message, dict(headers))
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == http.client.OK, (answer.status, body)
    found: bytes | None = None
    while body:
        flags, length = struct.unpack_from(">BI", body)
        frame, body = body[5 : 5 + length], body[5 + length :]
        if flags == 0:
            found = frame
            continue
        assert (flags, body) == (0x80, b"")
        lines = dict(line.split(": ", 1) for line in frame.decode("ascii").split("\r\n") if line)
        return int(lines["grpc-status"]), unquote(lines.get("grpc-message", "")), found
    raise AssertionError("no trailers")


def do(
    connection: http.client.HTTPConnection, command: Mapping[str, Any], name: str = "billing"
) -> tuple[int, str, dict[str, Any]]:
    """DoCommand over gRPC-web. Returns the status and its words, and the answer to the command."""
    request = common_pb2.DoCommandRequest(name=name, command=to_struct(command))
    status, words, message = call(connection, DO_COMMAND, request.SerializeToString())
    answers = MessageToDict(common_pb2.DoCommandResponse.FromString(message or b"").result)
    return status, words, next(iter(answers.values()), {})
