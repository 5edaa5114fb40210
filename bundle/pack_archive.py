"""Packs the built folder and meta.json into the archive; packing the same files twice gives the same bytes.

A link is packed as the file it points to, because machines refuse to unpack some links.
"""

from __future__ import annotations

import gzip
import os
import sys
import tarfile
from pathlib import Path


def member(name: str, path: Path, time_s: int) -> tarfile.TarInfo:
    """Return a file's entry in the archive, without anything that depends on who built it, or where."""
    info = tarfile.TarInfo(name)
    info.size = path.stat().st_size
    info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
    info.mtime = time_s
    return info


def pack(root: Path, folder: Path, archive: Path, time_s: int) -> None:
    """Write the archive: `meta.json`, then the folder under its path from the root, in order of names."""
    built = sorted(path for path in folder.rglob("*") if not path.is_dir())
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in (root / "meta.json", *built):
            with path.open("rb") as content:
                tar.addfile(member(path.relative_to(root).as_posix(), path, time_s), content)


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    pack(here, here / "dist/viam-billing", Path(sys.argv[1]), int(os.environ["SOURCE_DATE_EPOCH"]))
