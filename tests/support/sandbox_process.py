"""A sandbox as a process of its own, for tests that need a cloud that can really die."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from viam_billing_sandbox.control import SandboxControl

if TYPE_CHECKING:
    from typing_extensions import Self

_SOURCES: Final = Path(__file__).resolve().parents[2] / "src"
_READY: Final = "sandbox ready: "
_CONTROL: Final = "sandbox control: "
_START_S: Final = 60.0
_STOP_S: Final = 10.0


class SandboxProcess:
    """Runs `python -m viam_billing_sandbox` with the given arguments.

    with SandboxProcess("--tls") as sandbox:
        sandbox.address          # the module's app_address
        sandbox.control          # a SandboxControl
        sandbox.kill()           # SIGKILL: connections die with the process
        sandbox.start()          # again, on the same ports or socket, in the scenario's first state
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._control: SandboxControl | None = None
        self.address = ""
        self.control_address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        if self._log is not None:
            self._log.close()

    @property
    def control(self) -> SandboxControl:
        """The client of the control of this run."""
        assert self._control is not None, "the sandbox is not running"
        return self._control

    @property
    def port(self) -> int:
        """The public TCP port; only without `--socket`."""
        return int(self.address.rpartition(":")[2])

    @property
    def log(self) -> str:
        """Everything that the sandbox has written to stderr in its last run."""
        assert self._log is not None, "the sandbox has never run"
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode()

    def start(self) -> None:
        """Starts the sandbox and waits until it is ready.

        Raises:
            RuntimeError: It ended at once, or did not get ready in time; the text has its log.
        """
        assert self._process is None, "the sandbox is running"
        if self._log is not None:
            self._log.close()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        command = [sys.executable, "-m", "viam_billing_sandbox", *self._arguments, *self._same_ports()]
        environment = {**os.environ, "PYTHONPATH": str(_SOURCES)}
        self._process = subprocess.Popen(  # noqa: S603 - the command is built here
            command, stdout=subprocess.PIPE, stderr=self._log, env=environment
        )
        ready, control = self._first_lines(self._process, 2)
        self.address = ready.removeprefix(_READY)
        self.control_address = control.removeprefix(_CONTROL)
        self._control = SandboxControl(self.control_address)

    def kill(self) -> None:
        """Ends the process with SIGKILL; without effect where it is not running."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    def terminate(self) -> int:
        """Ends the process with SIGTERM, and answers its exit code."""
        assert self._process is not None, "the sandbox is not running"
        self._process.terminate()
        return self._ended()

    def _same_ports(self) -> list[str]:
        if not self.address:
            return []
        again = ["--control-port", self.control_address.rpartition(":")[2]]
        return again if "--socket" in self._arguments else [*again, "--port", str(self.port)]

    def _ended(self) -> int:
        process, self._process = self._process, None
        assert process is not None
        code = process.wait(_STOP_S)
        if process.stdout is not None:
            process.stdout.close()
        if self._control is not None:
            self._control.close()
            self._control = None
        return code

    def _first_lines(self, process: subprocess.Popen[bytes], count: int) -> list[str]:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        seen = b""
        end_s = time.monotonic() + _START_S
        while seen.count(b"\n") < count:
            readable, _, _ = select.select([descriptor], [], [], max(end_s - time.monotonic(), 0.0))
            more = os.read(descriptor, 4096) if readable else b""
            if not more:
                self.kill()
                raise RuntimeError(f"the sandbox did not get ready; its log: {self.log}")
            seen += more
        return seen.decode().splitlines()
