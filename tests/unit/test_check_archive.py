from __future__ import annotations

import tarfile
from pathlib import Path

import check_archive
import pytest


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """Return a member of an archive, as tarfile reads it."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_plain_files_are_accepted() -> None:
    """Names with dots too."""
    names = ("meta.json", "dist/viam-billing/viam-billing", "dist/viam-billing/_internal/lib..so")
    assert list(check_archive.faults_of_members([member(name) for name in names])) == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../meta.json", "dist/../../x", "./meta.json", "..", "dist//x"])
def test_a_path_that_is_not_plain_is_a_fault(name: str) -> None:
    """Absolute, with `..`, or in another spelling than upload compares with."""
    assert list(check_archive.faults_of_members([member(name)])) == [f"{name} is not a plain path inside the archive."]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_anything_but_a_file_is_a_fault(kind: bytes) -> None:
    """The upload only warns about links, and then unpacking fails on the machine."""
    faults = list(check_archive.faults_of_members([member("dist/x", kind, "meta.json")]))
    assert faults == ["dist/x is a link or something else that is not a file."]


def test_the_same_name_twice_is_a_fault() -> None:
    assert list(check_archive.faults_of_members([member("a"), member("a")])) == ["a is there twice."]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("libcrypto.so.3", True),
        ("libpython3.13.dylib", True),
        ("base_library.zip", True),
        ("viam_sdk-0.85.1.dist-info", True),
        ("notes.txt", False),
        ("left_over-1.0.dist-info", False),
    ],
)
def test_what_lies_beside_the_executable_is_known(name: str, known: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a table
    """Libraries, the standard library and the locked packages; nothing else."""
    path = tmp_path / name
    if name.endswith(".dist-info"):
        path.mkdir()
    else:
        path.touch()
    assert check_archive.is_known(path, {"viam-sdk"}) is known


def page(folder: Path, html: str, **files: str) -> list[str]:
    """Return the faults of a page made of its HTML and of files in assets, named `name_suffix`."""
    (folder / "dist" / "assets").mkdir(parents=True)
    (folder / "dist" / "index.html").write_text(html)
    (folder / "dist" / "licences.txt").touch()
    for name, text in files.items():
        (folder / "dist" / "assets" / name.replace("_", ".")).write_text(text)
    return list(check_archive.faults_of_page(folder, "dist/index.html"))


def test_a_page_whose_files_are_all_there_is_accepted(tmp_path: Path) -> None:
    """What the browser fetches later too; an icon inside the HTML is no file."""
    html = '<link href="data:image/svg+xml,x"><script src="./assets/main.js"></script>'
    assert page(tmp_path, html, main_js='import("./view.js")', view_js="f([`./view.css`])", view_css="") == []


@pytest.mark.parametrize(
    ("html", "files", "fault"),
    [
        ('<script src="/assets/a.js">', {}, "dist/index.html names /assets/a.js, which is not below it."),
        ('<script src="https://x/a.js">', {}, "dist/index.html names https://x/a.js, which is not below it."),
        ('<script src="./assets/a.js">', {}, "dist/index.html names ./assets/a.js, which is missing."),
        ("", {"a_js": 'import("./b.js")'}, "dist/assets/a.js names ./b.js, which is missing."),
        ("", {"a_js": "", "a.js_map": "{}"}, "dist/assets/a.js.map is no file of a page."),
    ],
)
def test_a_page_that_lacks_or_brings_a_file_is_a_fault(
    html: str, files: dict[str, str], fault: str, tmp_path: Path
) -> None:
    """Viam serves it below a path of its own, so that a path from the root leads nowhere."""
    assert page(tmp_path, html, **files) == [fault]


def test_an_archive_without_its_page_is_a_fault(tmp_path: Path) -> None:
    faults = list(check_archive.faults_of_page(tmp_path, "dist/index.html"))
    assert faults == ["the archive has no dist/index.html, which meta.json names as an application's entrypoint."]


def test_a_page_without_its_licences_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    assert list(check_archive.faults_of_page(tmp_path, "index.html")) == [
        "index.html has no licences.txt beside it, the texts of what is in the page."
    ]
