"""Starts the sandbox, the module and the port, in this order, and ends them all."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from viam_billing.version import BILLING_MODEL, SENSOR_MODEL
from viam_billing_sandbox.child import module_command, sandbox_addresses, start_sandbox
from viam_billing_sandbox.machine import past, scenes
from viam_billing_sandbox.machine.calls import Calls
from viam_billing_sandbox.machine.first_steps import FirstSteps
from viam_billing_sandbox.machine.grpc_server import serve
from viam_billing_sandbox.machine.grpc_web import GrpcWeb, preflight
from viam_billing_sandbox.machine.listener import Listener
from viam_billing_sandbox.machine.module import Module, Resource
from viam_billing_sandbox.machine.pages import Pages
from viam_billing_sandbox.machine.robot import RobotService
from viam_billing_sandbox.machine.web import Answer, Request, Web, text
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from viam_billing_sandbox.child import Child
    from viam_billing_sandbox.machine.refused import ErrorStyle

SERVICE: Final = "billing"
SENSOR: Final = "usage"
MACHINE_ID: Final = "5d1c7b3a-2e4f-4a86-9b0c-1f2e3d4c5b6a"
_PART_ID: Final = "8e2f6a4c-7b1d-4c93-a5e0-3d2c1b0a9f8e"


@dataclass(frozen=True)
class Options:
    """How a machine is started; `attributes` are laid over those of the scene, and None takes one away."""

    scene: str = "steady"
    errors: ErrorStyle = "direct"
    port: int = 0
    page: Path | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    through_run_sh: bool = True


class Machine:
    """One machine and its cloud; `close` ends all processes and removes all files."""

    def __init__(self, options: Options) -> None:
        self.errors: ErrorStyle = options.errors
        self.port = options.port
        self.folder = Path(tempfile.mkdtemp(prefix="vb-machine-"))  # short: a socket's path has about 100 characters
        self._state = self.folder / "state"
        self._state.mkdir(mode=0o700)
        self.children: list[Child] = []
        self.sandbox_address = self.sandbox_control = ""
        self._options = options
        self._log = (self.folder / "machine.log").open("a", buffering=1, encoding="utf-8")
        self.module = Module(
            module_command(through_run_sh=options.through_run_sh),
            self.folder,
            self._environment(),
            str(self.folder / "parent.sock"),
        )
        metadata = {
            "primary_org_id": DEFAULT_ORG_ID,
            "location_id": DEFAULT_LOCATION_ID,
            "machine_id": MACHINE_ID,
            "machine_part_id": _PART_ID,
        }
        self._calls = Calls(self.module, RobotService(self.module, metadata, lambda line: print(line, file=self._log)))
        self._servers: list[grpc.aio.Server] = []
        self._listener: Listener | None = None

    @property
    def address(self) -> str:
        """Where SDK clients and browsers find the machine."""
        return f"http://localhost:{self.port}"

    def _environment(self) -> dict[str, str]:
        data = self.folder / "data"
        data.mkdir()
        return {
            "VIAM_HOME": str(self.folder),
            "VIAM_MODULE_DATA": str(data),
            "VIAM_MODULE_NAME": "viam-billing",
            "VIAM_PRIMARY_ORG_ID": DEFAULT_ORG_ID,
            "VIAM_LOCATION_ID": DEFAULT_LOCATION_ID,
            "VIAM_MACHINE_ID": MACHINE_ID,
            "VIAM_MACHINE_PART_ID": _PART_ID,
            "VIAM_MACHINE_FQDN": f"localhost:{self.port}",
        }

    async def start(self) -> None:
        """Starts everything; the port answers when the scene is complete.

        Raises:
            ChildError: The sandbox or the module does not start.
            OSError: The port is taken.
        """
        now = utc_now()
        scene = scenes.make(self._options.scene, self.folder, self._state, now)
        sandbox = start_sandbox(self.folder, *scene.sandbox)
        self.children.append(sandbox)
        self.sandbox_address, self.sandbox_control = await sandbox_addresses(sandbox)
        attributes = scene.attributes | {"app_address": self.sandbox_address} | dict(self._options.attributes)
        attributes = {name: value for name, value in attributes.items() if value is not None}
        await past.write(self._state, self.sandbox_address, scene.payers, now)
        self.module.configured = (
            Resource("rdk:service:generic", SERVICE, BILLING_MODEL, attributes),
            Resource("rdk:component:sensor", SENSOR, SENSOR_MODEL, {"service": SERVICE}),
        )
        self._write_configuration()
        self._servers.append(await serve(self.folder / "parent.sock", self._calls, lambda: "direct"))
        await self.module.start()
        await FirstSteps(self.module, SERVICE, self.sandbox_control).take(scene)
        await self.open()

    def _write_configuration(self) -> None:
        """Writes `machine.json`: the same resources as viam-server's configuration has them."""
        parts: dict[str, list[dict[str, object]]] = {"services": [], "components": []}
        for each in self.module.configured:
            part = parts["services" if ":service:" in each.api else "components"]
            part.append({"name": each.name, "api": each.api, "model": each.model, "attributes": each.attributes})
        (self.folder / "machine.json").write_text(json.dumps(parts))

    async def open(self) -> None:
        """Opens the port, the same one as before; nothing happens where it is open."""
        if self._listener is not None:
            return
        public = self.folder / "public.sock"
        self._servers.append(await serve(public, self._calls, lambda: self.errors))
        web = GrpcWeb(self._calls, lambda: self.errors)
        self._listener = Listener(public, Web(lambda request: self._answer(web, request)).serve)
        self.port = await self._listener.listen(self.port)

    async def shut(self) -> None:
        """Closes the port and all connections, as when the machine is switched off; the module is ended too."""
        if self._listener is not None:
            await self._listener.close()
            self._listener = None
            await self._servers.pop().stop(None)
        await self.module.stop()

    async def close(self) -> None:
        """Ends everything."""
        await self.shut()
        for server in self._servers:
            await server.stop(None)
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _answer(self, web: GrpcWeb, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method == "POST":
            return await web.answer(request)
        if request.method in ("GET", "HEAD"):
            return await self._pages().answer(request)
        return text(HTTPStatus.METHOD_NOT_ALLOWED)

    def _pages(self) -> Pages:
        key = {"id": DEFAULT_API_KEY_ID, "key": DEFAULT_API_KEY}
        credentials = {"type": "api-key", "payload": key["key"], "authEntity": key["id"]}
        cookie = {
            "hostname": f"localhost:{self.port}",
            "machineId": MACHINE_ID,
            "credentials": credentials,
            "apiKey": key,
        }
        return Pages(self._options.page, MACHINE_ID, cookie)


def tails(machine: Machine) -> str:
    """Returns the last lines of all logs, for somebody who has to see why a machine did not start."""
    logs = {child.name: child.log_tail() for child in machine.children} | {"module": machine.module.log_tail()}
    return "\n".join(f"--- {name}\n{tail}" for name, tail in logs.items())
