"""A service over a cloud by hand, as the tests of dispatching have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_parts import FakeClient, answering, usage
from unit.cloud_fakes import journal_database, make_context
from viam_billing.commands.context import Context
from viam_billing.storage.database import Database


@pytest.fixture
def client() -> FakeClient:
    """A cloud that answers usage."""
    return FakeClient(answering(usage(12.5)))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Of the audit log and the cooldown."""
    database = journal_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
async def context(client: FakeClient, database: Database) -> Context:
    """A service that may read and change, with a folder."""
    return make_context(client, {"allowed_commands": ["read", "change"]}, database)
