"""Whom an error of SQLite blames: the file, the disk, or else the module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_DAMAGE: Final = frozenset({11, 24, 26})
"""CORRUPT, FORMAT, NOTADB."""
_DISK: Final = frozenset({3, 5, 6, 7, 8, 10, 13, 14, 15, 22, 23})
"""PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL, NOLFS, AUTH: another process included."""
_DISK_TEXTS: Final = (
    "access permission denied",
    "attempt to write a readonly database",
    "database is locked",
    "database or disk is full",
    "database table is locked",
    "disk I/O error",
    "locking protocol",
    "unable to open database file",
)


def blames_file(error: sqlite3.Error) -> bool:
    """Whether the file is damaged, or no database at all."""
    code = _code(error)
    return type(error).__name__ == "DatabaseError" if code is None else code in _DAMAGE


def blames_disk(error: sqlite3.Error) -> bool:
    """Whether the disk, its permissions, or another process is in the way."""
    code = _code(error)
    return str(error).startswith(_DISK_TEXTS) if code is None else code in _DISK


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None where it is not told, as in Python 3.10: then class and text have to tell."""
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF
