"""What the client for callers costs: its import on top of the SDK's, and a call on top of the SDK's own."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from typing import Final

from viam.services.generic.client import GenericClient

from benchmarks.figures import Bar, Figure, percentile, shown
from benchmarks.load import Size, latencies_in_turn_s
from benchmarks.processes import attributes, thirty_values
from support.module_process import CHECKOUT, ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing_client import Billing

_IMPORT: Final = """
import sys, time, viam.robot.client
sys.path.insert(0, "src")
start_s = time.perf_counter()
{}
print(time.perf_counter() - start_s)
"""
_IMPORTS: Final = {
    "client_import": ("import viam_billing_client", Bar(at_most=15)),
    "client_import_billing": ("from viam_billing_client import Billing", Bar(at_most=15)),
    "client_import_records": ("from viam_billing_client import Billing, answers; answers.LocationUsage", None),
}


async def imports(size: Size) -> list[Figure]:
    """On top of `viam.robot.client`, in a new interpreter each time."""
    times: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    for _ in range(size.starts):
        for name, (statement, _bar) in _IMPORTS.items():
            times[name].append(await asyncio.to_thread(_import_ms, statement))
    how = f"median of {size.starts} interpreters"
    return [
        Figure(name, f"`{statement}` after the SDK's client", statistics.median(times[name]), "ms", bar, how)
        for name, (statement, bar) in _IMPORTS.items()
    ]


def _import_ms(statement: str) -> float:
    command = [sys.executable, "-I", "-c", _IMPORT.format(statement)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=CHECKOUT)  # noqa: S603 - the command is built here
    return float(done.stdout) * 1e3


async def call(size: Size) -> list[Figure]:
    """A cached read of 30 values into a record, against the SDK's `do_command` of the same into a dictionary, p50."""
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module:
            await thirty_values(sandbox, module)
            await module.add(attributes(sandbox))
            resource = GenericClient("billing", module.channel)
            billing = Billing.from_resource(resource)

            async def ours() -> None:
                await billing.get_location_usage()

            async def sdks() -> None:
                await resource.do_command({"command": "get_location_usage"}, timeout=30)

            await latencies_in_turn_s(ours, sdks, size.calls // 4)
            rounds = [await latencies_in_turn_s(ours, sdks, size.calls) for _ in range(size.rounds)]
    mine, other = ([percentile(pair[side], 0.5) * 1e3 for pair in rounds] for side in range(2))
    value = statistics.median(a - b for a, b in zip(mine, other, strict=True))
    how = f"{shown(statistics.median(mine), 'ms')} against {shown(statistics.median(other), 'ms')}"
    what = "a client's call of 30 values, p50, over the SDK's own"
    details = {"of_unit": "ms", "ours": mine, "others": other}
    return [Figure("client_call", what, value, "ms", Bar(at_most=0.15), how, details)]
