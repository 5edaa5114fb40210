"""What the command line costs: its help, and a fleet of 10,000 locations after its answer."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from typing import Any, Final

from benchmarks.figures import Bar, Figure
from benchmarks.load import Size
from support.cli_process import COMMAND, environment
from support.fake_robot import fake_robot
from viam_billing_client.testing.samples import SAMPLES

_LOCATIONS: Final = 10_000
_PAYERS: Final = 200
_PARENT: Final = """
import resource, subprocess, sys, time
start_s = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process that starts the command: Linux counts to a new process what the one that starts it has used."""


async def help_text(size: Size) -> list[Figure]:
    """`viam-billing --help`, from its start to its end."""
    times = [(await asyncio.to_thread(_run, "--help"))[0] for _ in range(size.starts)]
    how = f"median of {size.starts} processes"
    return [Figure("cli_help", "`viam-billing --help`", statistics.median(times) * 1e3, "ms", Bar(at_most=350), how)]


async def fleet(size: Size) -> list[Figure]:
    """From the moment in which the machine has the answer until the process has ended, and its memory."""
    fleet_usage = _fleet()
    answered_s = 0.0

    def answer(_: object) -> dict[str, Any]:
        nonlocal answered_s
        answered_s = time.perf_counter()
        return fleet_usage

    figures = []
    async with fake_robot() as robot:
        robot.answer = answer
        for form in ("table", "json", "csv"):
            seconds, megabytes = [], []
            for _ in range(size.rounds):
                command = ("fleet", "--locations", "-o", form, *robot.options)
                _, memory = await asyncio.to_thread(_run, *command)
                seconds.append(time.perf_counter() - answered_s)
                megabytes.append(memory)
            what = f"a fleet of {_LOCATIONS:,} as {form}"
            after_ms, memory_mb = statistics.median(seconds) * 1e3, max(megabytes)
            figures += [
                Figure(f"cli_fleet_{form}", f"{what}, after its answer", after_ms, "ms", Bar(below=1000)),
                Figure(f"cli_memory_{form}", f"{what}, memory", memory_mb, "MB", Bar(below=200)),
            ]
    return figures


def _run(*arguments: str) -> tuple[float, float]:
    """Run it. Returns seconds, and megabytes at the most."""
    parent = [sys.executable, "-I", "-c", _PARENT, *COMMAND, *arguments]
    done = subprocess.run(parent, stdout=subprocess.PIPE, env=environment(), check=True)  # noqa: S603 - ours
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes / 1e3


def _fleet() -> dict[str, Any]:
    sample = SAMPLES["get_fleet_usage"]
    (organization,), (location,) = sample["organizations"], sample["locations"]
    payers = [f"{number:08}-0000-4000-8000-000000000000" for number in range(_PAYERS)]
    ids = [f"loc{number:07}" for number in range(_LOCATIONS)]
    return {
        **sample,
        "organizations": [
            {**organization, "org_id": payer, "location_ids": ids[at::_PAYERS]} for at, payer in enumerate(payers)
        ],
        "locations": [
            {**location, "location_id": each, "name": f"Hall {at}", "billing_organization_id": payers[at % _PAYERS]}
            for at, each in enumerate(ids)
        ],
    }
