"""The projection over simulated and real months, beside the straight line: tables, the same in every run.

python tests/forecast/forecast.py [--months 400] [--public FOLDER | --series FOLDER] [--json build/forecast.json]

`--public`: a folder that tests/forecast/public.py has written; ends with 1 where a bar is missed. No simulated month
here was used in choosing the projection's constants; the held-out series were looked at when rules were chosen.
`--series`: any CSV files with the columns
`time` and `cost`, an hour or a day a row, in place of all this; ends with 2 where they cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the packages'

from forecast import judge, others  # noqa: E402 - see above
from forecast.evaluation import TUNED_BELOW, evaluated  # noqa: E402
from forecast.evaluation import table as simulated_table  # noqa: E402
from forecast.series import SeriesError, read_folder  # noqa: E402

MONTHS = 400
JSON = _TESTS.parent / "build" / "forecast.json"
TUNED, HELD_OUT = "tuned", "held-out"
BARS = {"error": judge.BARS_KNOWN, "own": judge.BARS_OWN}


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="The projection's error beside the straight line's.")
    parser.add_argument("--months", type=int, default=MONTHS, help=f"simulated, of each kind; {MONTHS} if not given")
    parser.add_argument("--series", type=Path, help="a folder of CSV files: time,cost")
    parser.add_argument("--public", type=Path, help="the folder of public series, tuned and held-out")
    parser.add_argument("--json", type=Path, default=JSON, help="where the figures of the series are written")
    asked = parser.parse_args(arguments)
    try:
        if asked.series is not None:
            found = _judged(asked.series)
            say(judge.summary("in relation to the straight line, after 5, 10 and 20 days", found, lambda _: None)[0])
            judge.write_json(found, asked.json)
            return 0
        reached = _simulated(asked.months)
        if asked.public is not None:
            reached &= _public(asked.public, asked.json)
    except SeriesError as error:
        sys.stderr.write(f"forecast: {error}\n")
        return 2
    return 0 if reached else 1


def _simulated(months: int) -> bool:
    seeds = range(TUNED_BELOW, TUNED_BELOW + months)
    cells = evaluated(seeds)
    say(
        "Mean absolute error of the month's estimated total, in percent of the true total, after 5, 10 and 20 days.\n"
        f"{months} simulated months of each kind, seeds {seeds[0]} to {seeds[-1]}"
        f" (the projection's constants were chosen with others, below {TUNED_BELOW}).\n"
        "Bar, each day: smaller than the straight line's; on steady months at most a tenth larger.\n\n"
        f"{simulated_table(cells)}\n"
    )
    return all(cell.reached for cell in cells)


def _public(folder: Path, file: Path) -> bool:
    say(
        "Real series, each month taken for a bill: the same errors, months before known,"
        " and how many months lie inside low to high.\n"
    )
    groups = {}
    for name in (TUNED, HELD_OUT):
        say(f"{name}:")
        groups[name] = _judged(folder / name)
    say("Mean over the series of the error in relation to the straight line's, after 5, 10 and 20 days:\n")
    say(judge.summary(TUNED, groups[TUNED], lambda _: None)[0])
    text, reached = judge.summary(HELD_OUT, groups[HELD_OUT], BARS.get)
    say(text)
    say(others.compared(folder / HELD_OUT))
    together = [*groups[TUNED], *groups[HELD_OUT]]
    good = judge.intervals_reached(together)
    shares = ", ".join(f"{share:.0%}" for share in judge.inside(together))
    say(
        f"\nAll series together, months inside low to high: {shares}; bar: 72% to 88%, and narrower with each day: "
        f"{'reached' if good else 'MISSED'}"
    )
    judge.write_json(together, file)
    return reached and good


def _judged(folder: Path) -> list[judge.Judged]:
    """Judge a folder's series and print their table. Raises: SeriesError: where there is no month to judge."""
    found = []
    for series in read_folder(folder):
        one = judge.judged(series)
        if one is None:
            say(f"{series.name}: no whole month with four weeks before it that comes to more than nothing, left out")
        else:
            found.append(one)
    if not found:
        raise SeriesError(f"{folder}: found no month to judge, expected whole months with four weeks before them")
    say(f"{judge.table(found)}\n")
    return found


def say(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
