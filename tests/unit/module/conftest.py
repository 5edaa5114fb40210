"""A service over a cloud by hand, as the tests of dispatching have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fake_parts import FakeClient, answering, usage
from unit.cloud_fakes import journal_database, make_context
from viam_billing.commands.context import Context


@pytest.fixture
def client() -> FakeClient:
    """A cloud that answers usage."""
    return FakeClient(answering(usage(12.5)))


@pytest.fixture
async def context(client: FakeClient, tmp_path: Path) -> AsyncIterator[Context]:
    """A service that may read and change, with a folder."""
    database = journal_database(tmp_path)
    yield make_context(client, {"allowed_commands": ["read", "change"]}, database)
    database.close()
