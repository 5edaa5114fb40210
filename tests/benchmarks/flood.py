"""How much a flood of refused requests leaves in the folder and writes to the disk, at 100 a second.

python tests/benchmarks/flood.py [--seconds N]

Refused requests of six shapes, none like another. An hour is reckoned from the growth of the journal's pages in the
last half of the time, with a full write-ahead log, 4 MiB, on top.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the packages'

from grpclib import GRPCError  # noqa: E402 - see above

from benchmarks.processes import attributes  # noqa: E402 - the same
from integration.test_flood import refusals, size_of  # noqa: E402 - the same
from support.charging import CHARGING, charge  # noqa: E402 - the same
from support.module_process import ModuleProcess  # noqa: E402 - the same
from support.sandbox_process import SandboxProcess  # noqa: E402 - the same

_A_SECOND = 100
_MIB = 2**20
_LOG_BYTES = 4 * _MIB


async def flood(seconds: int) -> list[str]:
    """Send. Returns lines: what the folder and the disk got."""
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module:
            folder = str(module.folder / "state")
            await module.add(attributes(sandbox, state_dir=folder, **CHARGING))
            await module.do(charge("before"))
            first, written, pages = size_of(folder), _written(module.process.pid), [_pages_bytes(folder)]
            began, requests = time.monotonic(), refusals()
            for second in range(seconds):
                await asyncio.gather(*(_refused(module, next(requests)) for _ in range(_A_SECOND)))
                await asyncio.sleep(max(0.0, began + second + 1 - time.monotonic()))
                pages.append(_pages_bytes(folder))
            took_s = time.monotonic() - began
            entries = (await module.ask("get_audit_log", limit=20_000))["entries"]
            pace = (pages[-1] - pages[seconds // 2]) / (seconds - seconds // 2)
            hour = pages[-1] - pages[0] + pace * (3600 - seconds) + _LOG_BYTES
            wear = _written(module.process.pid) - written
            return [
                f"{seconds * _A_SECOND} requests in {took_s:.0f} s: {len(entries)} entries",
                f"the folder: {(size_of(folder) - first) / _MIB:.2f} MiB more",
                f"written to the disk: {wear / _MIB:.2f} MiB, in an hour {wear * 3600 / took_s / _MIB:.0f}",
                f"the journal's pages: {(pages[-1] - pages[0]) / _MIB:.2f} MiB more",
                f"the folder after an hour, with a full write-ahead log: {hour / _MIB:.1f} MiB more",
            ]


async def _refused(module: ModuleProcess, request: dict[str, Any]) -> None:
    with contextlib.suppress(GRPCError):
        await module.do(request)


def _written(pid: int) -> int:
    """Bytes that a process has sent to the disk, 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            name, _, value = line.partition(": ")
            if name == "write_bytes":
                return int(value)
    return 0


def _pages_bytes(folder: str) -> int:
    """The journal's size once its write-ahead log is in it."""
    with contextlib.closing(sqlite3.connect(Path(folder) / "journal.db")) as db:
        return int(db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    sys.stdout.write("\n".join([*asyncio.run(flood(parser.parse_args().seconds)), ""]))
