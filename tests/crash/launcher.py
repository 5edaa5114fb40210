"""Runs the module until it comes to one place of the charging protocol, and kills it there with SIGKILL.

python -I tests/crash/launcher.py SOCKET

The environment says where: CRASH_AT is a place of boundaries.py as JSON, CRASH_DELAY_S how much later, while the module
goes on; what happens is written to the file CRASH_REPORT. The module itself is not touched: the interpreter tells its
profiler which functions are called. Nothing is killed before SIGUSR1 has armed the trap.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

_JOURNAL = "journal.db"


class Trap:
    """Watches every call and return from SIGUSR1 on; springs once."""

    def __init__(self, place: dict[str, Any], delay_s: float, report: int) -> None:
        self._file: str = place["file"]
        self._function: str = place["function"]
        self._event: str = place["event"]
        self._transaction: str | None = place["transaction"]
        self._nth_execute: int = place["nth_execute"]
        self._returns: str | None = place["returns"]
        self._after: str | None = place["after"]
        self._delay_s = delay_s
        self._report = report
        self._armed = False
        self._passed = self._after is None
        self._executed: dict[FrameType, int] = {}

    def arm(self, *_: object) -> None:
        """From now on. A signal's handler: it runs in the main thread."""
        self._armed = True
        sys.setprofile(self.look)
        os.write(self._report, b"armed\n")

    def look(self, frame: FrameType, event: str, arg: object) -> None:
        """What the interpreter calls."""
        if not self._armed:
            return
        name = frame.f_code.co_name
        if not self._passed and event == "call" and name == self._after:
            self._passed = True
        elif (
            name == self._function
            and frame.f_code.co_filename.endswith(self._file)
            and self._is_here(frame, event, arg)
        ):
            self._spring()

    def _is_here(self, frame: FrameType, event: str, arg: object) -> bool:
        if not self._passed or (self._transaction is not None and _transaction(frame) != self._transaction):
            return False
        if not self._nth_execute:
            return event == self._event and self._returns in (None, type(arg).__name__)
        if getattr(arg, "__name__", "") != "execute":
            return False
        if event == "c_call":
            self._executed[frame] = self._executed.get(frame, 0) + 1
        return event == self._event and self._executed.get(frame) == self._nth_execute

    def _spring(self) -> None:
        self._armed = False
        os.write(self._report, b"sprung\n")
        if not self._delay_s:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=self._kill_later, daemon=True).start()

    def _kill_later(self) -> None:
        time.sleep(self._delay_s)
        os.kill(os.getpid(), signal.SIGKILL)


def _transaction(frame: FrameType) -> str | None:
    """Which of the journal's transactions a frame of `Store._transaction` runs: the function that its step is of."""
    store, work = frame.f_locals.get("self"), frame.f_locals.get("work")
    if getattr(store, "_file_name", None) != _JOURNAL or work is None:
        return None
    while "work" in work.__code__.co_freevars:
        work = work.__closure__[work.__code__.co_freevars.index("work")].cell_contents
    name: str = work.__qualname__
    return name.partition(".<locals>")[0]


def _main() -> None:
    report = os.open(os.environ["CRASH_REPORT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    trap = Trap(json.loads(os.environ["CRASH_AT"]), float(os.environ["CRASH_DELAY_S"]), report)
    threading.setprofile(trap.look)
    signal.signal(signal.SIGUSR1, trap.arm)
    from viam_billing.module.process import main  # noqa: PLC0415 - its threads begin with the profiler that is set above

    main()


if __name__ == "__main__":
    _main()
