"""Checks whether a tag may become a release: it equals the version in the code, and the changelog dates that version.

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
    """Yield each reason against the release as a sentence."""
    if tag != version:
        yield f"the tag is {tag!r}, src/viam_billing/version.py says {version!r}."
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`."


def main(tag: str) -> int:
    """Print every fault and return the exit status."""
    version = str(runpy.run_path(str(ROOT / "src/viam_billing/version.py"))["VERSION"])
    faults = list(faults_of(tag, version, (ROOT / "CHANGELOG.md").read_text()))
    for fault in faults:
        sys.stderr.write(f"viam-billing release: {fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
