"""Checks a finished archive and prints, one sentence each, what a machine or the registry would reject in it.

members of the tar --> files only, inside, once each --> meta.json, entrypoint --> size --> the page
entrypoint unpacked --> modules inside the executable, folders beside it --> ours all, the locked ones', Python's own
"""

from __future__ import annotations

import importlib.metadata
import json
import posixpath
import re
import struct
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the build starts this with -I, which leaves it out

from licences import FOLDER, canonical, licences, locked

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
MOST_BYTES = 20_000_000
DEVELOPMENT = {
    *("_pytest", "coverage", "cryptography", "distutils", "hypothesis", "mypy", "pip", "pkg_resources"),
    *("pytest", "rich", "setuptools", "tests", "trustme", "unittest"),
}
"""What is never shipped, even where Python or a locked package includes it."""
ROOTS = "grpc/_cython/_credentials/roots.pem"
_PAGE_FILES = {".html", ".js", ".css", ".txt"}
_ELF = b"\x7fELF\x02\x01"
_SYMBOL_TABLE = 2


def main(archive: Path) -> int:
    """Print every fault and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        faults = list(faults_of(archive, Path(folder)))
    for fault in faults:
        sys.stderr.write(f"viam-billing build: {fault}\n")
    return 1 if faults else 0


def faults_of(archive: Path, folder: Path) -> Iterator[str]:
    """Yield every fault of the archive, which is unpacked into the folder if that is safe."""
    if archive.stat().st_size > MOST_BYTES:
        yield f"the archive has {archive.stat().st_size} bytes, which is more than {MOST_BYTES}."
    with tarfile.open(archive, "r:gz") as tar:
        members = tar.getmembers()
        unsafe = list(faults_of_members(members))
        yield from unsafe
        if unsafe:
            return
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # of 3.14; the first releases of 3.10 lack it
        tar.extractall(folder)  # noqa: S202 - checked just now
    meta = json.loads((ROOT / "meta.json").read_text())
    names = {member.name: member for member in members}
    entrypoint = posixpath.normpath(meta["entrypoint"])
    if "meta.json" not in names or json.loads((folder / "meta.json").read_text()) != meta:
        yield "the archive's meta.json is not this checkout's."
    if entrypoint not in names:
        yield f"the archive has no {entrypoint}, which meta.json names as its entrypoint."
    elif not names[entrypoint].mode & 0o100:
        yield f"{entrypoint} cannot be executed by its owner."
    else:
        yield from faults_of_content(folder / entrypoint)
    for application in meta["applications"]:
        yield from faults_of_page(folder, application["entrypoint"])


def faults_of_members(members: list[tarfile.TarInfo]) -> Iterator[str]:
    """Yield what makes unpacking unsafe, or different from one machine to another."""
    seen: set[str] = set()
    for member in members:
        if not member.isfile():
            yield f"{member.name} is a link or something else that is not a file."
        if (
            posixpath.isabs(member.name)
            or posixpath.normpath(member.name) != member.name
            or ".." in Path(member.name).parts
        ):
            yield f"{member.name} is not a plain path inside the archive."
        if member.name in seen:
            yield f"{member.name} is there twice."
        seen.add(member.name)


def faults_of_content(executable: Path) -> Iterator[str]:
    """Yield what is in the executable or beside it and should not be, and what is missing."""
    inside = modules(executable)
    beside = executable.parent / "_internal"
    allowed = allowed_names()
    tops = {name.partition(".")[0] for name in inside}
    for name in sorted(tops - allowed):
        yield f"the executable holds {name}, which no locked requirement brings."
    for path in sorted(beside.iterdir()):
        if not is_known(path, allowed):
            yield f"_internal/{path.name} comes from no locked requirement."
    for name in sorted(tops & DEVELOPMENT):
        yield f"the executable holds {name}, which is for development."
    for name in sorted(name for name in inside if name.startswith(("viam_billing_client", "viam_billing_sandbox"))):
        yield f"the executable holds {name}, which no machine needs."
    for name in sorted(shipped() - inside):
        yield f"the executable lacks {name}."
    if not (beside / ROOTS).is_file():
        yield f"_internal/{ROOTS}, the certificates that gRPC trusts where the system has none, is missing."
    yield from faults_of_libraries(beside)
    for name in sorted(licences()):
        if not list((beside / FOLDER).glob(f"{name}/*")):
            yield f"_internal/{FOLDER} has no licence text of {name}."


def faults_of_libraries(beside: Path) -> Iterator[str]:
    """Yield the libraries that make the folder larger than it has to be."""
    for path in sorted(beside.rglob("*")):
        if "viam_rust_utils" in path.name:
            yield f"{path.name} is Viam's native WebRTC library, which a module has no use for."
        if path.name.startswith("libpython") and has_symbols(path):
            yield f"{path.name} is not stripped."


def faults_of_page(folder: Path, entrypoint: str) -> Iterator[str]:
    """Yield what a browser would miss of the page, wherever it is served, and what it should not get."""
    start = folder / entrypoint
    if not start.is_file():
        yield f"the archive has no {entrypoint}, which meta.json names as an application's entrypoint."
        return
    named = [(start, name) for name in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', start.read_text())]
    for path in sorted(path for path in start.parent.rglob("*") if path.is_file()):
        if path.suffix not in _PAGE_FILES:
            yield f"{path.relative_to(folder)} is no file of a page."
        elif path.suffix == ".js":
            named += [(path, name) for name in re.findall(r"""["'`](\./[\w-]+\.(?:js|css))["'`]""", path.read_text())]
    for path, name in named:
        if not name.startswith("./"):
            yield f"{path.relative_to(folder)} names {name}, which is not below it."
        elif not (path.parent / name).is_file():
            yield f"{path.relative_to(folder)} names {name}, which is missing."
    if not (start.parent / "licences.txt").is_file():
        yield f"{entrypoint} has no licences.txt beside it, the texts of what is in the page."


def modules(executable: Path) -> set[str]:
    """Return the names of all Python modules that PyInstaller put into an executable."""
    from PyInstaller.archive.readers import CArchiveReader  # noqa: PLC0415 - only the build has PyInstaller, tests of the rest do not need it

    archive = CArchiveReader(str(executable))
    return {
        module for name in archive.toc if name.endswith(".pyz") for module in archive.open_embedded_archive(name).toc
    }


def shipped() -> set[str]:
    """Return the names of the modules of this package that are shipped."""
    paths = (path for path in (SOURCE / "viam_billing").rglob("*.py"))
    names = {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    return names - {"viam_billing.__main__"}


def allowed_names() -> set[str]:
    """Return the top-level names of the standard library, of the packages in the runtime lock, and of this package."""
    names = locked()
    brought = {
        file.parts[0].partition(".")[0]
        for package in importlib.metadata.distributions()
        if canonical(package.metadata["Name"]) in names
        for file in package.files or ()
    }
    settings = sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined] # noqa: SLF001 - a module of Python that stdlib_module_names lacks
    return brought | set(sys.stdlib_module_names) | {"viam_billing", settings} | names


def is_known(path: Path, allowed: set[str]) -> bool:
    """Return whether something beside the executable belongs to Python, the system or a locked package."""
    if path.name.endswith(".dist-info"):
        return canonical(path.name.partition("-")[0]) in allowed
    if path.is_dir():
        name = path.name.removesuffix(".libs")
        return name in allowed or name == FOLDER or re.fullmatch(r"python3(\.\d+)?|lib-dynload", name) is not None
    return path.name in {"base_library.zip", "Python"} or re.search(r"\.(so|dylib)\b", path.name) is not None


def has_symbols(library: Path) -> bool:
    """Return whether an ELF file still has the symbol table that only debuggers read; False for other files."""
    data = library.read_bytes()
    if not data.startswith(_ELF):
        return False
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    return any(struct.unpack_from("<I", data, table + number * size + 4) == (_SYMBOL_TABLE,) for number in range(count))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
