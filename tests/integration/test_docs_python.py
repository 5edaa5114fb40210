"""The programs of the documentation that ask a machine once, over a real connection as they would be run."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from support.docs_pages import PAGES, Block, blocks
from support.parent import Machine
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.usefixtures("control")

PROGRAMS = [
    block
    for name in PAGES
    for block in blocks(name)
    if block.language == "python" and "MACHINE-ADDRESS" in block.text and "while True" not in block.text
]
KEY = 'api_key="MACHINE-KEY", api_key_id="MACHINE-KEY-ID"'
_DIRECT = "dial_options=DialOptions(insecure=True, disable_webrtc=True)"
WITHOUT_KEY = {
    f"RobotClient.Options.with_api_key({KEY})": f"RobotClient.Options({_DIRECT})",
    KEY: "insecure=True",
}
"""Of the SDK and of the client. The test's machine is on this computer and asks for no key."""


async def run(program: Block, port: int, folder: Path) -> tuple[int | None, str, str]:
    """Run a program as a file. Returns its exit code, what it printed and what it complained of."""
    assert program.text.count(KEY) == program.text.count("MACHINE-ADDRESS") == 1
    code = program.text.replace("MACHINE-ADDRESS", f"127.0.0.1:{port}")
    for with_key, without in WITHOUT_KEY.items():
        code = code.replace(with_key, without)
    file = folder / "program.py"
    file.write_text(f"from viam.rpc.dial import DialOptions\n{code}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, printed.decode(), complained.decode()


@pytest.mark.parametrize(
    ("program", "words"),
    list(zip(PROGRAMS, [DEFAULT_ORG_ID, ".pdf ", "by the month's end, as of"], strict=True)),
    ids=lambda value: value.where if isinstance(value, Block) else "",
)
async def test_a_program_prints_what_it_asked_for(
    program: Block, words: str, attributes: dict[str, Any], tmp_path: Path
) -> None:
    """With the SDK or the client, through the machine; it ends well."""
    async with Machine() as machine:
        await machine.parent.listen()
        await machine.add_service(attributes)
        code, printed, complained = await run(program, machine.parent.port, tmp_path)
    assert code == 0, complained
    assert words in printed
    assert "no answer" not in printed
