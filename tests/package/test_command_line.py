"""The command line as a caller gets it: the wheel with its extra `cli`, in an empty virtual environment."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from support.checkout import run
from support.cli_process import environment
from support.fake_robot import fake_robot
from support.module_process import CHECKOUT, PACKAGED

pytestmark = [
    pytest.mark.skipif(PACKAGED, reason="the archive has nothing of it"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed `viam-billing`."""
    folder = tmp_path_factory.mktemp("caller")
    for step in (
        ("bundle/dist.sh", folder),
        (sys.executable, "-I", "-m", "venv", folder / "venv"),
    ):
        done = run(*step, cwd=CHECKOUT)
        assert done.status == 0, done.errors
    (wheel,) = folder.glob("viam_billing-*.whl")
    # pip takes the hashes of a lock only where it names everything, and this is about what the wheel names
    lock = (CHECKOUT / "requirements" / "dev.txt").read_text()
    (folder / "versions.txt").write_text("\n".join(re.findall(r"^(\S+==[^\\\n]+)", lock, re.MULTILINE)))
    pip = (folder / "venv" / "bin" / "python", "-I", "-m", "pip", "install", "--quiet", "--only-binary", ":all:")
    done = run(*pip, "-c", folder / "versions.txt", f"{wheel}[cli]")
    assert done.status == 0, done.errors
    return folder / "venv" / "bin" / "viam-billing"


async def test_it_is_installed_as_a_command(command: Path) -> None:
    async with fake_robot() as robot:
        for arguments in (("--help",), ("usage", *robot.options), ("fleet", "-o", "csv", *robot.options)):
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                command, *arguments, stdout=pipe, stderr=pipe, env=environment()
            )
            output, errors = await process.communicate()
            assert (process.returncode, errors) == (0, b"")
            assert output


def test_it_says_that_the_sandbox_is_not_shipped(command: Path) -> None:
    done = run(command, "--sandbox", "usage")
    assert (done.status, done.output) == (2, "")
    assert "checkout" in done.errors
