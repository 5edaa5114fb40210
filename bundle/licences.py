"""Finds the licence texts of what the archive ships: of Python and of every package of the runtime lock."""

from __future__ import annotations

import importlib.metadata
import re
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "licenses"
"""Where they lie beside the executable: a folder for each package, under its canonical name."""

_TEXT = re.compile(r"[^/]+\.dist-info/(licenses/)?(LICEN[CS]E|COPYING|NOTICE)[^/]*", re.IGNORECASE)


def canonical(name: str) -> str:
    """A package's name as everybody spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> set[str]:
    """The canonical names in the runtime lock, those for other versions of Python too."""
    lock = (ROOT / "requirements/runtime.txt").read_text()
    return {canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}


def licences() -> dict[str, list[Path]]:
    """The files with the texts by canonical name: of all locked packages that are installed here, and of Python.

    A package without one has no files. Python is left out where its text is not found: some images have removed it.
    """
    names = locked()
    found = {
        canonical(package.metadata["Name"]): [
            Path(str(file.locate())) for file in package.files or () if _TEXT.fullmatch(str(file))
        ]
        for package in importlib.metadata.distributions()
        if canonical(package.metadata["Name"]) in names
    }
    library = Path(sysconfig.get_path("stdlib"))
    debian = (Path("/usr/share/doc", library.name + part, "copyright") for part in ("", "-minimal"))
    own = [place for place in (library / "LICENSE.txt", *debian) if place.is_file()]
    return {**found, "python": own[:1]} if own else found
