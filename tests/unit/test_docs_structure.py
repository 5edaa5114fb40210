from __future__ import annotations

import re
from pathlib import Path

from unit.test_structure import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/structure.md").read_text()


def test_every_package_has_its_row_in_the_structure() -> None:
    """In the order of the imports, so that a newcomer finds which folder to open."""
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [f"`{name}`" for name in PACKAGES if (ROOT / "src/viam_billing" / name).is_dir()]


def test_every_file_is_named_in_its_packages_row() -> None:
    rows = {line.split("|")[1].strip("` "): line for line in PAGE.splitlines() if line.startswith("| `")}
    missing = {
        f"{package}.{path.stem}"
        for package, row in rows.items()
        for path in (ROOT / "src/viam_billing" / package).glob("*.py")
        if path.stem != "__init__" and f"`{path.stem}`" not in row
    }
    assert not missing


def test_every_make_target_that_is_documented_exists() -> None:
    """In the README, on the pages and in the changelog."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    documented = re.compile(r"(?:`|^ *)make ([a-z0-9-]+)", re.MULTILINE)
    named = {name for page in pages for name in documented.findall(page.read_text())}
    assert {"test", "build", "test-viam-server", "lock"} <= named
    assert named <= targets
