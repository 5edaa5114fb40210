from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from grpclib.const import Status

from support.fake_parts import FakeClient, answered, failing, usage, waiting
from support.module_process import struct
from unit.cloud_fakes import Made, NoParameters, answer, command, made, make_context, refused
from viam_billing.cache.readings import Call
from viam_billing.commands.context import Command, Context
from viam_billing.core.errors import InternalError, OutOfScopeError
from viam_billing.module import dispatch
from viam_billing.storage.database import Database


async def test_the_answer_repeats_the_spelling(client: FakeClient) -> None:
    context = make_context(client, commands=command("read"))
    assert await answer(context, {"do": {}}) == {"do": {"done": True}}
    assert await answer(context, {"command": "do"}) == {"done": True}


async def test_a_request_reaches_the_cloud(client: FakeClient, context: Context) -> None:
    found = await answer(context, {"command": "get_current_month_usage"})
    assert (found["org_id"], found["subtotal"], found["as_of"]) == ("own-org", 12.5, "2026-11-21T12:00:00Z")
    assert client.asked == ["GetCurrentMonthUsage"]


async def test_permission_is_checked_before_the_cloud_is_asked(client: FakeClient) -> None:
    context = make_context(client, {"allowed_commands": []})
    await refused(context, {"get_current_month_usage": {}})
    assert client.asked == []


async def test_a_wrong_parameter_is_told_with_help(context: Context) -> None:
    """It names the parameter, what was expected, and where to look."""
    error = await refused(context, {"get_current_month_usage": {"org_id": ""}})
    assert error.text.startswith('org_id: found "", expected a non-empty text')
    assert '{"help": {"name": "get_current_month_usage"}}' in error.text


async def test_a_defect_is_an_internal_error(client: FakeClient) -> None:
    """Without the words of the defect, which may hold anything."""
    context = make_context(client, commands=command("read", error=KeyError("/home/x.py")))
    error = await refused(context, {"do": {}})
    assert isinstance(error, InternalError)
    assert "/home" not in error.message


async def test_a_defect_is_logged_on_one_line(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("ERROR"):
        dispatch.LOGGER.addHandler(caplog.handler)
        await refused(make_context(client, commands=command("read", error=KeyError("a\nb"))), {"do": {}})
        dispatch.LOGGER.removeHandler(caplog.handler)
    (record,) = {record.getMessage() for record in caplog.records}
    assert "\n" not in record
    assert "KeyError" in record
    assert ".py" not in record


@pytest.mark.parametrize("spelled", [str, repr, json.dumps])
async def test_a_secret_of_any_spelling_is_in_no_line_of_the_log(
    client: FakeClient, caplog: pytest.LogCaptureFixture, spelled: Callable[[str], str]
) -> None:
    """A defect's words may have a token as Python shows it; they are cut, and may not end in a part of one."""
    token = "ey.odd\\token'with\"all kinds of marks"
    for before in ("", "x" * 70):
        error = ValueError(f"{before} metadata was invalid: {spelled(token)}")
        context = make_context(client, commands=command("read", error=error))
        context.secrets.add(token)
        with caplog.at_level("ERROR"):
            dispatch.LOGGER.addHandler(caplog.handler)
            await refused(context, {"do": {}})
            dispatch.LOGGER.removeHandler(caplog.handler)
    assert len(caplog.records) >= 2
    assert "ey.o" not in caplog.text


async def test_a_late_command_is_a_timeout(client: FakeClient) -> None:
    context = make_context(client, commands=command("read", error=asyncio.TimeoutError()))
    assert (await refused(context, {"do": {}})).code == "cloud_timeout"


async def test_a_caller_that_leaves_is_not_answered(client: FakeClient) -> None:
    context = make_context(client, commands=command("read", error=asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await answer(context, {"do": {}})


async def test_the_clouds_error_is_the_commands(database: Database) -> None:
    client = FakeClient(failing(answered(Status.NOT_FOUND)))
    error = await refused(make_context(client, database=database), {"get_current_month_usage": {}})
    assert error.code == "not_found"


async def test_the_callers_deadline_counts(client: FakeClient) -> None:
    seen: list[float] = []

    async def run(parameters: NoParameters, context: Context, call: Call) -> Made:  # noqa: ARG001 - the signature of every command
        seen.append(call.deadline.remaining_s())
        return made({})

    table = {"do": Command("do", "read", "Does.", NoParameters, run)}
    context = make_context(client, {"timeout_s": 5}, commands=table)
    for timeout_s in (None, 100.0, 2.0):
        await dispatch.answer(struct({"do": {}}), context, timeout_s)
    assert [round(s) for s in seen] == [5, 5, 2]


async def test_a_location_outside_costs_no_call(client: FakeClient, context: Context) -> None:
    """Scope is checked before the cloud is asked."""
    assert isinstance(await refused(context, {"get_location_usage": {"location_id": "far"}}), OutOfScopeError)
    assert client.asked == []


async def test_two_requests_run_side_by_side(database: Database) -> None:
    """One that waits for the cloud does not hold up another."""
    go_on = asyncio.Event()
    context = make_context(FakeClient(waiting(go_on, usage(12.5))), database=database)
    slow = asyncio.create_task(answer(context, {"get_current_month_usage": {}}))
    await answer(context, {"help": {}})
    assert not slow.done()
    go_on.set()
    await slow
