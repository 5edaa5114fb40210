from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import LOST, FakeClient, answering
from unit.cloud_fakes import KEY, answer, command, make_context, refused
from viam_billing.commands.context import Context
from viam_billing.module import dispatch
from viam_billing.storage.database import Database

PAYER = billing_pb2.GetLocationBillingOrganizationResponse
MOVE = {"location_id": "own-loc", "billing_organization_id": "own-org"}
MOVING = {"update_location_billing_organization": MOVE}


async def entries(context: Context, folder: Path) -> list[tuple[Any, ...]]:
    """The audit log's command, allowed and code, oldest first; as it is when what has ended is written down."""
    await context.audit_log.entries(lambda *_: True, since_s=0, limit=1)
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        return db.execute("SELECT command, allowed, code FROM audit ORDER BY id").fetchall()


@pytest.mark.parametrize("effect", ["notify", "change", "charge", "by_name"])
async def test_an_attempt_is_written_down(client: FakeClient, database: Database, tmp_path: Path, effect: str) -> None:
    context = make_context(client, {"allowed_commands": ["notify", "change"]}, database, command(effect))
    if effect in {"notify", "change"}:
        await answer(context, {"do": {}})
    else:
        await refused(context, {"do": {}})
    assert [row[0] for row in await entries(context, tmp_path)] == ["do"]


async def test_a_read_is_not_written_down(context: Context, tmp_path: Path) -> None:
    await answer(context, {"get_current_month_usage": {}})
    await answer(context, {"help": {}})
    assert not (tmp_path / "journal.db").exists()


async def test_a_refused_attempt_was_not_allowed(context: Context, tmp_path: Path) -> None:
    await refused(context, {"send_payment_required_email": {"customer_org_id": "c"}})
    await refused(context, {"update_location_billing_organization": {**MOVE, "location_id": "far"}})
    assert await entries(context, tmp_path) == [
        ("send_payment_required_email", 0, "command_not_allowed"),
        ("update_location_billing_organization", 0, "out_of_scope"),
    ]


async def test_a_wrong_attempt_at_what_is_not_allowed_was_not_allowed(context: Context, tmp_path: Path) -> None:
    await refused(context, {"send_payment_required_email": {}})
    assert await entries(context, tmp_path) == [("send_payment_required_email", 0, "invalid_request")]


async def test_a_wrong_attempt_at_what_is_allowed_is_written_down(context: Context, tmp_path: Path) -> None:
    await refused(context, {"update_location_billing_organization": {}})
    assert await entries(context, tmp_path) == [("update_location_billing_organization", 1, "invalid_request")]


async def test_an_attempt_whose_caller_left_is_ended(client: FakeClient, database: Database, tmp_path: Path) -> None:
    table = command("change", error=asyncio.CancelledError())
    context = make_context(client, {"allowed_commands": ["change"]}, database, table)
    with pytest.raises(asyncio.CancelledError):
        await answer(context, {"do": {}})
    assert await entries(context, tmp_path) == [("do", 1, "cancelled")]


async def test_a_change_goes_on_without_a_folder(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    context = make_context(client, {"allowed_commands": ["change"]}, commands=command("change"))
    dispatch.LOGGER.addHandler(caplog.handler)
    assert await answer(context, {"do": {}}) == {"do": {"done": True}}
    await context.audit_log.idle.wait()
    dispatch.LOGGER.removeHandler(caplog.handler)
    assert "not in the audit log" in caplog.text


async def test_a_change_whose_service_is_closed_meanwhile_is_told_as_it_ended(database: Database) -> None:
    """A reconfiguration during a change must not turn its answer into a defect."""
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def lost() -> PAYER:
        sent.set()
        await go_on.wait()
        raise LOST

    client = FakeClient(answering(PAYER(billing_organization_id="old")), lost)
    context = make_context(client, {"allowed_commands": ["change"]}, database)
    change = asyncio.create_task(refused(context, MOVING))
    await sent.wait()
    go_on.set()
    error = await change
    assert error.code == "cloud_unreachable"
    assert "may have been done" in error.text


async def test_a_secret_is_not_written_down(context: Context, tmp_path: Path) -> None:
    """Neither as a value nor as a name, nor a token that somebody copied."""
    await refused(context, {"charge_organization": {"description": f"x {KEY}", KEY: 1, "token": "Bearer abc.def"}})
    await context.audit_log.idle.wait()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        ((parameters,),) = db.execute("SELECT parameters FROM audit")
    assert KEY not in parameters
    assert "abc.def" not in parameters
    assert json.loads(parameters)["description"] == "x ***"
