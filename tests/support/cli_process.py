"""The command line as processes of their own: with pipes, and on a terminal of a given width."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

COMMAND = (sys.executable, "-m", "viam_billing_client.cli")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_END_S = 60.0


@dataclass(frozen=True)
class Done:
    """How a process has ended."""

    code: int | None
    output: str
    errors: str


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of the user's own: no address, no profiles, no width."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIAM_", "XDG_", "COLUMNS"))}
    return {**kept, "XDG_CONFIG_HOME": "/nonexistent", "PYTHONIOENCODING": "utf-8", **(more or {})}


async def start(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> asyncio.subprocess.Process:
    """Start it with three pipes."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(env), cwd=cwd
    )


async def run(*arguments: str, env: Mapping[str, str] | None = None, typed: str = "", cwd: str | None = None) -> Done:
    """Run it to its end, off a terminal."""
    process = await start(*arguments, env=env, cwd=cwd)
    output, errors = await asyncio.wait_for(process.communicate(typed.encode()), _END_S)
    return Done(process.returncode, output.decode(errors="replace"), errors.decode())


async def run_all(commands: Iterable[Sequence[str]]) -> list[Done]:
    """Run several, two at a time."""
    room = asyncio.Semaphore(2)

    async def one(arguments: Sequence[str]) -> Done:
        async with room:
            return await run(*arguments)

    return list(await asyncio.gather(*map(one, commands)))


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, process: asyncio.subprocess.Process, end: int) -> None:
        self.process = process
        self._end = end
        self._seen = b""
        self._closed = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, self._read)

    @property
    def raw(self) -> str:
        """All that it has written, with what moves the cursor and sets colors."""
        return self._seen.decode(errors="replace")

    @property
    def text(self) -> str:
        """All that it has written, without those."""
        return _CONTROL.sub("", self.raw).replace("\r\n", "\n")

    def type(self, text: str) -> None:
        """Type; the character 3 is Ctrl-C."""
        os.write(self._end, text.encode())

    async def code(self) -> int:
        """Wait for the end of the process and of what it writes. Returns the exit code."""
        code = await asyncio.wait_for(self.process.wait(), _END_S)
        await asyncio.wait_for(self._closed.wait(), _END_S)
        return code

    def _read(self) -> None:
        try:
            read = os.read(self._end, 65536)
        except OSError:  # how Linux tells that nobody holds the other end any more
            read = b""
        self._seen += read
        if not read:
            asyncio.get_running_loop().remove_reader(self._end)
            self._closed.set()

    async def close(self) -> None:
        """End the process, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)


def _as_on_a_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs tests in the background may have it ignored


@contextlib.asynccontextmanager
async def on_terminal(
    *arguments: str, width: int = 80, env: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Start it with all three streams on a terminal, which is the one that it gets signals of."""
    end, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=other,
        stdout=other,
        stderr=other,
        env=environment({"TERM": "xterm", **(env or {})}),
        start_new_session=True,
        preexec_fn=_as_on_a_terminal,
    )
    os.close(other)
    terminal = Terminal(process, end)
    try:
        yield terminal
    finally:
        await terminal.close()
