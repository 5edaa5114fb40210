from __future__ import annotations

from pathlib import Path

import pytest

from viam_billing.storage.strict_folder import check_parents

WAYS = ("good/sub/x", "relative/x", "absolute/x", "absolute/../sub/x", "good//sub/./x", "twice/x")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in one that others may be allowed to write, and links of the tests' user that lead to it."""
    (tmp_path / "good" / "sub").mkdir(parents=True)
    (tmp_path / "relative").symlink_to("./good/../good/sub")
    (tmp_path / "absolute").symlink_to(f"{tmp_path}//good/sub")
    (tmp_path / "twice").symlink_to("relative")
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    return tmp_path


@pytest.mark.parametrize("way", WAYS)
def test_every_folder_that_a_path_leads_through_is_looked_at(folder: Path, way: str) -> None:
    check_parents(f"{folder}/{way}")
    (folder / "good").chmod(0o777)
    with pytest.raises(PermissionError, match=r'"good" in .* can be written by others'):
        check_parents(f"{folder}/{way}")


def test_links_in_a_circle_end(folder: Path) -> None:
    with pytest.raises(OSError, match="symbolic links"):
        check_parents(f"{folder}/one/x")


def test_a_path_of_a_thousand_folders_is_looked_at(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_parents(f"{folder}/good" + "/." * 1500 + "/missing/x")
