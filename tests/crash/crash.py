"""Kills the module at every boundary of the charging protocol, and compares what is left with the cloud's ledger.

python tests/crash/crash.py [--kills N] [--seed N] [--jobs N] [--storm SECONDS]

Prints per boundary: kills landed, charges made by then, answers lost. Then a storm: see storm.py. Ends with 1 if
anything is not true.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the package's

from crash.boundaries import BOUNDARIES  # noqa: E402 - see above
from crash.run import endure, plan  # noqa: E402 - the same
from crash.storm import storm  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crash.judge import Judge

_KILLS_PER_JOURNAL = 30
_COLUMNS = ("killed at", "kills", "charges made", "answers lost")


def table(judges: Sequence[Judge]) -> str:
    """A table of all kills by boundary."""
    counts = [
        sum((getattr(judge, name) for judge in judges), Counter[str]()) for name in ("kills", "charges", "answers_lost")
    ]
    names = [boundary.name for boundary in BOUNDARIES]
    rows = [_COLUMNS, *((name, *(str(count[name]) for count in counts)) for name in names)]
    rows.append(("all", *(str(sum(count.values())) for count in counts)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    unnoted = sum(judge.unnoted for judge in judges)
    states = sum((judge.states for judge in judges), Counter[str]())
    found = ", ".join(f"{state.replace('None', 'no entry')} {states[state]}" for state in sorted(states))
    return "\n".join(
        [
            *lines,
            "",
            f"between the cloud's work and the journal's note of it: {unnoted} kills",
            f"what the charges were after the restart: {found}",
        ]
    )


async def _all(kills: int, seed: int, jobs: int) -> list[Judge]:
    queue = plan(kills, seed)
    parts = [queue[start : start + _KILLS_PER_JOURNAL] for start in range(0, kills, _KILLS_PER_JOURNAL)]
    slots = asyncio.Semaphore(jobs)

    async def part(number: int) -> Judge:
        async with slots:
            judge = await endure(parts[number], f"kill-{number}")
        sys.stderr.write(f"crash: journal {number + 1} of {len(parts)} has outlived {len(parts[number])} kills\n")
        return judge

    return await asyncio.gather(*(part(number) for number in range(len(parts))))


def main(arguments: Sequence[str]) -> int:
    """Run the kills and the storm. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Kill the module at every boundary of the charging protocol.")
    parser.add_argument("--kills", type=int, default=330)
    parser.add_argument("--seed", type=int, help="an earlier run's, to have its kills again")
    parser.add_argument("--storm", type=float, default=60.0, help="seconds of the storm")
    parser.add_argument("--jobs", type=int, default=2, help="journals at once")
    parsed = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1_000_000) if parsed.seed is None else parsed.seed
    sys.stdout.write(f"crash: {parsed.kills} kills, seed {seed}\n")
    sys.stdout.flush()
    started_s = time.monotonic()
    try:
        judges = asyncio.run(_all(parsed.kills, seed, parsed.jobs))
    except AssertionError as error:
        sys.stdout.write(f"BROKEN: {error}\n")
        raise
    sys.stdout.write(f"{table(judges)}\n")
    sys.stdout.write("charged twice: 0, forgotten: 0, entries that cannot be ended: 0, limits broken: 0; ")
    sys.stdout.write(f"{time.monotonic() - started_s:.0f} s\n\n")
    sys.stdout.flush()
    ends, broken = asyncio.run(storm(parsed.storm, seed))
    sys.stdout.write(f"storm of {parsed.storm:g} s; how calls ended:\n")
    sys.stdout.write("".join(f"{count:6}  {end}\n" for end, count in ends.most_common()))
    sys.stdout.write("".join(f"BROKEN: {what}\n" for what in broken) or "charged twice: 0, forgotten: 0, limit held\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
