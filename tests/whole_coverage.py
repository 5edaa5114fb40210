"""Removes coverage data that a killed process left half written: `coverage combine` would warn of each file."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path


def is_whole(path: Path) -> bool:
    """Whether a file is a database that coverage has finished."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            return db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",) and bool(
                db.execute("SELECT version FROM coverage_schema").fetchone()
            )
    except sqlite3.Error:
        return False


def clean(folder: Path) -> None:
    """Remove what is not whole, and what SQLite left beside it."""
    for path in sorted(folder.resolve().glob(".coverage.*")):
        if path.name.endswith("-journal"):
            continue
        if not is_whole(path):
            path.unlink()
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


if __name__ == "__main__":
    clean(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
