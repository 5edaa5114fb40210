"""The soak as `make soak` runs it, in short: its invariants hold, and it tells what it did."""

from __future__ import annotations

import re
import subprocess
import sys

from support.module_process import CHECKOUT

SOAK = CHECKOUT / "tests" / "soak" / "soak.py"


def test_no_call_is_lost_and_nothing_grows_while_the_cloud_is_in_trouble() -> None:
    """Ten seconds of trouble, the same in every run."""
    command = [sys.executable, str(SOAK), "--seconds", "10", "--seed", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 2," in done.stdout
    assert re.search(r"^calls: [\d,]{3,}, lost: 0$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^ +\d+  outage$", done.stdout, re.MULTILINE), done.stdout
    assert "all invariants hold" in done.stdout
