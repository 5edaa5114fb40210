"""The commands of the README that lead to a figure of the sandbox through viam-server, as they stand there."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli_process import environment
from support.module_process import CHECKOUT
from support.viam_server import START_S

CONFIGURATION = "docs/sandbox-machine.json"
(BLOCK,) = (
    block
    for block in re.findall(r"^```sh\n(.*?)^```$", (CHECKOUT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    if CONFIGURATION in block
)
CLOUD, MACHINE = "8090", "8080"


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, for viam-server's sockets."""
    path = Path(tempfile.mkdtemp(prefix="vs-"))
    yield path
    shutil.rmtree(path)


async def test_four_commands_lead_to_a_figure(binary: Path, folder: Path) -> None:
    """On other ports. The first two make the checkout and take viam-server, which this run has already."""
    clone, take, *others = BLOCK.splitlines()
    assert clone.endswith("&& ./setup.sh --dev")
    assert take.startswith("curl -fLo /tmp/viam-server ")
    assert len(others) == 2
    here = {
        CLOUD: free_port(),
        MACHINE: free_port(),
        "/tmp/viam-server.log": str(folder / "log.txt"),  # noqa: S108 - the README's
        "/tmp/viam-server ": f"{binary} ",  # noqa: S108 - the same
        CONFIGURATION: str(folder / "machine.json"),
    }

    def moved(text: str) -> str:
        for old, new in here.items():
            text = text.replace(old, new)
        return text

    (folder / "machine.json").write_text(moved((CHECKOUT / CONFIGURATION).read_text()))
    script = moved("\n".join(["trap 'kill $(jobs -p); wait' EXIT", *others]))
    home = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script), cwd=CHECKOUT, env=environment(home), stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), START_S)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, (folder / "log.txt").read_text(errors="replace")
    assert "This month so far" in output.decode()
