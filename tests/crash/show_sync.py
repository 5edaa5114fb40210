"""Shows from the system calls that a charge's mark is on the disk before its first byte leaves.

python tests/crash/show_sync.py

Watches the module with strace while it charges and prints, in order, writes and syncs of the journal's files and what
is sent to the cloud. Ends with 1 if the request left while a write was not synced, with 2 where there is no strace.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the package's

from support.charging import CHARGING, RPC, charge  # noqa: E402 - see above
from support.module_process import ModuleProcess  # noqa: E402 - the same
from support.sandbox_process import SandboxProcess  # noqa: E402 - the same
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_ORG_ID  # noqa: E402 - the same

_CALLS = "pwrite64,write,writev,fsync,fdatasync,sync_file_range,sendto,sendmsg"
_SYNCS = {"fsync", "fdatasync"}
_SENDS = {"write", "writev", "sendto", "sendmsg"}
_JOURNAL = "journal.db"
_KEY = "shown-by-strace"
_LINE = re.compile(r"^(?P<thread>\d+) +(?P<time>[\d.]+) (?P<call>\w+)\(\d+<(?P<file>[^>]*)>(?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<thread>\d+) +(?P<time>[\d.]+) <\.\.\. (?P<call>\w+) resumed>")
_ATTACHED_S = 10.0


async def trace() -> list[str]:
    """The system calls of a module while it charges for the second time: connection and files are there by then."""
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module:
            key = {"api_key_id": DEFAULT_API_KEY_ID, "api_key": DEFAULT_API_KEY, "org_id": DEFAULT_ORG_ID}
            folder = str(module.folder / "state")
            await module.add({**CHARGING, **key, "app_address": sandbox.address, "state_dir": folder})
            await module.do(charge("first"))
            file = module.folder / "trace"
            with _strace(module.process.pid, file):
                await module.do(charge(_KEY))
            return file.read_text(errors="replace").splitlines()


@contextlib.contextmanager
def _strace(pid: int, file: Path) -> Iterator[None]:
    command = ["strace", "-f", "-yy", "-ttt", "-s", "4096", "-e", f"trace={_CALLS}", "-o", str(file), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracing:  # noqa: S603 - the command is built here
        assert tracing.stderr is not None
        if not select.select([tracing.stderr], [], [], _ATTACHED_S)[0] or b"attached" not in tracing.stderr.readline():
            raise RuntimeError("strace cannot attach to the module: is ptrace allowed here?")
        try:
            yield
        finally:
            tracing.send_signal(signal.SIGINT)


def told(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What happened, in order: `write`, `sync` when it has returned, `send`, `other`, and a line about it."""
    for line in lines:
        resumed = _RESUMED.match(line)
        if resumed is not None and resumed["call"] in _SYNCS:
            yield "sync", f"{resumed['time']}  thread {resumed['thread']}  {resumed['call']} has returned"
        parts = _LINE.match(line)
        if parts is None:
            continue
        call, name = parts["call"], Path(parts["file"]).name
        where = f"{parts['time']}  thread {parts['thread']}  {call}"
        if name.startswith(_JOURNAL):
            mark = " with a row of the key" if _KEY in parts["rest"] else ""
            kind = "write" if call not in _SYNCS else "other" if "<unfinished" in parts["rest"] else "sync"
            yield kind, f"{where} {name}{mark}"
        elif call in _SENDS and parts["file"].startswith("TCP:") and _KEY in parts["rest"]:
            yield "send", f"{where} to the cloud: {RPC} with the key in its description"
        elif call in _SENDS and parts["file"].startswith("TCP:"):
            yield "other", f"{where} to the cloud"


def main() -> int:
    """Traces, prints, judges."""
    if shutil.which("strace") is None:
        sys.stdout.write("there is no strace on this machine; install it to see the system calls\n")
        return 2
    happened = list(told(asyncio.run(trace())))
    sys.stdout.write("".join(f"{line}\n" for _, line in happened))
    kinds = [kind for kind, _ in happened]
    if "send" not in kinds:
        sys.stdout.write("BROKEN: the request was not seen\n")
        return 1
    before = [kind for kind in kinds[: kinds.index("send")] if kind in {"write", "sync"}]
    synced = bool(before) and before[-1] == "sync"
    words = "synced before the request leaves" if synced else "NOT synced when the request leaves"
    sys.stdout.write(f"{before.count('write')} writes to the journal and {before.count('sync')} syncs: {words}\n")
    return 0 if synced else 1


if __name__ == "__main__":
    sys.exit(main())
