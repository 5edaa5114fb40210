"""What starts the cooldown of an e-mail, and what does not end it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import NOT_CONNECTED, FakeClient, answering
from unit.cloud_fakes import journal_database, make_context, refused
from viam_billing.commands.context import Context
from viam_billing.core.errors import Outcome

EMAIL = {"command": "send_payment_required_email", "customer_org_id": "own-org"}
TIERS = billing_pb2.GetAvailableBillingTiersResponse(tiers=["fleet"])


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    """A service that may send e-mails, over a cloud that answers a read and to which then no connection comes about."""
    client = FakeClient(answering(TIERS), connects=NOT_CONNECTED)
    database = journal_database(tmp_path)
    yield make_context(client, {"allowed_commands": ["notify"]}, database)
    database.close()


async def test_an_email_that_never_left_keeps_its_cooldown(context: Context) -> None:
    """The cooldown ends for the cloud's own no alone: a caller in a loop must not find a way around it."""
    first = await refused(context, EMAIL)
    second = await refused(context, EMAIL)
    assert (first.outcome, second.code) == (Outcome.NEVER_SENT, "cooldown_active")
