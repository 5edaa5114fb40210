from __future__ import annotations

from pathlib import Path

import pytest

from viam_billing.charging.lock import FolderLock
from viam_billing.errors import StateUnavailableError


def test_what_was_given_back_is_not_taken_again(tmp_path: Path) -> None:
    """A thread that comes to its turn after the last service is gone must not keep the folder for ever."""
    folder = str(tmp_path / "state")
    gone, coming = FolderLock(folder), FolderLock(folder)
    gone.release()
    with pytest.raises(StateUnavailableError, match="closed"):
        gone.take()
    assert coming.take() == 1
    coming.release()
