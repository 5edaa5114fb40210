"""Says whether a tag may become a release: it is the version of the code, and the changelog has it with its day.

python3 bundle/check_release.py 0.1.0
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def faults_of(tag: str, version: str, changelog: str) -> Iterator[str]:
    """Everything that speaks against it, one sentence each."""
    if tag != version:
        yield f"the tag is {tag!r}, src/viam_billing/version.py says {version!r}."
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`."


def main(tag: str) -> int:
    """Print every fault. Returns the exit status."""
    version = str(runpy.run_path(str(ROOT / "src/viam_billing/version.py"))["VERSION"])
    faults = list(faults_of(tag, version, (ROOT / "CHANGELOG.md").read_text()))
    for fault in faults:
        sys.stderr.write(f"viam-billing release: {fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
