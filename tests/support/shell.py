"""Shell commands of the documentation's pages, run as a reader runs them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.docs_pages import blocks

PAGE: Final = "ways-in.md"
_TIME_S: Final = 60


@dataclass(frozen=True)
class Done:
    """How a script ended and what it printed."""

    code: int | None
    output: str
    errors: str


def script(word: str, replaced: Mapping[str, str], page: str = PAGE) -> str:
    """The one shell block of a page that has this word, with a test's own addresses and keys; each has to occur."""
    (found,) = (block.text for block in blocks(page) if block.language == "sh" and word in block.text)
    for documented, own in replaced.items():
        assert documented in found, f"{documented} is not in: {found}"
        found = found.replace(documented, own)
    return found


async def run(text: str, folder: Path) -> Done:
    """Run a script with the system's `sh` in a folder."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        text,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), _TIME_S)
    return Done(process.returncode, output.decode(), errors.decode())
