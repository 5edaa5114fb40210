"""Let any bytes at the module: as requests, as answers of the cloud, and as its files; for some time.

python tests/fuzz/fuzz.py [--seconds N] [--seed N] [NAME ...]

Ends with 1 at the first finding, whose smallest example it prints, with the seed that repeats it.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of this folder, whose names would hide the packages'

from fuzz.of_answers import Answers  # noqa: E402 - see above
from fuzz.of_files import Files  # noqa: E402 - the same
from fuzz.of_requests import Requests  # noqa: E402 - the same
from fuzz.world import fuzz  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.world import Target

TARGETS: dict[str, tuple[Callable[[], Target], int]] = {
    "requests": (Requests, 1000),
    "answers": (Answers, 1000),
    "files": (Files, 100),
}
"""What can be fuzzed, and how many examples a round has."""


def main(arguments: Sequence[str]) -> int:
    """Fuzzes; answers the exit code."""
    parser = argparse.ArgumentParser(description="Let any bytes at the module.")
    parser.add_argument("--seconds", type=float, default=600.0, help="for how long")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="of the first round")  # noqa: S311 - no secret
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(TARGETS)}")
    parsed = parser.parse_args(arguments)
    if unknown := set(parsed.names) - set(TARGETS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    end_s, tried = time.monotonic() + parsed.seconds, 0
    for number, name in zip(itertools.count(parsed.seed), itertools.cycle(parsed.names or TARGETS)):
        make, examples = TARGETS[name]
        try:
            fuzz(make, number, examples)
        except BaseException:
            sys.stdout.write(f"{name}: found something; --seed {number} {name} repeats it\n")
            raise
        tried += examples
        if time.monotonic() >= end_s:
            break
    sys.stdout.write(f"{tried} examples in {parsed.seconds:.0f} s: nothing found (--seed {parsed.seed})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
