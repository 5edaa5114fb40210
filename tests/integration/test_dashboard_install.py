"""dashboard/install.sh without a Node that the page can be built with: it says so, and build.sh goes no further."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from support.checkout import BARE_ENV, copy_checkout, run
from support.module_process import PACKAGED

pytestmark = pytest.mark.skipif(PACKAGED, reason="about the checkout's scripts, which are not in the archive")


def node(folder: Path, version: str) -> None:
    """Puts a stand-in for Node into a folder, which tells a version."""
    (folder / "node").write_text(f"#!/bin/sh\necho {version}\n")
    (folder / "node").chmod(0o755)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "Node is missing; the page needs Node 20.19 or newer"),
        ("v18.20.4", "Node v18.20.4 is too old; the page needs Node 20.19 or newer"),
        ("v20.18.3", "Node v20.18.3 is too old"),
        ("v20.19.0", "the command npm is missing"),
        ("v24.1.0", "the command npm is missing"),
    ],
)
def test_it_says_what_is_missing(version: str | None, words: str, tmp_path: Path) -> None:
    """And ends with 3, by which `make test` tells it from an installation that failed."""
    checkout = copy_checkout(tmp_path / "checkout")
    (tmp_path / "bin").mkdir()
    if version is not None:
        node(tmp_path / "bin", version)

    failed = run(checkout / "dashboard/install.sh", env={**BARE_ENV, "PATH": str(tmp_path / "bin")})

    assert failed.status == 3
    assert words in failed.errors


def test_a_build_without_node_says_so_and_leaves_no_archive(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / ".venv/bin").mkdir(parents=True)  # set up already
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    shutil.copy(checkout / "requirements/runtime.txt", checkout / ".venv")
    (tmp_path / "bin").mkdir()
    node(tmp_path / "bin", "v18.20.4")

    failed = run(checkout / "build.sh", env={**BARE_ENV, "PATH": f"{tmp_path / 'bin'}:{BARE_ENV['PATH']}"})

    assert failed.status == 1
    assert "Node v18.20.4 is too old" in failed.errors
    assert "the archive has a page in it, which Node builds" in failed.errors
    assert not (checkout / "dist/archive.tar.gz").exists()
