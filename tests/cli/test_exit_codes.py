"""How a command ends: each exit code, what is said on stderr, and what is never said."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError, Status

from support.cli_process import COMMAND, environment, run, run_all, start
from support.conditions import holds
from support.fake_robot import FakeRobot, failing
from support.machine_process import MachineProcess
from viam_billing_client.testing.samples import SAMPLES

SECRET = "a-key-that-nobody-may-see"
CHARGE = ("charge", "--org", "org-1", "--subtotal", "5", "--yes")
WRONG: list[tuple[tuple[str, ...], str]] = [
    (("usagee",), "No such command 'usagee'"),
    (("usage", "--bogus"), "--bogus"),
    (("usage", "--output", "xml"), "json"),
    (("history", "--since", "yesterday"), "2026-11-01"),
    (("invoices", "--limit", "0"), "expected a whole number, 1 or more"),
    (("invoices", "--limit", "x"), "expected a whole number, 1 or more"),
    (("invoice", "x", "--file", ""), "expected a text, found nothing"),
    (("invoice", "x", "--file", "/"), "/ is a folder; name a file in it"),
    (("invoice", "x", "--file", "/", "--force"), "/ is a folder"),
    (("usage", "--service", ""), "expected a text, found nothing"),
    (("usage", "--address", ""), "expected a machine's address, found nothing"),
    (("export", "focus", "-o", "json"), "FOCUS is CSV"),
    (("budget", "--org", "a", "--location", "b"), "exclude each other"),
    (("do", "[1]"), "JSON object"),
    (("charge", "--org", "a", "--subtotal", "5.001", "--key", "k"), "two decimals"),
    (("charge", "--org", "a", "--subtotal", "NaN", "--key", "k"), "two decimals"),
    (CHARGE, "--key"),
    ((*CHARGE[:-1], "--key", "k"), "--yes"),
    (("usage",), "which machine?"),
    (("usage", "--machine", "a"), "[machines.a]"),
    (("usage", "--machine", "a", "--address", "b"), "exclude each other"),
    (("usage", "--address", "a", "--api-key", SECRET), "api-key-id is missing"),
    (("usage", "--address", "a", "--api-key", SECRET, "--api-key-id", SECRET), "not a UUID"),
    (("usage", "--sandbox", "--address", "a"), "--sandbox excludes"),
    (("usage", "--sandbox", "--scene", "none-such"), "did not start: --scene: invalid choice: 'none-such'"),
    (("usage", "--address", "localhost:1", "--insecure", "--scene", "steady"), "add --sandbox"),
    (("usage", "--address", "http://"), 'the address "http://" names no machine'),
    (("usage", "--address", ":8080"), 'the address ":8080" names no machine'),
    (("charges", "resolve", "k"), "Choose from: succeeded, failed"),
    (("invoices", "--status", "bogus"), "'bogus' is not one of 'outstanding', 'paid', 'payment_processing'"),
    (("charges", "list", "--state", "bogus"), "--state': 'bogus' is not one of"),
    (("history", "--since", "2026-11-20", "--until", "2026-11-10"), "--until has to be after --since"),
    (("usage", "--location", ""), "expected an ID"),
    (("invoice", " "), "expected an ID"),
    (("usage", "--max-age", "nan"), "expected seconds"),
    (("usage", "--timeout", "0"), "at least 0.1 seconds"),
    (("charge", "--org", "a", "--subtotal", "0", "--key", "k"), "more than 0 dollars"),
    (("charge", "--org", "a", "--subtotal", "1", "--tax", "-1", "--key", "k"), "0 dollars or more"),
]


@pytest.mark.parametrize("style", ["direct", "webrtc"])
async def test_an_error_of_the_module_is_1_with_its_code(style: str) -> None:
    """Over WebRTC too, where the gRPC status is lost."""
    with MachineProcess("--direct", "--errors", style) as machine:
        where = ("--insecure", "--address", f"localhost:{machine.port}")
        done = await run("usage", "--location", "nowhere", *where)
        assert (done.code, done.output) == (1, "")
        assert done.errors.startswith("viam-billing: not_found: ")
        assert done.errors.count("\n") == 1
        refused = await run("do", '{"update_location_billing_organization": {}}', *where)
        assert refused.code == 1
        assert refused.errors.startswith("viam-billing: invalid_request: ")


async def test_wrong_usage_is_2_and_says_what_is_right() -> None:
    for (arguments, words), done in zip(WRONG, await run_all(arguments for arguments, _ in WRONG), strict=True):
        assert (arguments, done.code, done.output) == (arguments, 2, "")
        assert words in done.errors
        assert "Traceback" not in done.errors
        assert "Value error" not in done.errors
        assert SECRET not in done.errors


async def test_a_folder_is_not_to_be_forced() -> None:
    assert "--force" not in (await run("invoice", "x", "--file", "/")).errors


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("arguments", [("--help",), ("usage",), ("--sandbox", "usage")])
async def test_the_sandbox_is_named_only_where_there_is_one(arguments: tuple[str, ...], hidden: bool) -> None:  # noqa: FBT001 - a column
    """What pip installs has none; no command's help says more of that."""
    if arguments[0] == "--sandbox" and not hidden:
        return
    hiding = "sys.modules['viam_billing_sandbox'] = None; " if hidden else ""
    program = f"import sys; {hiding}from viam_billing_client.cli.app import run; sys.exit(run({[*arguments]}))"
    process = await asyncio.create_subprocess_exec(
        *(COMMAND[0], "-c", program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    said = (await process.communicate())[0].decode()
    assert ("viam-billing --sandbox usage" in said) is not hidden
    assert ("--sandbox needs a checkout" in said) is (arguments[0] == "--sandbox")
    if arguments[0] == "--sandbox":
        assert "Try:" not in said


async def test_no_connection_is_3_and_says_why_and_what_to_do() -> None:
    """Without TLS, and by the SDK's native library, which complains to stdout at length."""
    ways = {
        ("--address", "localhost:1", "--insecure"): "nothing listens there. Does viam-server run there",
        ("--address", "localhost:1"): "add --insecure",
        ("--address", "nowhere.invalid:80", "--insecure"): "its name is not known here. Is the address right",
        ("--address", "nowhere.invalid"): "needs an API key",
    }
    for (way, words), done in zip(ways.items(), await run_all(("usage", *way) for way in ways), strict=True):
        assert (done.code, done.output) == (3, "")
        assert f"the machine at {way[1]} cannot be reached: " in done.errors
        assert words in done.errors
        assert done.errors.count("\n") == 1
        assert not re.search(r"\(|Errno", done.errors)


async def test_a_machine_that_wants_a_key_says_how_to_give_it(robot: FakeRobot) -> None:
    robot.refusal = GRPCError(Status.UNAUTHENTICATED, "authentication required")
    done = await run("usage", *robot.options)
    assert (done.code, done.output) == (3, "")
    assert "needs an API key" in done.errors
    assert "VIAM_BILLING_API_KEY_ID" in done.errors
    assert "UNAUTHENTICATED" not in done.errors


@pytest.mark.parametrize("message", ['resource "rdk:service:generic/billing" not found', "not connected"])
async def test_a_machine_without_the_service_is_3(robot: FakeRobot, message: str) -> None:
    """Which may also not have started."""
    robot.answer = failing(message)
    done = await run("usage", *robot.options)
    assert (done.code, done.output) == (3, "")
    assert '"billing"' in done.errors
    assert "look at the machine's log" in done.errors


async def test_what_is_no_billing_service_is_told(robot: FakeRobot) -> None:
    robot.answer = lambda _: {"something": "else"}
    done = await run("usage", *robot.options)
    assert (done.code, done.output) == (1, "")
    assert "no billing service" in done.errors


async def test_a_stream_that_is_closed_or_full_ends_with_its_own_code() -> None:
    """As 141 stands for a pipe that closed."""
    for redirected, code in ((">&-", 0), ("2>&-", 0), (">/dev/full", 1)):
        done = await asyncio.create_subprocess_shell(f"{shlex.join(COMMAND)} --help {redirected} </dev/null")
        assert await done.wait() == code, redirected


async def test_an_answer_that_does_not_come_is_3(robot: FakeRobot) -> None:
    robot.answer = lambda _: None
    done = await run("usage", "--timeout", "0.5", *robot.options)
    assert (done.code, done.output) == (3, "")
    assert "did not answer" in done.errors


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 10), ("exceeded", 11), ("newer", 0)])
async def test_the_budgets_status_is_its_exit_code(robot: FakeRobot, status: str, code: int) -> None:
    robot.answer = lambda _: {**SAMPLES["check_budget"], "status": status}
    done = await run("budget", *robot.options)
    assert (done.code, done.errors) == (code, "")


async def test_fields_of_a_newer_module_pass(robot: FakeRobot) -> None:
    """As JSON they are there; tables and CSV have what this version knows."""

    def newer(request: dict[str, Any]) -> dict[str, Any]:
        answer = dict(SAMPLES[request["command"]])
        return {**answer, "carbon": {"kg": 3}, "cost_by_type": {**answer["cost_by_type"], "unknown_77": 1.5}}

    robot.answer = newer
    as_json = await run("usage", "-o", "json", *robot.options)
    assert json.loads(as_json.output)["carbon"] == {"kg": 3}
    assert "unknown_77" in (await run("usage", *robot.options)).output
    assert "cost_unknown_77" in (await run("usage", "-o", "csv", *robot.options)).output


async def test_no_text_of_an_answer_moves_the_cursor(robot: FakeRobot) -> None:
    """A location's name is what its owner has typed."""
    sample = SAMPLES["get_fleet_usage"]
    location = {**sample["locations"][0], "name": "\x1b[2Jgone\nnext\u202e"}
    robot.answer = lambda _: {**sample, "locations": [location]}
    done = await run("fleet", "--locations", *robot.options)
    assert "gone" in done.output
    assert not {"\x1b", "\u202e"} & set(done.output)
    robot.answer = failing("cloud_rejected: \x1b[2Jgone.")
    assert "\x1b" not in (await run("fleet", *robot.options)).errors


async def test_a_fleet_says_what_it_leaves_out(robot: FakeRobot, tmp_path: Path) -> None:
    """And how to have it; rows that failed are another line. Of several machines, each has it in its row as missing."""
    robot.answer = lambda _: {**SAMPLES["get_fleet_usage"], "complete": False, "out_of_scope_count": 7}
    for view in ((), ("--locations",)):
        output = " ".join((await run("fleet", *view, *robot.options)).output.split())
        left_out = "7 locations are left out, because the service's allowed_location_ids lacks them."
        assert f"Not complete: {left_out}" in output
        assert "failed" not in output
    config = tmp_path / "viam-billing" / "config.toml"
    config.parent.mkdir()
    machine = f'address = "localhost:{robot.port}"\ninsecure = true\n'
    config.write_text(f"[machines.a]\n{machine}[machines.b]\n{machine}")
    done = await run("fleet", "--machine", "a", "--machine", "b", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert [line.split()[-1] for line in done.output.splitlines()] == ["missing", "7", "7"]


@pytest.mark.parametrize(
    "arguments",
    [("--api-key", SECRET, SECRET), (f"--api-key={SECRET}", "usage", SECRET), ("usage", "--output", SECRET)],
)
async def test_a_key_is_not_repeated_in_an_error(arguments: tuple[str, ...]) -> None:
    done = await run(*arguments, env={"VIAM_BILLING_API_KEY": SECRET})
    assert done.code == 2
    assert SECRET not in done.errors


async def test_a_key_in_an_error_of_the_service_is_hidden(robot: FakeRobot) -> None:
    robot.answer = failing(f"cloud_rejected: the key {SECRET} is wrong.")
    done = await run("usage", *robot.options, env={"VIAM_BILLING_API_KEY": SECRET, "VIAM_BILLING_API_KEY_ID": ""})
    assert SECRET not in done.output + done.errors


async def test_a_closed_pipe_ends_it_quietly(robot: FakeRobot) -> None:
    """As `| head` closes it, while there is more to write than a pipe holds."""
    sample = SAMPLES["get_fleet_usage"]
    locations = [{**sample["locations"][0], "location_id": f"loc{number:07}"} for number in range(20_000)]
    robot.answer = lambda _: {**sample, "locations": locations}
    for form in ("table", "json", "csv"):
        command = shlex.join([*COMMAND, "fleet", "--locations", "-o", form, *robot.options])
        pipe = asyncio.subprocess.PIPE
        shell = ("bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}")
        process = await asyncio.create_subprocess_exec(*shell, stdout=pipe, stderr=pipe, env=environment())
        output, errors = await process.communicate()
        assert (output.count(b"\n"), errors, process.returncode) == (1, b"", 141)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_it_quietly_while_it_waits(robot: FakeRobot, number: int, code: int) -> None:
    robot.answer = lambda _: None
    process = await start("usage", *robot.options)
    await holds(lambda: bool(robot.asked))
    process.send_signal(number)
    output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (code, b"", b"")


async def test_a_full_disk_is_told(robot: FakeRobot) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "usage", *robot.options, stdout=full, stderr=asyncio.subprocess.PIPE, env=environment()
        )
        _, errors = await process.communicate()
    finally:
        os.close(full)
    assert (process.returncode, errors) == (1, b"viam-billing: [Errno 28] No space left on device\n")


async def test_errors_that_lost_their_code_are_no_errors_of_the_module(robot: FakeRobot) -> None:
    robot.answer = lambda _: GRPCError(Status.INTERNAL, "something broke")
    done = await run("usage", *robot.options)
    assert done.code == 3
    assert "something broke" in done.errors
