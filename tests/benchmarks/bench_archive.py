"""How soon the archive's module is ready, next to run.sh of this checkout and to what Viam's template makes of an echo.

python tests/benchmarks/bench_archive.py [--starts N]

Needs what `make build` leaves: the archive, and build/venv with PyInstaller. Ends with 0 whatever the figures are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import ClassVar

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the packages'

from benchmarks.figures import Bar, Figure, ratio, table  # noqa: E402 - see above
from benchmarks.processes import ready_after_s  # noqa: E402 - the same
from support.module_process import CHECKOUT, ModuleProcess  # noqa: E402 - the same

_WORK = CHECKOUT / "build" / "bench-archive"
_META = json.loads((CHECKOUT / "meta.json").read_text())
_ENTRYPOINT = str(_META["entrypoint"])
_ARCHIVE = CHECKOUT / str(_META["build"]["path"])


class _Started(ModuleProcess):
    """Started by another command line, with the same environment."""

    command: ClassVar[Path]

    def _started(self) -> subprocess.Popen[bytes]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("VIAM_")}
        return subprocess.Popen(  # noqa: S603 - the command is built here
            [self.command, str(self.socket)],
            env={**inherited, **self._environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )


class FromArchive(_Started):
    """The module as a machine gets it."""

    command = _WORK / "machine" / _ENTRYPOINT


class FromFolder(_Started):
    """The module of a set-up checkout."""

    command = CHECKOUT / "run.sh"


class TemplatesEcho(_Started):
    """A bare echo service, packed as Viam's template packs a module: one file, all of the SDK."""

    command = _WORK / "echo"


def prepare() -> None:
    """Unpack the archive and pack the echo service; both anew."""
    shutil.rmtree(_WORK, ignore_errors=True)
    with tarfile.open(_ARCHIVE) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # the first releases of 3.10 lack it
        tar.extractall(_WORK / "machine")  # noqa: S202 - this project's own
    sys.stderr.write("packing the echo service as the template would\n")
    pack = ["--onefile", "--collect-all", "viam", "--name", "echo", "--log-level", "ERROR"]
    places = [f"--{what}path={_WORK / where}" for what, where in (("dist", ""), ("work", "work"), ("spec", "work"))]
    script = str(_TESTS / "benchmarks" / "echo_service.py")
    python = CHECKOUT / "build" / "venv" / "bin" / "python"
    subprocess.run([python, "-I", "-m", "PyInstaller", *pack, *places, script], check=True)  # noqa: S603 - the command is built here


async def measure(starts: int) -> list[Figure]:
    """All three in turn, after one start of each in vain: what is read first comes from the disk."""
    kinds = (FromArchive, FromFolder, TemplatesEcho)
    times: dict[type[_Started], list[float]] = {kind: [] for kind in kinds}
    for _ in range(starts + 1):
        for kind in kinds:
            times[kind].append(await ready_after_s(kind) * 1e3)
    ours, folder, echo = (times[kind][1:] for kind in kinds)
    return [
        ratio("archive_folder", "archive ready, against run.sh", ours, folder, "ms", Bar(at_most=1.25)),
        ratio("archive_template", "archive ready, against the template's echo", ours, echo, "ms", Bar(at_most=0.55)),
        Figure("archive_size", "archive", _ARCHIVE.stat().st_size / 1e6, "MB", Bar(at_most=16)),
        Figure("template_size", "the template's echo, one file", TemplatesEcho.command.stat().st_size / 1e6, "MB"),
    ]


def main() -> int:
    """Measures and prints; answers the exit code."""
    parser = argparse.ArgumentParser(description="Measure the start of the archive's module.")
    parser.add_argument("--starts", type=int, default=15, help="of each kind")
    starts = parser.parse_args().starts
    prepare()
    sys.stdout.write(f"{table(asyncio.run(measure(starts)))}\n\nmedians of {starts} starts of each, in turn\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
