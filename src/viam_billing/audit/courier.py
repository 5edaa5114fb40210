"""Speaks to the process that sends alerts: one for each address, while there is something to send.

    courier          sender
    {address} -----> imports Apprise, reads the address
              <----- {} or {why}
    {alert} -------> sends it, whatever becomes of the module
              <----- {} or {why}

Apprise and its hundred services stay out of the module's process: they cost it no memory, see neither key nor journal,
log nothing in it, and one that hangs is killed. All of this blocks: call it on a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from typing import Final

from viam_billing.audit.sender import ARGUMENT, SEND_S

_ANSWER_S: Final = SEND_S + 10
_END_S: Final = 2.0
_INTERPRETER: Final = () if getattr(sys, "frozen", False) else ("-OO", "-I", "-m", "viam_billing")


class UndeliveredError(Exception):
    """The address did not take it. The text says why, in words that hold nothing of the address."""


class Courier:
    """One run of the process. `certificates`: the file of those that HTTPS trusts."""

    def __init__(self, address: str, certificates: str) -> None:
        """Raises: UndeliveredError: Apprise cannot use the address; OSError: there is no process."""
        # without the API key, which is in the environment
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VIAM_")}
        self._process = subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, *_INTERPRETER, ARGUMENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
        try:
            self._exchange({"address": address, "certificates": certificates})
        except BaseException:
            self.close()
            raise

    def send(self, title: str, body: str) -> None:
        """Send an alert. Raises: UndeliveredError: the address did not take it, as far as is known."""
        self._exchange({"title": title, "body": body})

    def close(self) -> None:
        """End the process. May be called twice."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _exchange(self, message: dict[str, str]) -> None:
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise AssertionError("Popen makes the pipes")
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            waiting = select.poll()
            waiting.register(process.stdout, select.POLLIN)
            if not waiting.poll(1000 * _ANSWER_S):
                process.kill()
                raise UndeliveredError("it did not answer in time")
            answer = json.loads(process.stdout.readline() or b"null")
        except (OSError, ValueError):
            answer = None
        if answer is None:
            raise UndeliveredError("the process that sends alerts has ended: it took too long, or the memory is short")
        if "why" in answer:
            raise UndeliveredError(answer["why"])
