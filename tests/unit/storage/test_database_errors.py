"""Errors without SQLite's code, as in Python 3.10; those with one are in the tests of the database."""

from __future__ import annotations

import sqlite3

import pytest

from viam_billing.core.errors import StateUnavailableError
from viam_billing.storage.database import DamagedFileError, error_class


@pytest.mark.parametrize(
    "text",
    ["database is locked", "database table is locked: t", "disk I/O error", "database or disk is full"],
)
def test_the_disks_errors_are_known_by_their_text(text: str) -> None:
    assert error_class(sqlite3.OperationalError(text)) is StateUnavailableError


@pytest.mark.parametrize("text", ["database disk image is malformed", "file is not a database"])
def test_damage_is_known_by_its_class(text: str) -> None:
    assert error_class(sqlite3.DatabaseError(text)) is DamagedFileError


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
def test_all_others_are_defects_of_the_module(error: sqlite3.Error) -> None:
    assert error_class(error) is None
