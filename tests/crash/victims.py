"""A module that can be killed at a boundary, and the charges that were under way when it was."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib.exceptions import GRPCError, StreamTerminatedError
from typing_extensions import override

from crash.boundaries import Boundary
from support.module_process import ModuleProcess

_LAUNCHER = Path(__file__).with_name("launcher.py")
_ARMED_S = 5.0
_DIES_S = 20.0

LOST = (GRPCError, StreamTerminatedError, OSError, asyncio.TimeoutError)
"""How a call ends whose module was killed."""


@dataclass(frozen=True)
class Kill:
    """Where to kill, and how much later."""

    boundary: Boundary
    delay_s: float


@dataclass
class Victim:
    """A charge that was asked for before the kill."""

    key: str
    org_id: str
    amount: float
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def command(self) -> dict[str, Any]:
        """The charge, the same at every call. Its description is its key, which the ledger shows."""
        return {
            "command": "charge_organization",
            "org_id": self.org_id,
            "subtotal": self.amount,
            "description": self.key,
            "idempotency_key": self.key,
        }


class Killable(ModuleProcess):
    """A module process whose next start carries a trap."""

    def __init__(self) -> None:
        self.kill_at: Kill | None = None
        super().__init__()

    @property
    def _report(self) -> Path:
        return self.folder / "report"

    @override
    def _started(self) -> subprocess.Popen[bytes]:
        if self.kill_at is None or self.kill_at.boundary.event is None:
            return super()._started()
        self._report.write_text("")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("VIAM_")}
        trap = {
            "CRASH_AT": json.dumps(self.kill_at.boundary.event),
            "CRASH_DELAY_S": str(self.kill_at.delay_s),
            "CRASH_REPORT": str(self._report),
        }
        return subprocess.Popen(  # noqa: S603 - the command is built here
            [sys.executable, "-I", str(_LAUNCHER), str(self.socket)],
            env={**inherited, **self._environment, **trap},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )

    async def _reported(self, word: str, within_s: float) -> None:
        end_s = time.monotonic() + within_s
        while word not in self._report.read_text():
            if time.monotonic() > end_s:
                raise RuntimeError(f"the trap at {self.kill_at} was not {word}: {self.log[-2000:]}")
            await asyncio.sleep(0.002)

    async def arm(self) -> None:
        """Arm the trap."""
        self.process.send_signal(signal.SIGUSR1)
        await self._reported("armed", _ARMED_S)

    async def died(self) -> None:
        """Wait until the trap has killed the process."""
        await self._reported("sprung", _DIES_S)
        await asyncio.to_thread(self.process.wait, _DIES_S)
        if self.process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the module ended with {self.process.returncode} and not by the kill")

    async def charge(self, victim: Victim) -> None:
        """Ask for a charge, and keep the answer if there is one before the kill."""
        try:
            victim.answers.append(await self.do(victim.command, timeout_s=_DIES_S))
        except LOST:
            return
