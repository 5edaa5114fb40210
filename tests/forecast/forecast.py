"""The projection over simulated months, beside the straight line: a table, the same in every run.

python tests/forecast/forecast.py [--months 400]

Ends with 1 where a bar is missed. No month here was used in choosing the projection's constants.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the packages'

from forecast.evaluation import TUNED_BELOW, evaluated, table  # noqa: E402 - see above

MONTHS = 400


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="The projection's error beside the straight line's.")
    parser.add_argument("--months", type=int, default=MONTHS, help=f"of each kind; {MONTHS} if not given")
    months = parser.parse_args(arguments).months
    seeds = range(TUNED_BELOW, TUNED_BELOW + months)
    cells = evaluated(seeds)
    sys.stdout.write(
        "Mean absolute error of the month's estimated total, in percent of the true total, after 5, 10 and 20 days.\n"
        f"{months} simulated months of each kind, seeds {seeds[0]} to {seeds[-1]}"
        f" (the projection's constants were chosen with others, below {TUNED_BELOW}).\n"
        "Bar, each day: smaller than the straight line's; on steady months at most a tenth larger.\n\n"
        f"{table(cells)}\n"
    )
    return 0 if all(cell.reached for cell in cells) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
