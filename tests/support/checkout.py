"""A copy of the checkout, and commands in it, run as viam-server and people run them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL_S = 240.0
"""An install from a package index; seconds with a warm cache, a minute or two without."""
BARE_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "VIAM_NO_MODULE_PARENT": "true"} | {
    # how this machine reaches a package index is its own business
    name: value
    for name, value in os.environ.items()
    if name == "HOME" or name.startswith(("SSL_", "HTTP_", "HTTPS_", "http_", "https_"))
}


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    status: int
    output: str
    errors: str


@contextlib.contextmanager
def started(
    *command: Path | str, cwd: Path | str = "/", env: Mapping[str, str] = BARE_ENV, umask: int = -1
) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process group of its own, of which nothing is left afterwards."""
    with subprocess.Popen(  # noqa: S603 - the commands are this project's own
        command,
        cwd=cwd,
        env=env,
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def outcome(process: subprocess.Popen[bytes]) -> Outcome:
    """Wait for a started command's end."""
    output, errors = process.communicate(timeout=INSTALL_S)
    return Outcome(process.returncode, output.decode(), errors.decode())


def run(*command: Path | str, cwd: Path | str = "/", env: Mapping[str, str] = BARE_ENV, umask: int = -1) -> Outcome:
    """Run a command to its end."""
    with started(*command, cwd=cwd, env=env, umask=umask) as process:
        return outcome(process)


def copy_checkout(to: Path) -> Path:
    """Copy what a clone would have of the files that a start and a build need."""
    to.mkdir(parents=True)
    for name in ("run.sh", "setup.sh", "build.sh", "meta.json", "LICENSE"):
        shutil.copy2(ROOT / name, to)
    for name in ("requirements", "bundle", "src", "dashboard"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules", "dist"))
    return to
