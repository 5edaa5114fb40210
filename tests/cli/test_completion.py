"""Shell completion, asked for as a shell asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.cli_process import COMMAND, environment, run

ASKED = [
    ("viam-billing inv", {"invoice", "invoices"}),
    ("viam-billing charges re", {"reconcile", "resolve"}),
    ("viam-billing usage --loc", {"--location"}),
    ("viam-billing invoices --status pa", {"paid", "payment_processing"}),
    ("viam-billing --output c", {"csv"}),
]


async def test_bash_completes_commands_options_and_their_words(tmp_path: Path) -> None:
    """A real bash, with the script that the command prints."""
    command = tmp_path / "viam-billing"
    command.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    lines = ['eval "$(_VIAM_BILLING_COMPLETE=source_bash viam-billing)"']
    for typed, _ in ASKED:
        words = typed.split()
        lines += [f"COMP_WORDS=({typed}) COMP_CWORD={len(words) - 1} COMPREPLY=()"]
        lines += ["_viam_billing_completion viam-billing", 'echo "${COMPREPLY[*]}"']
    lines += ["complete -p viam-billing"]
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-c", "\n".join(lines)),
        env=environment({"PATH": f"{tmp_path}:/usr/bin:/bin"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert errors == b""
    *found, registered = output.decode().splitlines()
    assert [set(line.split()) for line in found] == [words for _, words in ASKED]
    assert "_viam_billing_completion" in registered


@pytest.mark.parametrize(
    ("shell", "asking"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "viam-billing charges re"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "viam-billing charges re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
async def test_zsh_and_fish_get_the_same(shell: str, asking: dict[str, str]) -> None:
    """As their scripts ask; the shells themselves need not be here."""
    script = await run(env={"_VIAM_BILLING_COMPLETE": f"source_{shell}"})
    assert all(name in script.output for name in asking)
    done = await run(env={**asking, "_VIAM_BILLING_COMPLETE": f"complete_{shell}"})
    assert {word for word in ("reconcile", "resolve", "list", "show") if word in done.output} == {
        "reconcile",
        "resolve",
    }
