"""A real viam-server as a process of its own, with a configuration in a file and nothing of this machine's settings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from grpclib import GRPCError
from typing_extensions import Self
from viam.errors import ResourceNotFoundError
from viam.robot.client import RobotClient
from viam.rpc.dial import DialOptions
from viam.services.generic import Generic

from support.module_process import API
from viam_billing.version import BILLING_MODEL

T = TypeVar("T")

START_S: Final = 60.0
STOP_S: Final = 20.0
_POLL_S: Final = 0.05


async def until(found: Callable[[], Awaitable[T | None]], what: str, within_s: float = START_S) -> T:
    """Ask again and again until there is something; what the machine refuses meanwhile is not there yet."""
    deadline = time.monotonic() + within_s
    while True:
        last: object = None
        try:
            answer = await found()
        except (GRPCError, ResourceNotFoundError) as error:
            last, answer = error, None
        if answer is not None:
            return answer
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}; last error: {last}"
        await asyncio.sleep(_POLL_S)


class ViamServer:
    """Runs viam-server with one module and the given parts of a configuration.

    with ViamServer(binary, executable, services=[billing(attributes)]) as server:
        async with server.machine() as machine:
            await machine.ask({"help": {}})
        server.configure(services=[...])    # rewrites the file, which viam-server watches
    """

    def __init__(self, binary: Path, executable: Path, **parts: object) -> None:
        self._executable = executable
        self.folder = Path(tempfile.mkdtemp(prefix="vs-"))  # short: a socket's path has about 100 characters
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self._file = self.folder / "machine.json"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.configure(**parts)
        with (self.folder / "log.txt").open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - the binary that the tests are to run
                [binary, "-config", self._file, "-disable-mdns"],
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "HOME": str(self.folder),
                    "TMPDIR": str(self.temporary),
                },
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            left = self.descendants()
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                for number in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self, **parts: object) -> None:
        """Write the configuration: the network, the module, and the parts that are given."""
        module = {"type": "local", "name": "billing", "executable_path": str(self._executable)}
        text = json.dumps({"network": {"bind_address": f"localhost:{self.port}"}, "modules": [module], **parts})
        assert "$" not in text, "viam-server puts the environment's values in place of what begins with a $"
        self._file.write_text(text)

    def stop(self) -> int:
        """SIGTERM. Returns the exit status."""
        self.process.terminate()
        return self.process.wait(STOP_S)

    @property
    def log(self) -> str:
        """All that viam-server and the module have said."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def descendants(self) -> set[int]:
        """The processes that viam-server has started, and theirs: the module."""
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607 - wherever it is
        parents = {int(pid): int(parent) for pid, parent in map(str.split, listing.stdout.splitlines())}
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    @contextlib.asynccontextmanager
    async def machine(self) -> AsyncIterator[Machine]:
        """Connect with the SDK's client, as robot code on this machine does."""
        options = RobotClient.Options(dial_options=DialOptions(insecure=True, disable_webrtc=True))
        await until(self._listens, f"viam-server listens: {self.log}")
        robot = await RobotClient.at_address(f"localhost:{self.port}", options)
        try:
            yield Machine(robot)
        finally:
            await robot.close()  # type: ignore[no-untyped-call] # the SDK's

    async def _listens(self) -> bool | None:
        assert self.process.poll() is None, f"viam-server ended with {self.process.returncode}: {self.log}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0 or None


class Machine:
    """A connected machine, and the questions that tests ask of it."""

    def __init__(self, robot: RobotClient) -> None:
        self.robot = robot

    async def ask(self, command: Mapping[str, Any], timeout_s: float = 30.0) -> dict[str, Any]:
        """`do_command` of the service, once. Raises GRPCError, and ResourceNotFoundError where there is no service."""
        service = Generic.from_robot(self.robot, "billing")
        return dict(await service.do_command(command, timeout=timeout_s))

    async def ready(self) -> None:
        """Wait until the service is there and answers."""

        async def help_() -> object:
            await self.robot.refresh()  # type: ignore[no-untyped-call] # the SDK's
            return await self.ask({"help": {}})

        await until(help_, "the service answers")

    async def state_of(self, name: str) -> tuple[str, str] | None:
        """What the machine's status says of a resource: the word, and the error's text."""
        for resource in (await self.robot.get_machine_status()).resources:
            if resource.name.name == name:
                return type(resource).State.Name(resource.state), resource.error
        return None


def billing(attributes: Mapping[str, object], **more: object) -> dict[str, object]:
    """The configuration of the service."""
    return {"name": "billing", "api": API, "model": BILLING_MODEL, "attributes": attributes, **more}
