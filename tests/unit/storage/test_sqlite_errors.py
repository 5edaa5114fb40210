"""Errors without SQLite's code, as in Python 3.10; those with one are in the tests of the database."""

from __future__ import annotations

import sqlite3

import pytest

from viam_billing.storage.sqlite_errors import blames_disk, blames_file


@pytest.mark.parametrize(
    "text",
    ["database is locked", "database table is locked: t", "disk I/O error", "database or disk is full"],
)
def test_the_disks_errors_are_known_by_their_text(text: str) -> None:
    error = sqlite3.OperationalError(text)
    assert (blames_disk(error), blames_file(error)) == (True, False)


@pytest.mark.parametrize("text", ["database disk image is malformed", "file is not a database"])
def test_damage_is_known_by_its_class(text: str) -> None:
    assert blames_file(sqlite3.DatabaseError(text))


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("no such table: t"),
        sqlite3.OperationalError('near "x": syntax error'),
        sqlite3.IntegrityError("UNIQUE constraint failed: t.x"),
        sqlite3.ProgrammingError("Cannot operate on a closed database."),
        sqlite3.InterfaceError("bad parameter or other API misuse"),
    ],
)
def test_all_others_blame_neither(error: sqlite3.Error) -> None:
    assert not blames_disk(error)
    assert not blames_file(error)
