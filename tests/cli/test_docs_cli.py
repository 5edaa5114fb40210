"""docs/cli.md against the command line: nothing missing, nothing that does not exist, and its examples run."""

from __future__ import annotations

import asyncio
import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from support.cli_process import COMMAND, environment
from support.documentation import CODE, ROOT, prose, sections, table
from support.machine_process import MachineProcess
from viam_billing_client.cli.app import app

PAGE = ROOT / "docs" / "cli.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
HELP = {"--help", "-h"}


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - Typer's
    """All commands with their whole names."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


ROOT_COMMAND: Any = typer.main.get_command(app)
COMMANDS = dict(commands(ROOT_COMMAND))


def options(command: Any) -> set[str]:  # noqa: ANN401 - Typer's
    """The names of a command's options."""
    return {name for each in command.params for name in each.opts if name.startswith("-")} - HELP


def test_every_command_has_its_row_with_its_options() -> None:
    rows = table(sections(prose(PAGE), 2)["Commands"], "Command")
    named = {name: {each for each in CODE.findall(row[2]) if re.match("--?[a-z]", each)} for name, row in rows.items()}
    assert named == {name: options(command) for name, command in COMMANDS.items()}


def test_every_option_of_all_commands_has_its_row_with_its_variable() -> None:
    rows = table(sections(prose(PAGE), 2)["Which machine"], "Option")
    shown = {name for row in rows.values() for name in CODE.findall(row[0])}
    completion = {"--install-completion", "--show-completion"}
    assert shown == options(ROOT_COMMAND) - completion
    assert completion <= set(re.findall(r"--[a-z-]+", sections(prose(PAGE), 2)["Completion"]))
    variables = {each.opts[0]: each.envvar for each in ROOT_COMMAND.params if each.envvar}
    assert {name: CODE.findall(row[1])[0] for name, row in rows.items() if CODE.findall(row[1])} == variables


def test_no_command_has_an_option_of_all_commands() -> None:
    """Which would be taken for the one that stands before the command."""
    shared = options(ROOT_COMMAND)
    assert not [name for name, command in COMMANDS.items() if options(command) & shared]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_has_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert command.epilog.startswith(f"Example: viam-billing {name}")


def test_budget_says_that_asking_uses_up_what_is_new() -> None:
    assert "newly crossed once" in " ".join(COMMANDS["budget"].help.split())
    assert "newly crossed once" in " ".join(PAGE.read_text().split())


def test_the_help_needs_neither_the_sdk_nor_the_records_nor_rich() -> None:
    program = (
        "import sys; from viam_billing_client.cli.app import run; run(['--help']); run(['usage', '--help']);"
        "print({'viam', 'msgspec', 'google', 'rich'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())  # noqa: S603 - ours
    assert done.stdout.splitlines()[-1] == "set()"


def test_every_block_of_the_page_is_run() -> None:
    """One with the checkout's own set-up, the others where the command is installed; both tests are below."""
    assert ["make setup" in block for block in BLOCKS].count(True) == 1
    assert all("viam-billing" in block for block in BLOCKS)
    assert PAGE.read_text().count("```") == 2 * (len(BLOCKS) + 2)  # beside them, what is shown and the file of machines


async def test_the_first_example_needs_no_machine() -> None:
    """And nothing but a checkout: its set-up makes the command."""
    (block,) = (each for each in BLOCKS if "make setup" in each)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *("bash", "-eu", "-c", block), cwd=ROOT, env=environment(), stdout=pipe, stderr=pipe
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    shown = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)[0]
    without_figures = re.compile(r"[\d$.,%:█░-]+")
    for line in (each for each in shown.splitlines() if each.strip() != "..."):
        assert without_figures.sub("", line) in [without_figures.sub("", each) for each in output.decode().splitlines()]


async def test_the_other_examples_end_well(tmp_path: Path) -> None:
    """In a shell, as they stand there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "viam-billing"
    script.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    script.chmod(0o755)
    with MachineProcess("--direct") as machine:
        address = {"VIAM_BILLING_ADDRESS": f"localhost:{machine.port}", "VIAM_BILLING_INSECURE": "1"}
        env = environment({**address, "PATH": f"{folder}:/usr/bin:/bin"})
        for block in BLOCKS:
            if "make setup" in block:
                continue
            process = await asyncio.create_subprocess_exec(
                *("bash", "-eu", "-c", block),
                cwd=tmp_path,
                env=env,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
            assert output
            assert set(errors.decode().splitlines()) <= {
                "viam-billing: idempotency key: visit-4711",
                "viam-billing: Not complete: 1 row failed.",
            }
    assert {"fleet.csv", "october.pdf", "focus.csv"} <= {each.name for each in folder.parent.iterdir()}
    with (tmp_path / "october-vantage.csv").open(newline="") as file:
        categories = {row["ChargeCategory"] for row in csv.DictReader(file)}
    assert "Usage" in categories
    assert categories <= {"Usage", "Credit"}
