"""What the module costs, next to the bare SDK and to the naive way: a table, and the same as JSON.

python tests/benchmarks/bench.py [--quick] [--json FILE] [NAME ...]

Ends with 0 whatever the figures are: a benchmark fails no build. 1 means that something could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the packages'

from benchmarks import (  # noqa: E402 - see above
    against_cloud,
    against_echo,
    bounds,
    charges,
    client,
    command_line,
    functions,
    of_fleets,
    through_viam_server,
)
from benchmarks.figures import Figure, not_measured, table  # noqa: E402 - the same
from benchmarks.load import FULL, QUICK, Size  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

MEASUREMENTS: dict[str, Callable[[Size], Awaitable[list[Figure]]]] = {
    "functions": functions.functions,
    "cached_reads": against_echo.cached_reads,
    "through_viam_server": through_viam_server.cached_read,
    "growth_with_answer": against_echo.growth_with_answer,
    "naive": against_cloud.naive,
    "cold_crowd": against_cloud.cold_crowd,
    "silent_tls": against_cloud.silent_tls,
    "fleet": of_fleets.fleet,
    "history": of_fleets.history,
    "charge_on_top": charges.on_top,
    "charge_crowd": charges.crowd,
    "requests": bounds.of_requests,
    "answers": bounds.of_answers,
    "start": against_echo.start,
    "import": against_echo.import_time,
    "memory": against_echo.memory,
    "client_imports": client.imports,
    "client_call": client.call,
    "cli_help": command_line.help_text,
    "cli_fleet": command_line.fleet,
}


def main(arguments: Sequence[str]) -> int:
    """Measures, prints, writes; answers the exit code."""
    parser = argparse.ArgumentParser(description="Measure the module next to the bare SDK and the naive way.")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all of it works")
    parser.add_argument("--json", type=Path, default=_TESTS.parent / "build" / "bench.json", help="the file to write")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(MEASUREMENTS)}")
    parsed = parser.parse_args(arguments)
    if unknown := set(parsed.names) - set(MEASUREMENTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    size = QUICK if parsed.quick else FULL
    started_s = time.monotonic()
    figures = asyncio.run(_all(parsed.names or list(MEASUREMENTS), size))
    report = {
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": round(time.monotonic() - started_s, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "quick": parsed.quick,
        "rounds": size.rounds,
        "figures": [figure.as_json() for figure in figures],
    }
    parsed.json.parent.mkdir(parents=True, exist_ok=True)
    parsed.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(f"{table(figures)}\n\n")
    sys.stdout.write(f"{report['system']}, Python {report['python']}, medians of {size.rounds} rounds")
    sys.stdout.write(f", {report['seconds']} s; written to {parsed.json}\n")
    return 1 if any(figure.value is None for figure in figures) else 0


async def _all(names: Sequence[str], size: Size) -> list[Figure]:
    figures: list[Figure] = []
    for name in names:
        sys.stderr.write(f"measuring: {name}\n")
        try:
            figures += await MEASUREMENTS[name](size)
        except Exception as error:  # noqa: BLE001 - one that fails must not take the others with it
            figures.append(not_measured(name, error))
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
