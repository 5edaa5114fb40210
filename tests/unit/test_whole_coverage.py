from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from coverage import CoverageData

SCRIPT = Path(__file__).resolve().parents[1] / "whole_coverage.py"


def data(path: Path) -> None:
    """What a process leaves that ends well."""
    found = CoverageData(str(path))
    found.add_lines({str(SCRIPT): range(1, 2000)})
    found.write()


def test_data_of_killed_processes_is_combined_without_a_warning(tmp_path: Path) -> None:
    """Cut in a page, cut to nothing, never begun, or no database: what is whole stays."""
    for name in ("whole", "cut", "empty", "none"):
        data(tmp_path / f".coverage.{name}")
    cut = tmp_path / ".coverage.cut"
    os.truncate(cut, cut.stat().st_size // 2)
    os.truncate(tmp_path / ".coverage.empty", 0)
    (tmp_path / ".coverage.none").write_bytes(b"no database at all" * 1000)

    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)  # noqa: S603 - this project's own
    assert [path.name for path in tmp_path.iterdir()] == [".coverage.whole"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    combine = [sys.executable, "-m", "coverage", "combine", f"--rcfile={os.devnull}"]
    done = subprocess.run(combine, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - the same
    assert "Warning" not in done.stdout + done.stderr
    assert "malformed" not in done.stdout + done.stderr
