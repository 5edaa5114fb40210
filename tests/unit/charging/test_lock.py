"""Who may charge with a folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from viam_billing.charging.lock import FolderLock
from viam_billing.core.errors import StateUnavailableError


def test_one_at_a_time(tmp_path: Path) -> None:
    """The second is refused until the first gives it back."""
    first, second = FolderLock(str(tmp_path)), FolderLock(str(tmp_path))
    assert first.take() == 1
    with pytest.raises(StateUnavailableError, match="another process"):
        second.take()
    first.release()
    first.release()
    assert second.take() == 1
    second.release()


def test_taking_it_again_is_no_new_generation(tmp_path: Path) -> None:
    """It is held."""
    lock = FolderLock(str(tmp_path))
    assert (lock.take(), lock.take()) == (1, 1)
    lock.release()


def test_what_was_given_back_is_not_taken_again(tmp_path: Path) -> None:
    """A thread that comes to its turn after the last service is gone must not keep the folder for ever."""
    folder = str(tmp_path / "state")
    gone, coming = FolderLock(folder), FolderLock(folder)
    gone.release()
    with pytest.raises(StateUnavailableError, match="closed"):
        gone.take()
    assert coming.take() == 1
    coming.release()


@pytest.mark.parametrize("replaced", ["file", "folder"])
def test_a_lock_on_what_was_replaced_is_taken_anew(tmp_path: Path, replaced: str) -> None:
    """The old one keeps nobody away."""
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


def test_it_is_the_owner_s_and_no_child_s(tmp_path: Path) -> None:
    """A process that the module starts must not hold it on."""
    lock = FolderLock(str(tmp_path / "state"))
    lock.take()
    assert stat.S_IMODE((tmp_path / "state" / "journal.lock").stat().st_mode) == 0o600
    assert not os.get_inheritable(lock._descriptor)  # noqa: SLF001 - nothing else shows it
    lock.release()


def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    """A missing parent, a file in its place."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "none" / "state", tmp_path / "file"):
        with pytest.raises(StateUnavailableError, match="Nothing was sent"):
            FolderLock(str(folder)).take()
