"""`make bench-archive` with one start: its figures are complete; this machine's speed does not matter."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.module_process import CHECKOUT


@pytest.mark.timeout(300)  # it packs an executable of its own first
def test_every_figure_is_measured_and_printed() -> None:
    """Both starts and both sizes."""
    script = CHECKOUT / "tests" / "benchmarks" / "bench_archive.py"
    command = [sys.executable, str(script), "--starts", "1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()[2:6]]
    assert rows == [
        "archive ready, against run.sh",
        "archive ready, against the template's echo",
        "archive",
        "the template's echo, one file",
    ]
