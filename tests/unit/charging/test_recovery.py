"""Who may charge with a folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from viam_billing.charging.recovery import FolderLock
from viam_billing.core.errors import StateUnavailableError
from viam_billing.storage.disk import Disk


async def test_one_at_a_time(tmp_path: Path) -> None:
    disk = Disk()
    first, second = FolderLock(str(tmp_path), disk), FolderLock(str(tmp_path), disk)
    assert await first.take() == 1
    with pytest.raises(StateUnavailableError, match="another process"):
        await second.take()
    first.release()
    first.release()
    assert await second.take() == 1
    second.release()


async def test_taking_it_again_is_no_new_generation(tmp_path: Path) -> None:
    lock = FolderLock(str(tmp_path), Disk())
    assert (await lock.take(), await lock.take()) == (1, 1)
    lock.release()


async def test_what_was_given_back_is_not_taken_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    gone, coming = FolderLock(folder, Disk()), FolderLock(folder, Disk())
    gone.release()
    with pytest.raises(StateUnavailableError, match="closed"):
        await gone.take()
    assert await coming.take() == 1
    coming.release()


@pytest.mark.parametrize("replaced", ["file", "folder"])
async def test_a_lock_on_what_was_replaced_is_taken_anew(tmp_path: Path, replaced: str) -> None:
    folder = tmp_path / "state"
    lock = FolderLock(str(folder), Disk())
    await lock.take()
    if replaced == "file":
        (folder / "journal.lock").unlink()
    else:
        folder.rename(tmp_path / "old")
    assert await lock.take() == 2
    with pytest.raises(StateUnavailableError):
        await FolderLock(str(folder), Disk()).take()
    lock.release()


async def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    lock = FolderLock(str(tmp_path / "state"), Disk())
    await lock.take()
    assert stat.S_IMODE((tmp_path / "state" / "journal.lock").stat().st_mode) == 0o600
    lock.release()


async def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "none" / "state", tmp_path / "file"):
        with pytest.raises(StateUnavailableError, match="Nothing was sent"):
            await FolderLock(str(folder), Disk()).take()
