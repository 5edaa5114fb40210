from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_has_its_row_in_the_structure() -> None:
    """A newcomer finds which file to open, and no file that is gone."""
    page = (ROOT / "docs/structure.md").read_text()
    source = ROOT / "src/viam_billing"
    files = {
        str(path.relative_to(source).with_suffix(""))
        for path in source.rglob("*.py")
        if "sandbox" not in path.parts and path != source / "__init__.py"
    }
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("|")]
    assert {name for row in rows for name in re.findall(r"`([a-z_/]+)`", row)} == files


def test_every_make_target_that_is_documented_exists() -> None:
    """In the README, on the pages and in the changelog."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"(?:`|^ *)make ([a-z-]+)", page.read_text(), re.MULTILINE)}
    assert {"test", "build", "test-viam-server", "lock"} <= named
    assert named <= targets
