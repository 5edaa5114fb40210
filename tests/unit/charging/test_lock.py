"""Who may charge with a folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from viam_billing.charging.lock import FolderLock
from viam_billing.core.errors import StateUnavailableError


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(str(tmp_path)), FolderLock(str(tmp_path))
    assert first.take() == 1
    with pytest.raises(StateUnavailableError, match="another process"):
        second.take()
    first.release()
    first.release()
    assert second.take() == 1
    second.release()


def test_taking_it_again_is_no_new_generation(tmp_path: Path) -> None:
    lock = FolderLock(str(tmp_path))
    assert (lock.take(), lock.take()) == (1, 1)
    lock.release()


def test_what_was_given_back_is_not_taken_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    gone, coming = FolderLock(folder), FolderLock(folder)
    gone.release()
    with pytest.raises(StateUnavailableError, match="closed"):
        gone.take()
    assert coming.take() == 1
    coming.release()


@pytest.mark.parametrize("replaced", ["file", "folder"])
def test_a_lock_on_what_was_replaced_is_taken_anew(tmp_path: Path, replaced: str) -> None:
    folder = tmp_path / "state"
    lock = FolderLock(str(folder))
    lock.take()
    if replaced == "file":
        (folder / "journal.lock").unlink()
    else:
        folder.rename(tmp_path / "old")
    assert lock.take() == 2
    with pytest.raises(StateUnavailableError):
        FolderLock(str(folder)).take()
    lock.release()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    lock = FolderLock(str(tmp_path / "state"))
    lock.take()
    assert stat.S_IMODE((tmp_path / "state" / "journal.lock").stat().st_mode) == 0o600
    lock.release()


def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "none" / "state", tmp_path / "file"):
        with pytest.raises(StateUnavailableError, match="Nothing was sent"):
            FolderLock(str(folder)).take()
