from __future__ import annotations

import re
import subprocess
import sys

import pytest

from forecast.evaluation import ALL, DAYS, TUNED_BELOW, Cell, evaluated, table
from forecast.months import KINDS
from support.module_process import CHECKOUT

SCRIPT = CHECKOUT / "tests" / "forecast" / "forecast.py"
FIRST_SEED = TUNED_BELOW + 10_000
"""Other months than those of `make forecast`."""


def test_the_projection_is_better_than_the_straight_line() -> None:
    """On each kind of month and each day, and by far over all; steady months lose a tenth at most."""
    cells = evaluated(range(FIRST_SEED, FIRST_SEED + 120))
    assert all(cell.reached for cell in cells), table(cells)
    assert all(cell.projection < 0.5 * cell.line for cell in cells if cell.kind == ALL), table(cells)


@pytest.mark.parametrize(
    ("kind", "projection", "reached"),
    [
        ("burst", 9.99, True),
        ("burst", 10.0, False),
        (ALL, 10.1, False),
        ("steady", 11.0, True),
        ("steady", 11.1, False),
    ],
)
def test_a_missed_bar_is_seen(kind: str, projection: float, reached: bool) -> None:  # noqa: FBT001 - a column
    """Of an error of 10 by the straight line."""
    assert Cell(kind, 5, projection, 10.0).reached is reached


def test_the_table_has_each_kind_and_says_what_it_shows() -> None:
    """The exit code tells whether a bar was missed."""
    command = [sys.executable, str(SCRIPT), "--months", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    assert done.returncode == (1 if re.search(r" NO$", done.stdout, re.MULTILINE) else 0), done.stderr
    assert "in percent of the true total" in done.stdout
    for kind in (*KINDS, ALL):
        assert re.search(rf"^{kind}( +[\d.]+%){{{2 * len(DAYS)}}}  (yes|NO)$", done.stdout, re.MULTILINE), done.stdout
