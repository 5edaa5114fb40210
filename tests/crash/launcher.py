"""Runs the module until it comes to one fault point of the charging protocol, and kills it there with SIGKILL.

python -I tests/crash/launcher.py SOCKET

The environment says where: CRASH_AT is an audit event and its first arguments as JSON, as in boundaries.py;
CRASH_DELAY_S is how much later, while the module goes on; what happens is written to the file CRASH_REPORT. The module
itself is not touched: a hook listens to its audit events. Nothing is killed before SIGUSR1 has armed the trap.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any


class Trap:
    """Listens to every audit event from SIGUSR1 on; springs once."""

    def __init__(self, event: list[str], delay_s: float, report: int) -> None:
        self._event, *arguments = event
        self._arguments = tuple(arguments)
        self._delay_s = delay_s
        self._report = report
        self._armed = False

    def arm(self, *_: object) -> None:
        """From now on. A signal's handler: it runs in the main thread."""
        self._armed = True
        os.write(self._report, b"armed\n")

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What the interpreter calls."""
        if event == self._event and self._armed and arguments[: len(self._arguments)] == self._arguments:
            self._armed = False
            os.write(self._report, b"sprung\n")
            if not self._delay_s:
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Thread(target=self._kill_later, daemon=True).start()

    def _kill_later(self) -> None:
        time.sleep(self._delay_s)
        os.kill(os.getpid(), signal.SIGKILL)


def _main() -> None:
    report = os.open(os.environ["CRASH_REPORT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    trap = Trap(json.loads(os.environ["CRASH_AT"]), float(os.environ["CRASH_DELAY_S"]), report)
    sys.addaudithook(trap.hear)
    signal.signal(signal.SIGUSR1, trap.arm)
    from viam_billing.module.process import main  # noqa: PLC0415 - the trap is set before the module is there

    main()


if __name__ == "__main__":
    _main()
