"""`make mutate`: break the money rules one at a time in a copy of the project, and see a test fail for each."""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from mutations.table import MUTATIONS, Mutation

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = Path("src") / "viam_billing"
AT_ONCE: Final = max(1, os.cpu_count() or 1)
LONGEST_S: Final = 180

FAILED: Final = 1
"""pytest's status where tests ran and one failed; 2 and more are errors, which prove nothing."""


@dataclass(frozen=True)
class Result:
    """What became of a mutation. `killer` is the first test that failed; none where it survived."""

    mutation: Mutation
    killer: str
    problem: str
    time_s: float

    @property
    def killed(self) -> bool:
        """Whether a test has noticed."""
        return bool(self.killer) and not self.problem


def source_of(mutation: Mutation, root: Path = ROOT) -> Path:
    """The file of the mutation's function."""
    return (root / PACKAGE / mutation.function.partition(":")[0].replace(".", "/")).with_suffix(".py")


def mutated(mutation: Mutation, source: str) -> tuple[str, int]:
    """The source with the rule broken, and in how many places that changed it."""
    tree = ast.parse(source)
    names = [name for name in mutation.function.partition(":")[2].split(".") if name]
    owner, target = tree, tree
    for name in names:
        owner, target = target, next(each for each in getattr(target, "body", []) if _name_of(each) == name)
    changed, places = mutation.rule(target)
    if names:
        body = getattr(owner, "body", [])
        body[body.index(target)] = changed
    return ast.unparse(ast.fix_missing_locations(tree)), places


def _name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return getattr(node, "name", None)


def copied(folder: Path) -> Path:
    """A copy of all that the tests need."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def run(tests: Sequence[str], root: Path) -> tuple[int, str]:
    """Run tests in a copy. Returns pytest's status, and the first test that failed or what pytest said last."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout", "15", *tests]
    try:
        done = subprocess.run(  # noqa: S603 - our own tests
            command, cwd=root, capture_output=True, text=True, check=False, timeout=LONGEST_S, env=_environment()
        )
    except subprocess.TimeoutExpired:
        return FAILED, "(it never ended)"
    lines = done.stdout.splitlines()
    first = next((line.split(" ")[1] for line in lines if line.startswith(("FAILED tests", "ERROR tests"))), "")
    return done.returncode, first.rpartition("/")[2] or (lines or done.stderr.splitlines() or [""])[-1]


def _environment() -> dict[str, str]:
    """Without bytecode, whose age in seconds would hide a change of the same length."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def tried(mutation: Mutation, root: Path) -> Result:
    """Break a rule in a copy, run its tests, and put the rule back."""
    started_s = time.monotonic()
    path = source_of(mutation, root)
    before = path.read_text()
    after, places = mutated(mutation, before)
    if places != mutation.places:
        return Result(mutation, "", f"its rule changes {places} places of {mutation.function}", 0.0)
    path.write_text(after)
    try:
        status, said = run(mutation.tests, root)
    finally:
        path.write_text(before)
    time_s = time.monotonic() - started_s
    if status not in (0, FAILED):
        return Result(mutation, "", f"pytest ended with {status}: {said}", time_s)
    return Result(mutation, said if status else "", "", time_s)


def all_tried(mutations: Sequence[Mutation], folder: Path) -> list[Result]:
    """Try them, in as many copies at once as there are processors."""
    free: SimpleQueue[Path] = SimpleQueue()
    for number in range(AT_ONCE):
        free.put(copied(folder / str(number)))

    def one(mutation: Mutation) -> Result:
        root = free.get()
        try:
            result = tried(mutation, root)
        finally:
            free.put(root)
        outcome = result.problem or result.killer or "SURVIVED"
        print(f"{mutation.breaks:<72} {result.time_s:5.1f} s  {outcome}", flush=True)  # noqa: T201 - the script's output
        return result

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, mutations))


def main() -> int:
    """Returns 1 if a mutation survived or could not be tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutations that have one of these words in their names")
    words: list[str] = parser.parse_args().words
    chosen = [each for each in MUTATIONS if not words or any(word in each.breaks for word in words)]
    tests = sorted({test for mutation in chosen for test in mutation.tests})
    with tempfile.TemporaryDirectory(prefix="viam-billing-mutations-") as folder:
        status, said = run(tests, copied(Path(folder) / "unchanged"))
        if status:
            print(f"the tests fail without any mutation: {said}")  # noqa: T201 - the script's output
            return 1
        results = all_tried(chosen, Path(folder))
    survived = [result for result in results if not result.killed]
    print(f"\n{len(results)} mutations, {len(results) - len(survived)} killed, {len(survived)} not")  # noqa: T201 - the script's output
    for result in survived:
        print(f"  {result.mutation.breaks}: {result.problem or 'no test failed'}")  # noqa: T201 - the script's output
    return 1 if survived or not results else 0


if __name__ == "__main__":
    sys.exit(main())
