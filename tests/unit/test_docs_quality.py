from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/quality.md").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
ROWS = [
    pytest.param(*(cell.strip() for cell in line.strip("|").split("|")), id=line.split("|")[1].strip()[:50])
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| Rule ")
]


@pytest.mark.parametrize(("rule", "status", "how"), ROWS)
def test_a_row_says_what_it_claims(rule: str, status: str, how: str) -> None:
    """A known status; files and targets that exist; what is done names one, what is exempt or missing gives reasons."""
    named = re.findall(r"`([^`]+)`", how)
    files = [name for name in named if "/" in name or name.endswith(".md")]
    targets = [name.removeprefix("make ") for name in named if name.startswith("make ")]
    assert rule
    assert status in {"done", "exempt", "todo"}
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert set(targets) <= TARGETS
    assert (files or targets) if status == "done" else how.split()[3:]


def test_every_folder_of_tests_holds_something() -> None:
    """Unit, property, integration, package, viam-server."""
    kinds = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert kinds <= set(re.findall(r"`tests/(\w+)/", PAGE))
