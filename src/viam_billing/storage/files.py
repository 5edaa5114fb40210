"""Folders for the owner alone, and files that are complete or not there.

All of it blocks, so call it on a disk thread; all of it raises `OSError` where the disk does not do it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile


def make_folder(folder: str) -> None:
    """Make a folder for the owner alone, unless it is there; its parent has to be."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(0, "state_dir is not a folder") from None


def sync_folder(folder: str) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: str, content: bytes) -> None:
    """Write a whole file, in place of another one, which stays as it was where that fails."""
    file = NewFile(os.path.dirname(path))
    try:
        file.write(content)
        file.put(path)
    finally:
        file.discard()


class NewFile:
    """A file that is written in a temporary folder on the same disk, and put in its place once it is complete."""

    def __init__(self, temporary_folder: str) -> None:
        self._descriptor, self._path = tempfile.mkstemp(dir=temporary_folder)

    def write(self, content: bytes) -> None:
        """Append all of `content`."""
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def truncate(self) -> None:
        """Begin again with an empty file."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def put(self, path: str) -> None:
        """Give the file its place, where it replaces another one. It is on the disk when this returns."""
        os.fsync(self._descriptor)
        os.replace(self._path, path)
        sync_folder(os.path.dirname(path))

    def discard(self) -> None:
        """Close the file, and remove it unless it has its place. To be called once, in every case."""
        os.close(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
