"""Child processes, each with a log file, for the demonstration and the stand-in machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RUN_SH: Final = Path(__file__).resolve().parents[2] / "run.sh"
"""Starts the module in a checkout; installed packages have none."""

_SANDBOX_START_S: Final = 60.0
_STOP_S: Final = 10.0
"""Longer than the 8 s for which the module waits for a charge."""
_POLL_S: Final = 0.02
_TAIL_LINES: Final = 20


class ChildError(Exception):
    """A child process did not do what it should; the text is a sentence for the user."""


class Child:
    """A process with a log file. It has a session of its own, so that Ctrl-C reaches only its parent."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        working_directory: Path | None = None,
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        # The user's own VIAM_API_KEY must not be used.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("VIAM_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the callers build the commands
                command,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=working_directory,
            )

    @property
    def pid(self) -> int:
        """The ID of the process and of its group."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def log(self) -> str:
        """Returns everything that it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """Returns the last lines that it has printed."""
        return "\n".join(self.log().splitlines()[-_TAIL_LINES:])

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Waits for a condition.

        Raises:
            ChildError: The process ended, or the condition does not hold in time.
        """
        end_s = time.monotonic() + within_s
        while not condition():
            if self.status is not None:
                raise ChildError(f"the {self.name} ended with status {self.status} before it was ready.")
            if time.monotonic() > end_s:
                busy = "The computer may be too busy: run the command again."
                raise ChildError(f"the {self.name} was not ready within {within_s:.0f} s. {busy}")
            await asyncio.sleep(_POLL_S)

    async def ended(self) -> int:
        """Waits until it has ended. Returns its exit status."""
        while (status := self.status) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_POLL_S)
        return status

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """Kills it and its children, and waits until it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self) -> None:
        """Waits until it has ended; kills it and its children if that takes too long."""
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()


def start_sandbox(folder: Path, *arguments: str) -> Child:
    """Starts a simulated cloud on free ports of loopback."""
    return Child("sandbox", (sys.executable, "-m", "viam_billing_sandbox", "--quiet", *arguments), folder, {})


async def sandbox_addresses(sandbox: Child) -> tuple[str, str]:
    """Waits for the sandbox. Returns its address, which is the module's `app_address`, and its control's.

    Raises:
        ChildError: It does not get ready.
    """
    await sandbox.until(lambda: _line(sandbox.log(), "sandbox control: ") != "", _SANDBOX_START_S)
    return _line(sandbox.log(), "sandbox ready: "), _line(sandbox.log(), "sandbox control: ")


def module_command(*, through_run_sh: bool) -> tuple[str, ...]:
    """Returns what starts the module, to which a socket's path is added."""
    return (str(RUN_SH),) if through_run_sh else (sys.executable, "-OO", "-I", "-m", "viam_billing")


def _line(text: str, prefix: str) -> str:
    """Returns the rest of the line that begins with a prefix; empty while there is no such complete line."""
    lines = (line for line in text.splitlines(keepends=True) if line.startswith(prefix) and line.endswith("\n"))
    return next(lines, prefix).removeprefix(prefix).strip()
