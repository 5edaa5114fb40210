"""Folders that only the module's user and root can change, as ssh's StrictModes: looked at from the root down.

A local user who owns no part of a path, and can write none, cannot replace what was looked at: that the check holds
until the file is opened rests on this alone, for SQLite too, which opens by path. So each part is looked at without
following it, before the next; a link on the way is followed only if root or the module's user made it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from viam_billing.core.errors import quoted

_MOST_PARTS: Final = 5000  # more is links in a circle
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY


def check_parents(path: str) -> None:
    """Raises `OSError` if another user than root owns, or can write, what leads to an absolute path; sticky is fine."""
    at, names = "", path.split("/")[::-1]
    for _ in range(_MOST_PARTS):
        if len(names) == 1:
            return
        here = f"{at}/{names.pop()}"
        try:
            found = os.lstat(here)
        except FileNotFoundError as error:
            parent = os.path.dirname(path)
            todo = f"Create {quoted(parent)} as well" if parent.startswith(f"{here}/") else "Create that folder"
            raise type(error)(error.errno, f"{quoted(here)} is not there. {todo}, or name another") from None
        _check(here, found, parent=True)
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(here)
            names += target.split("/")[::-1]
            at = "" if target.startswith("/") else at
        else:
            at = here.rstrip("/")
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def advice(error: OSError, otherwise: str) -> str:
    """What to do about a folder that cannot be used: nothing more than the error says where a part of it is missing."""
    return "" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else otherwise


def look(folder: str, name: str) -> os.stat_result:
    """What has the name in the folder. Raises `OSError`: there is none, or it, the folder or a parent is unsafe."""
    check_parents(folder)
    _check_folder(folder)
    path = os.path.join(folder, name)
    found = os.lstat(path)
    _check(path, found)
    return found


@contextlib.contextmanager
def opened(folder: str, *, make: bool = True) -> Iterator[int]:
    """A descriptor of the folder, which is made (0700) if need be; its parent has to be there.

    Raises `OSError` if it, what is in it or a parent is unsafe: nothing was made, written or deleted then.
    """
    check_parents(folder)
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    _check_folder(folder)
    with _closing(open_in(None, folder, _FOLDER)) as descriptor:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # SQLite has just removed its own
                    _check(os.path.join(folder, entry.name), entry.stat(follow_symlinks=False))
        yield descriptor


@contextlib.contextmanager
def opened_below(parent: int, name: str) -> Iterator[int]:
    """A descriptor of a folder in one that `opened` has checked; it is made (0700) if need be."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    with _closing(open_in(parent, name, _FOLDER)) as descriptor:
        yield descriptor


def open_in(folder: int | None, name: str, flags: int) -> int:
    """A descriptor of a file, made (0600) if the flags say so, in one of these folders; a link is not followed."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_folder(folder: str) -> None:
    found = os.lstat(folder)
    _check(folder, found)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(
            errno.ENOTDIR, f"{quoted(folder)} is not a folder. Put one in its place, or name another"
        )


def _check(path: str, found: os.stat_result, *, parent: bool = False) -> None:
    user, mode = os.geteuid(), found.st_mode
    is_link = stat.S_ISLNK(mode)
    if is_link and not parent:
        why = "is a link. Put what it points to in its place"
    elif not (is_link or stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        why = "is neither a file nor a folder. Remove it"
    elif found.st_uid != user and not (parent and found.st_uid == 0):
        why = f"belongs to user {found.st_uid}, and the module runs as user {user}. Give it to that one (chown)"
    elif mode & 0o022 and not is_link and not (parent and mode & stat.S_ISVTX):
        why = "can be written by others than its owner. Take that away (chmod go-w)"
    elif stat.S_ISREG(mode) and found.st_nlink > 1 and not parent:
        why = "has another name somewhere (a hard link). Delete that one, or put a copy in its place"
    else:
        return
    folder, name = os.path.split(path)
    raise PermissionError(errno.EPERM, f"{quoted(name)} in {quoted(folder)} {why}")
