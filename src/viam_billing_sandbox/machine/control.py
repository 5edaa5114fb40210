"""The control of a running machine, for tests: lines of JSON on a port of 127.0.0.1, as the sandbox's control has them.

{"method": "Errors", "request": {"style": "webrtc"}}   how errors look from now on; or "direct"
{"method": "KillModule"}                               the module crashes, and is started again
{"method": "StopModule"}, {"method": "StartModule"}    the module is away until it is started
{"method": "StopMachine"}, {"method": "StartMachine"}  nobody answers at the port until it is started
{"method": "Status"}                                   the module's process, whether it is ready
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from viam_billing_sandbox.child import ChildError
from viam_billing_sandbox.strict import Record, ScenarioError, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from viam_billing_sandbox.machine.machine import Machine

_LONGEST_LINE = 4096


class _Request(Record, frozen=True):
    method: Literal["Errors", "KillModule", "StopModule", "StartModule", "StopMachine", "StartMachine", "Status"]
    request: dict[str, object] = msgspec.field(default_factory=dict)


class _Errors(Record, frozen=True):
    style: Literal["direct", "webrtc"]


class _Nothing(Record, frozen=True):
    pass


class MachineControl:
    """Listens; each change is complete when its answer comes."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._changing = asyncio.Lock()
        self._methods: Mapping[str, Callable[[], Awaitable[None]]] = {
            "KillModule": self._kill,
            "StopModule": lambda: machine.module.stop(kill=True),
            "StartModule": machine.module.start,
            "StopMachine": machine.shut,
            "StartMachine": self._start_machine,
            "Status": self._nothing,
        }

    async def listen(self, port: int) -> asyncio.Server:
        """Listens on a port of 127.0.0.1; 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_LONGEST_LINE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):  # ValueError: the line is too long
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = read(msgspec.json.decode(line), _Request, "control")
            async with self._changing:
                if request.method == "Errors":
                    self._machine.errors = read(request.request, _Errors, "request").style
                else:
                    read(request.request, _Nothing, "request")
                    await self._methods[request.method]()
        except (ScenarioError, msgspec.DecodeError, ChildError, OSError) as error:
            return {"error": str(error)}
        module = self._machine.module
        status = {"module_pid": module.pid, "module_ready": module.is_ready, "errors": self._machine.errors}
        return {"answer": status}

    async def _kill(self) -> None:
        self._machine.module.kill()

    async def _start_machine(self) -> None:
        await self._machine.module.start()
        await self._machine.open()

    async def _nothing(self) -> None:
        pass
