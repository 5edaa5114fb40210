from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_charges import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A process that charges, over a folder of its own."""
    made = Scene(str(tmp_path))
    yield made
    made.close()
