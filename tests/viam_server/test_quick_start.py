"""The quick start of the README: `make machine`, the question, what is captured, and the end."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.capture_files import captured
from support.module_process import CHECKOUT
from support.shell import run, script
from support.viam_server import until
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID

README = "README.md"
ADDRESS = "http://localhost:8080"
QUESTION = """do_command \\\n  --data-urlencode 'command={"get_location_usage": {}}'"""
START_S = 120.0


@asynccontextmanager
async def machine(command: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    """Run a command in the checkout until it prints `machine ready`. Yields it and what it printed, by its words."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", command), cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    printed: dict[str, str] = {}
    try:
        while "machine ready" not in printed:
            line = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
            assert line, f"it ended before the machine was ready: {printed}"
            name, _, value = line.strip().partition(": ")
            printed[name] = value
        yield process, printed
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()


async def test_the_page_leads_to_a_figure_in_four_commands(binary: Path, tmp_path: Path) -> None:
    """Machine and question as they stand there, on a free port. Clone and download need a network and are not run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"chmod +x viam-server && ": "", "./viam-server": f"{shlex.quote(str(binary))} PORT={port}"}
    clone, download, start = script("git clone", own, README).splitlines()
    assert (clone.split()[:2], download.split()[0]) == (["git", "clone"], "curl")
    async with machine(start) as (process, printed):
        done = await run(script(QUESTION, {ADDRESS: printed["machine ready"]}, README), tmp_path)
        usage = json.loads(done.output)["result"]["get_location_usage"]
        assert usage["location_id"] == DEFAULT_LOCATION_ID
        assert usage["month_to_date"] > 0
        folder = Path(printed["captured"])

        async def both() -> list[dict[str, Any]] | None:
            answers, readings = captured(folder, "DoCommand"), captured(folder, "Readings")
            return (
                [answers[0]["docommand_output"]["get_location_usage"], readings[0]["readings"]]
                if answers and readings
                else None
            )

        for answer in await until(both, "answers of the service and readings of the sensor are captured"):
            assert answer["month_to_date"] >= usage["month_to_date"]
        os.killpg(process.pid, signal.SIGINT)
        await process.wait()
    assert not folder.parent.exists()
