"""Runs the sandbox's stand-in machine as a child process, so that the command line works without an account."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import typer

from viam_billing_client.cli.places import Options, Place, UnhelpedError, has_sandbox

_MACHINE: Final = "viam_billing_sandbox.machine"
_READY: Final = "machine ready: http://"
_STOP_S: Final = 15.0
TERMINATING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a process that is to end what it has started first."""


@contextlib.contextmanager
def sandbox(options: Options) -> Iterator[Place]:
    """A machine with the billing module and a simulated cloud, until the end of the `with`.

    Raises: typer.BadParameter: the sandbox is not installed, or does not start.
    """
    if options.typed & {"address", "machine"}:
        raise typer.BadParameter("--sandbox excludes --address and --machine.")
    if not has_sandbox():
        raise UnhelpedError("--sandbox needs a checkout of viam-billing; what pip installs has no sandbox.")

    def terminated(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = [signal.signal(number, terminated) for number in TERMINATING]
    process = subprocess.Popen(  # noqa: S603 - this project's own program
        [sys.executable, "-m", _MACHINE, "--direct", "--scene", options.scene],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches this process only, which ends that one
        env={name: value for name, value in os.environ.items() if not name.startswith("VIAM_")},
    )
    try:
        address = _address(process)
        yield Place("sandbox", address, service=options.service or "billing", insecure=True)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
        for number, handler in zip(TERMINATING, before, strict=True):
            signal.signal(number, handler)


def _address(process: subprocess.Popen[str]) -> str:
    """Wait for the machine. Returns its host and port."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        if line.startswith(_READY):
            return line.strip().removeprefix(_READY)
    errors = process.communicate()[1].strip()
    why = errors.splitlines()[-1].rpartition("error: argument ")[2] if errors else "it said nothing"
    raise typer.BadParameter(f"the sandbox did not start: {why}")
