"""What a person sees on a terminal: widths, colors, progress, questions, Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from support.cli_process import on_terminal, run, start
from support.conditions import holds
from support.fake_robot import FakeRobot
from support.machine_process import MachineProcess
from viam_billing_client.testing.samples import CUSTOMER, SAMPLES

RESOLVE = ("charges", "resolve", "job-000121", "--outcome", "failed", "--note", "not made")
COMMANDS: Sequence[tuple[str, ...]] = [
    ("usage",),
    ("budget",),
    ("fleet",),
    ("fleet", "--locations"),
    ("history", "--by-type"),
    ("compare",),
    ("invoices",),
    ("payer",),
    ("tiers",),
    ("charges", "list"),
    ("audit",),
    ("access",),
    ("status",),
]


@pytest.fixture(scope="module")
def overdue() -> Iterator[MachineProcess]:
    """A machine of an organization that owes."""
    with MachineProcess("--direct", "--scene", "overdue") as machine:
        yield machine


@pytest.mark.parametrize("width", [60, 100])
async def test_everything_fits_the_terminal_and_nothing_is_cut(overdue: MachineProcess, width: int) -> None:
    """But names, which are short here."""

    async def check(command: Sequence[str]) -> None:
        async with on_terminal(*command, *where, width=width) as terminal:
            assert await terminal.code() == 0
            lines = terminal.text.rstrip("\n").split("\n")
            shown = [line.rpartition("\r")[2] for line in lines]
            assert [line for line in shown if cell_len(line) > width] == []
            assert "…" not in terminal.text

    where = ("--insecure", "--address", f"localhost:{overdue.port}")
    for two in range(0, len(COMMANDS), 2):
        await asyncio.gather(*map(check, COMMANDS[two : two + 2]))


@pytest.mark.parametrize("width", [20, 60])
async def test_what_a_person_acts_on_is_whole_in_narrow_tables(robot: FakeRobot, width: int) -> None:
    """Keys, states, codes, dates, IDs and commands; an ID that is wider than the terminal goes on in the next line."""
    entry = {
        **SAMPLES["get_audit_log"]["entries"][0],
        "command": "update_location_billing_organization",
        "code": "charge_outcome_unknown",
        "parameters": {"org_id_to_charge": CUSTOMER, "subtotal": 43.3, "tax": 1, "dry_run": True},
    }
    error = {"code": "charge_outcome_unknown", "message": "lost."}
    charge = {**SAMPLES["list_charges"]["charges"][0], "idempotency_key": "visit-" + "7" * 40, "error": error}
    robot.answer = lambda request: (
        {"entries": [entry]} if request["command"] == "get_audit_log" else {"charges": [charge]}
    )
    wanted = {
        ("audit",): (entry["command"], entry["code"], CUSTOMER, "2026-11-21 12:00", "(dry run)", "$44.30"),
        ("charges", "list"): (charge["idempotency_key"], charge["state"], error["code"], CUSTOMER, "2026-11-"),
    }
    for command, parts in wanted.items():
        async with on_terminal(*command, *robot.options, width=width) as terminal:
            assert await terminal.code() == 0
            text = terminal.text if width > len(CUSTOMER) else terminal.text.replace("\n", "").replace(" ", "")
            for part in parts:
                assert (part if width > len(CUSTOMER) else part.replace(" ", "")) in text
            assert max(map(cell_len, terminal.text.splitlines())) <= width


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_several_machines_fit_it_too(robot: FakeRobot, tmp_path: Path, command: tuple[str, ...]) -> None:
    """With one that fails among them."""
    folder = tmp_path / "viam-billing"
    folder.mkdir()
    ports = {"warehouse-north": robot.port, "nobody": 1}
    profiles = (f'[machines.{name}]\naddress = "localhost:{port}"\ninsecure = true\n' for name, port in ports.items())
    (folder / "config.toml").write_text("".join(profiles))
    machines = ("--machine", "warehouse-north", "--machine", "nobody")
    async with on_terminal(*command, *machines, width=60, env={"XDG_CONFIG_HOME": str(tmp_path)}) as terminal:
        assert await terminal.code() == 3
        lines = [line.rpartition("\r")[2] for line in terminal.text.splitlines()]
        table = lines[max(at for at, line in enumerate(lines) if line.startswith("machine")) :]
        rows = [line.split()[0] for line in table if not line.startswith(" ")]
        assert rows == ["machine", "warehouse-north", "nobody"]
        assert [line for line in table if cell_len(line) > 60] == []
        assert "NoConnectionError" in terminal.text


async def test_a_wide_name_takes_its_width(robot: FakeRobot) -> None:
    sample = SAMPLES["get_fleet_usage"]
    location = {**sample["locations"][0], "name": "倉庫" * 30}
    robot.answer = lambda _: {**sample, "locations": [location]}
    async with on_terminal("fleet", "--locations", *robot.options, width=60) as terminal:
        assert await terminal.code() == 0
        (row,) = (line for line in terminal.text.splitlines() if "倉庫" in line)
        assert cell_len(row) <= 60
        assert "…" in row


async def test_ids_are_whole_where_there_is_no_terminal(robot: FakeRobot) -> None:
    location = {**SAMPLES["get_fleet_usage"]["locations"][0], "name": "long " * 40}
    robot.answer = lambda _: {**SAMPLES["get_fleet_usage"], "locations": [location]}
    done = await run("fleet", "--locations", *robot.options)
    assert ("long " * 40).rstrip() in done.output
    assert "\x1b" not in done.output


async def test_colors_are_for_terminals_that_want_them(robot: FakeRobot) -> None:
    for env, colored in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        async with on_terminal("usage", *robot.options, env=env) as terminal:
            assert await terminal.code() == 0
            assert ("\x1b[" in terminal.raw) is colored


async def test_a_terminal_without_unicode_gets_bars_of_ascii(robot: FakeRobot) -> None:
    done = await run("usage", *robot.options, env={"PYTHONIOENCODING": "ascii"})
    assert done.code == 0
    assert "####" in done.output
    assert done.output.isascii()


async def test_progress_is_on_a_terminal_only(robot: FakeRobot) -> None:
    """It is gone when the figures are there."""
    robot.answer = lambda _: None
    async with on_terminal("fleet", *robot.options) as terminal:
        await holds(lambda: "asking localhost" in terminal.text)
        terminal.type("\x03")
        assert await terminal.code() == 130
    robot.answer = lambda request: SAMPLES[request["command"]]
    assert (await run("fleet", *robot.options)).errors == ""


async def test_figures_and_errors_are_shown_after_progress_where_webrtc_is_tried(
    robot: FakeRobot, tmp_path: Path
) -> None:
    """The SDK's native library dials then, and what it writes by itself is kept away."""
    folder = tmp_path / "viam-billing"
    folder.mkdir()
    profiles = f'[machines.good]\naddress = "localhost:{robot.port}"\ninsecure = true\n'
    (folder / "config.toml").write_text(f'{profiles}[machines.tls]\naddress = "localhost:1"\n')
    machines = ("--machine", "good", "--machine", "tls")
    async with on_terminal("usage", *machines, env={"XDG_CONFIG_HOME": str(tmp_path)}) as terminal:
        assert await terminal.code() == 3
        assert "tls: " in terminal.text
        assert "1,316.10" in terminal.text
        assert terminal.raw.rpartition("\x1b[?25l")[2].count("\x1b[?25h") >= 1  # the cursor is there again


async def test_ctrl_c_ends_it_quietly(robot: FakeRobot) -> None:
    robot.answer = lambda _: None
    async with on_terminal("usage", *robot.options) as terminal:
        await holds(lambda: bool(robot.asked))
        terminal.type("\x03")
        assert await terminal.code() == 130
        assert terminal.text.replace("^C", "") == ""


async def test_ctrl_c_while_the_sandbox_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    """The machine's own folder goes when the machine has ended."""
    async with on_terminal("--sandbox", "usage", env={"TMPDIR": str(tmp_path)}) as terminal:
        await holds(lambda: "starting the sandbox" in terminal.text and bool(os.listdir(tmp_path)))
        terminal.type("\x03")
        assert await terminal.code() == 130
        assert "Traceback" not in terminal.text
        assert os.listdir(tmp_path) == []


async def test_a_sandbox_ends_with_a_command_that_is_terminated(tmp_path: Path) -> None:
    process = await start("--sandbox", "usage", env={"TMPDIR": str(tmp_path)})
    await holds(lambda: bool(os.listdir(tmp_path)))
    process.terminate()
    assert await process.communicate() == (b"", b"")
    assert (process.returncode, os.listdir(tmp_path)) == (143, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_sandbox_ends_with_a_command_that_ends_at_its_question(tmp_path: Path, number: int) -> None:
    """A closed window is one way; the first calls are answered by then."""
    attributes = {"TMPDIR": str(tmp_path)}
    async with on_terminal("--sandbox", "--scene", "unknown-charge", *RESOLVE, env=attributes) as terminal:
        await holds(lambda: "[y/N]" in terminal.text)
        os.kill(terminal.process.pid, number)
        assert await terminal.code() == 128 + number
    assert os.listdir(tmp_path) == []


async def test_a_history_says_whose_it_is_and_how_old(robot: FakeRobot) -> None:
    sample = SAMPLES["get_usage_history"]
    robot.answer = lambda _: {**sample, "location_id": "wh1north01"}
    done = await run("history", "--step", "month", *robot.options)
    first, second, header, row, *_ = done.output.splitlines()
    assert first == f"Location wh1north01, paid by organization {sample['org_id']}"
    assert "oldest first" in second
    assert header.split() == ["month", "cost", "month", "so", "far"]
    assert re.match(r"\d{4}-\d\d ", row)
    assert "As of 20" in done.output


async def test_one_is_singular(robot: FakeRobot) -> None:
    sample = SAMPLES["get_fleet_usage"]
    robot.answer = lambda _: {
        **sample,
        "locations": sample["locations"][:1],
        "organizations": sample["organizations"][:1],
    }
    assert "1 location, 1 payer\n" in (await run("fleet", *robot.options)).output
