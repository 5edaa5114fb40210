"""Finds the licence texts that the archive ships: those of Python and of every package in the runtime lock."""

from __future__ import annotations

import importlib.metadata
import re
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "licenses"
"""Where they are, beside the executable: a folder for each package, under its canonical name."""

_TEXT = re.compile(r"[^/]+\.dist-info/(licenses/)?(LICEN[CS]E|COPYING|NOTICE)[^/]*", re.IGNORECASE)


def canonical(name: str) -> str:
    """Return a package's name in the one spelling of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> set[str]:
    """Return the canonical names in the runtime lock, including those for other versions of Python."""
    lock = (ROOT / "requirements/runtime.txt").read_text()
    return {canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}


def licences() -> dict[str, list[Path]]:
    """Return the licence files of Python and of all locked packages installed here, by canonical name.

    The list of a package without a licence file is empty. Python is left out where its text is missing, as in some
    container images.
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
