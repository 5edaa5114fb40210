from __future__ import annotations

import json
import posixpath
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from support.module_process import CHECKOUT, COMMAND

ARCHIVE = CHECKOUT / "dist" / "archive.tar.gz"
ENTRYPOINT = json.loads((CHECKOUT / "meta.json").read_text())["entrypoint"]
DEVELOPMENT = (
    "viam_billing_sandbox",
    "viam_billing_client",
    "typer",
    "rich",
    "cryptography",
    "pytest",
    "_pytest",
    "hypothesis",
    "pip",
)


@pytest.fixture(scope="module")
def members() -> dict[str, tarfile.TarInfo]:
    """The members of the archive, by name."""
    with tarfile.open(ARCHIVE) as tar:
        listed = tar.getmembers()
    named = {member.name: member for member in listed}
    assert len(named) == len(listed)
    return named


@pytest.fixture(scope="module")
def modules() -> set[str]:
    """The Python modules inside the executable that the tests run, read with PyInstaller's own tool."""
    viewer = [str(CHECKOUT / "build/venv/bin/python"), "-I", "-m", "PyInstaller.utils.cliutils.archive_viewer"]
    done = subprocess.run([*viewer, "-l", "-r", "-b", COMMAND[0]], capture_output=True, text=True, check=True)  # noqa: S603 - the build's own
    return {line.strip() for line in done.stdout.splitlines()}


def test_every_member_is_a_file_inside_the_archive(members: dict[str, tarfile.TarInfo]) -> None:
    assert [name for name, member in members.items() if not member.isfile()] == []
    assert [name for name in members if posixpath.isabs(name) or ".." in PurePosixPath(name).parts] == []


def test_its_meta_json_is_the_checkouts() -> None:
    """A machine reads the entrypoint from the archive, the CLI from the checkout."""
    with tarfile.open(ARCHIVE) as tar:
        content = tar.extractfile("meta.json")
        assert content is not None
        assert content.read() == (CHECKOUT / "meta.json").read_bytes()


def test_the_entrypoint_is_there_to_be_executed(members: dict[str, tarfile.TarInfo]) -> None:
    """Under exactly the name in meta.json, as the upload requires."""
    assert posixpath.normpath(ENTRYPOINT) == ENTRYPOINT
    assert members[ENTRYPOINT].mode & 0o100


def test_the_tests_run_the_module_of_this_archive(members: dict[str, tarfile.TarInfo]) -> None:
    assert Path(COMMAND[0]).stat().st_size == members[ENTRYPOINT].size
    assert COMMAND[0].endswith(f"/{ENTRYPOINT}")


def test_it_has_at_most_20_megabytes() -> None:
    assert ARCHIVE.stat().st_size <= 20_000_000


def test_it_reveals_nothing_about_its_builder(members: dict[str, tarfile.TarInfo]) -> None:
    """So that two builds of a commit are equal: one time for all files, no owner, sorted names."""
    assert len({member.mtime for member in members.values()}) == 1
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "", "")}
    assert list(members)[1:] == sorted(list(members)[1:])


def test_the_native_webrtc_library_stays_out(members: dict[str, tarfile.TarInfo]) -> None:
    """It is a third of the SDK, and a module is called over a socket."""
    assert not [name for name in members if "rust_utils" in name]


@pytest.mark.parametrize("name", DEVELOPMENT)
def test_nothing_for_development_is_shipped(name: str, modules: set[str], members: dict[str, tarfile.TarInfo]) -> None:
    assert not [module for module in modules if module == name or module.startswith(f"{name}.")]
    assert not [path for path in members if name in PurePosixPath(path).parts]


def test_every_module_of_the_package_is_shipped(modules: set[str]) -> None:
    """Modules that are imported on demand too."""
    source = CHECKOUT / "src"
    paths = (path for path in (source / "viam_billing").rglob("*.py"))
    names = {".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    assert names - {"viam_billing.__main__"} <= modules
    assert {"grpc.aio", "sqlite3", "viam.app.viam_client", "apprise.plugins.email", "apprise.plugins.slack"} <= modules


def test_it_has_the_certificates_for_a_machine_without_any(members: dict[str, tarfile.TarInfo]) -> None:
    assert [name for name in members if name.endswith("_internal/grpc/_cython/_credentials/roots.pem")]


def test_it_carries_the_licences_of_what_it_ships(members: dict[str, tarfile.TarInfo]) -> None:
    named = {PurePosixPath(path).parent.name for path in members if "_internal/licenses/" in path}
    assert {"viam-sdk", "grpclib", "grpcio", "protobuf", "msgspec", "apprise"} <= named


def test_it_carries_its_own_licence() -> None:
    with tarfile.open(ARCHIVE) as tar:
        content = tar.extractfile("LICENSE")
        assert content is not None
        assert content.read() == (CHECKOUT / "LICENSE").read_bytes()


def test_it_has_the_page(members: dict[str, tarfile.TarInfo]) -> None:
    """For everybody to read, and without what it was built from."""
    page = {name for name in members if name.startswith("dashboard/")}
    assert "dashboard/dist/index.html" in page
    assert {PurePosixPath(name).parts[1] for name in page} == {"dist"}
    assert {members[name].mode for name in page} == {0o644}
