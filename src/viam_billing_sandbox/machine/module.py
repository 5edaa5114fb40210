"""The module's process: started, configured and started again as viam-server does it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from viam.gen.app.v1 import robot_pb2
from viam.gen.module.v1 import module_pb2

from viam_billing_sandbox.child import Child, ChildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_START_S: Final = 300.0
"""As long as viam-server waits: run.sh may have to install packages first."""
_CALL_S: Final = 60.0
_AGAIN_S: Final = 5.0
"""Between attempts to start a module that does not start."""
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.use_local_subchannel_pool", 1),
)


M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Resource:
    """A resource of the machine's configuration; its dependencies are those that the module asks for."""

    api: str
    name: str
    model: str
    attributes: Mapping[str, Any]

    def config(self) -> robot_pb2.ComponentConfig:
        """Returns it as the module protocol has it."""
        attributes = Struct()
        attributes.update(dict(self.attributes))
        return robot_pb2.ComponentConfig(name=self.name, api=self.api, model=self.model, attributes=attributes)


class Module:
    """One module with its resources; it is started again whenever it ends by itself."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], parent: str) -> None:
        """Makes it; `start` starts it. `parent` is the machine's socket for its modules."""
        self.configured: tuple[Resource, ...] = ()
        self.is_ready = False
        self._command = (*command, str(folder / "module.sock"))
        self._folder = folder
        self._socket = folder / "module.sock"
        self._environment = environment
        self._parent = parent
        self._added: set[tuple[str, str]] = set()
        self._child: Child | None = None
        self._channel: grpc.aio.Channel | None = None
        self._watch: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    @property
    def resources(self) -> frozenset[tuple[str, str]]:
        """API and name of what it serves, also while it is away."""
        return frozenset((each.api, each.name) for each in self.configured)

    @property
    def pid(self) -> int | None:
        """The process, where there is one."""
        return None if self._child is None or self._child.status is not None else self._child.pid

    def serves(self, api: str, name: str) -> bool:
        """Whether it runs and has the resource."""
        return (api, name) in self._added and self.pid is not None

    def log_tail(self) -> str:
        """Returns the last lines that it has printed."""
        return "" if self._child is None else self._child.log_tail()

    async def start(self) -> None:
        """Starts it and adds its resources; nothing happens where it runs.

        Raises:
            ChildError: It does not get ready, or refuses its configuration.
        """
        async with self._changing:
            if self.pid is None:
                await self._start()

    async def stop(self, *, kill: bool = False) -> None:
        """Ends it; it stays away until `start`."""
        async with self._changing:
            await self._stop(kill=kill)

    async def restart(self) -> None:
        """Ends it and starts it again."""
        async with self._changing:
            await self._stop(kill=False)
            await self._start()

    def kill(self) -> None:
        """Kills the process, as a crash would; it is started again."""
        if self._child is not None:
            self._child.kill()

    async def call(self, path: str, request: bytes, timeout_s: float) -> bytes:
        """Passes a call on and returns its answer.

        Raises:
            grpc.aio.AioRpcError: The module refused, or is away (UNAVAILABLE).
        """
        if self._channel is None:
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path)
        return await method(request, timeout=timeout_s)

    async def _start(self) -> None:
        self._socket.unlink(missing_ok=True)
        working_directory = Path(self._command[0]).parent
        self._child = Child("module", self._command, self._folder, self._environment, working_directory)
        try:
            await self._child.until(self._accepts, _START_S)
            self._channel = grpc.aio.insecure_channel(f"unix:{self._socket}", options=_OPTIONS)
            await self._control("Ready", module_pb2.ReadyRequest(parent_address=self._parent), module_pb2.ReadyResponse)
            for resource in self.configured:
                await self._add(resource)
                self._added.add((resource.api, resource.name))
        except grpc.aio.AioRpcError as error:
            await self._stop(kill=True)
            raise ChildError(f"the module refused its configuration: {error.details()}") from None
        except BaseException:
            await self._stop(kill=True)
            raise
        self.is_ready = True
        self._watch = asyncio.create_task(self._start_again(self._child))

    async def _stop(self, *, kill: bool) -> None:
        self.is_ready = False
        self._added.clear()
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
            await asyncio.wait({self._watch})
        self._watch = None
        if self._channel is not None:
            await self._channel.close()
            self._channel = None
        if self._child is not None:
            if not kill:
                self._child.terminate()
                await asyncio.to_thread(self._child.wait)
            self._child.kill()

    async def _start_again(self, child: Child) -> None:
        await child.ended()
        self.is_ready = False
        while True:
            async with self._changing:
                if self._child is not child:
                    return
                with contextlib.suppress(ChildError):
                    await self._stop(kill=True)
                    await self._start()
                    return
                child = self._child
            await asyncio.sleep(_AGAIN_S)

    async def _add(self, resource: Resource) -> None:
        config = resource.config()
        validated = await self._control(
            "ValidateConfig", module_pb2.ValidateConfigRequest(config=config), module_pb2.ValidateConfigResponse
        )
        request = module_pb2.AddResourceRequest(config=config, dependencies=validated.dependencies)
        await self._control("AddResource", request, module_pb2.AddResourceResponse)

    async def _control(self, method: str, request: Message, answer_type: type[M]) -> M:
        path = f"/viam.module.v1.ModuleService/{method}"
        return answer_type.FromString(await self.call(path, request.SerializeToString(), _CALL_S))

    def _accepts(self) -> bool:
        if not self._socket.exists():
            return False
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            return probe.connect_ex(str(self._socket)) == 0
