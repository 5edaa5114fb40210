"""What the operating system knows of a process: memory, file descriptors, threads, processor time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Snapshot:
    """One look at a process."""

    resident_mb: float
    descriptors: int
    threads: int
    cpu_s: float
    files: tuple[str, ...]

    def __str__(self) -> str:
        """For the report."""
        return f"{self.resident_mb:.1f} MB resident, {self.descriptors} file descriptors, {self.threads} threads"


def look(pid: int) -> Snapshot:
    """A process as it is now."""
    process = Path(f"/proc/{pid}")
    facts = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    # The process's name, in parentheses, may hold blanks: count from behind it. proc(5): utime is 14, stime 15.
    times = (process / "stat").read_text().rpartition(")")[2].split()
    files = [_behind(link) for link in (process / "fd").iterdir()]
    return Snapshot(
        resident_mb=int(facts["VmRSS"].split()[0]) * 1024 / 1e6,
        descriptors=len(files),
        threads=int(facts["Threads"]),
        cpu_s=(int(times[11]) + int(times[12])) / _TICKS_PER_S,
        files=tuple(files),
    )


def _behind(link: Path) -> str:
    """What a descriptor is of; sockets and pipes without their numbers."""
    try:
        return str(link.readlink()).partition(":[")[0]
    except FileNotFoundError:
        return "closed meanwhile"
