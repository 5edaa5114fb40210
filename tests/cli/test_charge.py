"""A charge on the command line: what is asked first, and what is said after an error."""

from __future__ import annotations

import asyncio
import csv
import os
import re

import pytest
from grpclib import GRPCError, Status

from support.cli_process import COMMAND, environment, on_terminal, run, run_all
from support.conditions import holds
from support.fake_robot import FakeRobot, failing
from viam_billing_client.testing.samples import CUSTOMER, SAMPLES

CHARGE = ("charge", "--org", CUSTOMER, "--subtotal", "1200.5")
SENT = (*CHARGE, "--yes")
RESOLVE = ("charges", "resolve", "visit-1", "--outcome", "failed", "--note", "no invoice, Ann")


async def test_a_charge_asks_first_and_shows_its_key(robot: FakeRobot) -> None:
    async with on_terminal(*CHARGE, *robot.options) as terminal:
        await holds(lambda: "[y/N]" in terminal.text)
        assert [each.get("dry_run") for each in robot.asked] == [True]
        assert f"Charge {CUSTOMER} $1,200.50 from" in terminal.text  # and no word of a tax
        found = re.search(r"idempotency key: (cli-\S+)", terminal.text)
        assert found
        terminal.type("y\n")
        assert await terminal.code() == 0
    dry, sent = robot.asked
    assert {**dry, "dry_run": None} == {**sent, "dry_run": None}
    assert sent["idempotency_key"] == found[1]
    assert "dry_run" not in sent


async def test_a_key_that_has_charged_asks_nothing_and_shows_the_charge(robot: FakeRobot) -> None:
    """Nothing is sent that could charge: nobody has said yes."""
    used = {"dry_run": True, "would_send": {}, "reconcilable": True}
    robot.answer = lambda request: used if request.get("dry_run") else SAMPLES[request["command"]]
    async with on_terminal(*CHARGE, "--key", "visit-1", *robot.options) as terminal:
        assert await terminal.code() == 0
        assert "[y/N]" not in terminal.text
        assert "succeeded" in terminal.text
    assert [each["command"] for each in robot.asked] == ["charge_organization", "get_charge"]


@pytest.mark.parametrize("typed", ["n\n", "\n", "\x04"])
async def test_a_charge_that_is_declined_sends_nothing(robot: FakeRobot, typed: str) -> None:
    """No, nothing, and the end of the input."""
    async with on_terminal(*CHARGE, *robot.options) as terminal:
        await holds(lambda: "[y/N]" in terminal.text)
        terminal.type(typed)
        assert await terminal.code() == 2
        assert "nothing was done" in terminal.text
    assert [each.get("dry_run") for each in robot.asked] == [True]


async def test_a_charge_that_is_refused_does_not_ask(robot: FakeRobot) -> None:
    robot.answer = failing("charge_limit_exceeded: too much today.")
    async with on_terminal(*CHARGE, *robot.options) as terminal:
        assert await terminal.code() == 1
        assert "[y/N]" not in terminal.text


async def test_ctrl_c_in_a_charge_says_how_to_go_on(robot: FakeRobot) -> None:
    robot.answer = lambda _: None
    async with on_terminal(*CHARGE, "--yes", "--key", "visit-1", *robot.options) as terminal:
        await holds(lambda: bool(robot.asked))
        terminal.type("\x03")
        assert await terminal.code() == 130
        assert "--key visit-1" in terminal.text


async def test_a_charge_that_is_open_says_how_to_repeat_and_to_settle_it(robot: FakeRobot) -> None:
    robot.answer = failing("charge_outcome_unknown: it was sent. Repeat the key.")
    done = await run(*SENT, "--key", "visit-1", *robot.options)
    assert done.code == 1
    first, error, again, settle = done.errors.splitlines()
    assert first == "viam-billing: idempotency key: visit-1"
    assert error.startswith("viam-billing: charge_outcome_unknown: ")
    assert "--key visit-1" in again
    assert "viam-billing charges resolve KEY --outcome succeeded --invoice " in settle
    assert [each["idempotency_key"] for each in robot.asked] == ["visit-1"]


async def test_only_a_charge_that_may_have_been_made_or_may_pass_is_to_be_repeated(robot: FakeRobot) -> None:
    refused = ("idempotency_conflict", "charge_limit_exceeded", "out_of_scope", "command_not_allowed", "charge_blocked")
    passing = ("cloud_unreachable", "internal_error", "a_code_of_a_newer_module")
    robot.answer = lambda request: GRPCError(Status.UNKNOWN, f"{request['idempotency_key']}: such.")
    for code, done in zip(
        refused + passing,
        await run_all((*SENT, "--key", code, *robot.options) for code in refused + passing),
        strict=True,
    ):
        assert ("repeat the same command" in done.errors) is (code in passing)
        assert ("charged nobody" in done.errors) is (code in refused)
        settling = {"charges reconcile", "charges resolve"} if code == "charge_blocked" else set()
        assert set(re.findall(r"viam-billing (charges \w+)", done.errors)) == settling


@pytest.mark.parametrize("undone", ["Nothing was sent", "Nothing was charged"])
async def test_after_a_fault_that_has_passed_before_the_charge_only_that_is_said(robot: FakeRobot, undone: str) -> None:
    robot.answer = failing(f"cloud_unreachable: no answer. {undone}: the same idempotency_key may be sent again.")
    done = await run(*SENT, "--key", "visit-1", *robot.options)
    assert "this command charged nobody. The same command with --key visit-1 tries again." in done.errors
    assert "Whatever happened" not in done.errors


async def test_csv_of_a_charge_says_whether_it_was_replayed(robot: FakeRobot) -> None:
    done = await run(*SENT, "--key", "visit-1", "-o", "csv", *robot.options)
    header, row = csv.reader(done.output.splitlines())
    assert (header[-1], row[-1]) == ("replayed", "false")


async def test_resolving_shows_the_charge_and_then_asks(robot: FakeRobot) -> None:
    entry = {**SAMPLES["get_charge"], "idempotency_key": "visit-1", "state": "unknown", "total": 1200.5}
    robot.answer = lambda _: entry
    async with on_terminal(*RESOLVE, *robot.options, width=300) as terminal:
        await holds(lambda: "[y/N]" in terminal.text)
        assert f"the charge visit-1, $1,200.50 to {CUSTOMER}, now unknown, has failed?" in terminal.text
        terminal.type("y\n")
        assert await terminal.code() == 0
    assert [each["command"] for each in robot.asked] == ["get_charge", "resolve_charge"]


async def test_resolving_a_charge_that_is_not_there_asks_nothing(robot: FakeRobot) -> None:
    robot.answer = failing("not_found: no such charge.")
    async with on_terminal(*RESOLVE, *robot.options) as terminal:
        assert await terminal.code() == 1
        assert "not_found" in terminal.text
        assert "[y/N]" not in terminal.text


async def test_a_charge_without_a_service_is_not_to_be_repeated(robot: FakeRobot) -> None:
    done = await run(*SENT, "--key", "k", "--service", "other", *robot.options)
    assert (done.code, "repeat" in done.errors) == (3, False)


async def test_a_charge_whose_answer_cannot_be_written_says_how_to_go_on(robot: FakeRobot) -> None:
    """It was made: a new key would be another charge."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *SENT, "--key", "visit-1", *robot.options,
            stdin=asyncio.subprocess.DEVNULL, stdout=full, stderr=asyncio.subprocess.PIPE, env=environment(),
        )  # fmt: skip
        _, errors = await process.communicate()
    finally:
        os.close(full)
    assert process.returncode == 1
    assert b"repeat the same command with --key visit-1" in errors
    assert b"No space left on device" in errors
