"""The module next to the bare SDK's echo of the same answer: latency, throughput, growth, memory, start, import."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys

from benchmarks.figures import Bar, Figure, percentile, ratio
from benchmarks.load import Size, latencies_in_turn_s, per_s, per_s_in_turn
from benchmarks.processes import (
    Asked,
    EchoProcess,
    attributes,
    ready_after_s,
    resident_bytes,
    thirty_values,
)
from support.module_process import ModuleProcess
from support.sandbox_caller import HARBOR_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

_ALDER_ID = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"
_QUESTION = {"command": "get_location_usage"}
_CALLERS = (1, 8, 32, 100)
_CALLERS_OF_BAR = 32
_INVOICES = {DEFAULT_ORG_ID: 12, HARBOR_ID: 120, _ALDER_ID: 1200}
_INVOICES_IN_SCENARIO = 12
_MB = 1_000_000
_IMPORT = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


async def cached_reads(size: Size) -> list[Figure]:
    """Of `get_location_usage` from memory: latency, and throughput by the number of callers."""
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module, EchoProcess() as echo:
            answer = await thirty_values(sandbox, module)
            await module.add(attributes(sandbox))
            await echo.add(answer)
            ours, other = Asked(module, "billing", _QUESTION), Asked(echo, "billing", _QUESTION)
            if (await ours.answer()).keys() != (await other.answer()).keys():
                raise RuntimeError("the two sides do not answer the same")
            return [*await _latency(ours, other, size), *await _throughput(ours, other, size)]


async def _latency(ours: Asked, other: Asked, size: Size) -> list[Figure]:
    await latencies_in_turn_s(ours, other, size.calls // 4)
    rounds = [await latencies_in_turn_s(ours, other, size.calls) for _ in range(size.rounds)]
    figures = []
    for name, share, bar in (("p50", 0.5, Bar(at_most=0.90)), ("p99", 0.99, None)):
        sides = [[percentile(side, share) * 1e6 for side in pair] for pair in rounds]
        our_times, other_times = [pair[0] for pair in sides], [pair[1] for pair in sides]
        what = f"cached read of 30 values, {name}, against the echo"
        figures.append(ratio(f"cached_read_{name}", what, our_times, other_times, "us", bar))
    return figures


async def _throughput(ours: Asked, other: Asked, size: Size) -> list[Figure]:
    figures = []
    for callers in _CALLERS:
        rounds = [await per_s_in_turn(ours, other, size.many_calls, callers) for _ in range(size.rounds)]
        bar = Bar(at_least=1.3) if callers == _CALLERS_OF_BAR else None
        what = f"its throughput at {callers} {'caller' if callers == 1 else 'callers'}, against the echo"
        name = f"throughput_{callers}_callers"
        figures.append(ratio(name, what, [a for a, _ in rounds], [b for _, b in rounds], "per s", bar))
    return figures


async def growth_with_answer(size: Size) -> list[Figure]:
    """Of `get_invoices_summary` from memory, p50, with more and more invoices."""
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module, EchoProcess() as echo:
            await module.add(attributes(sandbox, allowed_org_ids=["*"]))
            figures = []
            for org_id, invoices in _INVOICES.items():
                more = [
                    {"months_ago": 1 + i % 48, "amount": 10.25 + i} for i in range(invoices - _INVOICES_IN_SCENARIO)
                ]
                sandbox.control.patch_organization(org_id, add_invoices=more)
                ours = Asked(module, "billing", {"command": "get_invoices_summary", "org_id": org_id})
                answer = await ours.answer()
                if answer["total_invoices"] != invoices:
                    raise RuntimeError(f"{answer['total_invoices']} invoices in place of {invoices}")
                await echo.add(answer, f"echo-{invoices}")
                other = Asked(echo, f"echo-{invoices}", _QUESTION)
                calls = max(10, size.calls * 6 // invoices)
                rounds = [await latencies_in_turn_s(ours, other, calls) for _ in range(size.rounds)]
                our_times, other_times = ([percentile(pair[side], 0.5) * 1e6 for pair in rounds] for side in range(2))
                what = f"cached list of {invoices} invoices, p50, against the echo"
                figures.append(ratio(f"invoices_{invoices}", what, our_times, other_times, "us"))
            return figures


async def memory(size: Size) -> list[Figure]:
    """Resident memory of two fresh processes that did the same work."""
    ours: list[float] = []
    others: list[float] = []
    with SandboxProcess("--quiet") as sandbox:
        for _ in range(size.rounds):
            async with ModuleProcess() as module, EchoProcess() as echo:
                answer = await thirty_values(sandbox, module)
                await module.add(attributes(sandbox))
                await echo.add(answer)
                for process, sizes in ((module, ours), (echo, others)):
                    await per_s(Asked(process, "billing", _QUESTION), size.memory_calls, _CALLERS_OF_BAR)
                    sizes.append(resident_bytes(process) / _MB)
    what = f"resident memory after {size.memory_calls:,} calls, against the echo"
    return [ratio("memory", what, ours, others, "MB", Bar(at_most=1.45))]


async def start(size: Size) -> list[Figure]:
    """From exec to the answer to Ready."""
    for kind in (EchoProcess, ModuleProcess):
        await ready_after_s(kind)  # once in vain: what is read first comes from the disk and is compiled
    ours, others = [], []
    for _ in range(size.starts):
        others.append(await ready_after_s(EchoProcess) * 1e3)
        ours.append(await ready_after_s(ModuleProcess) * 1e3)
    value = statistics.median(ours) / statistics.median(others)
    how = f"{statistics.median(ours):.0f} ms against {statistics.median(others):.0f} ms, {size.starts} starts each"
    details = {"of_unit": "ms", "ours": ours, "others": others}
    return [Figure("ready", "ready after start, against the echo", value, "x", Bar(at_most=1.15), how, details)]


async def import_time(size: Size) -> list[Figure]:
    """Of the module, over what any module of the SDK imports, in Python as run.sh starts it."""
    sides: dict[str, list[float]] = {"viam.module.module": [], "viam_billing.module.process": []}
    for _ in range(size.starts):
        for name, times in sides.items():
            times.append(await asyncio.to_thread(_import_ms, name))
    others, ours = sides.values()
    value = statistics.median(ours) - statistics.median(others)
    how = (
        f"{statistics.median(ours):.0f} ms against {statistics.median(others):.0f} ms, {size.starts} interpreters each"
    )
    details = {"of_unit": "ms", "ours": ours, "others": others}
    return [Figure("import", "import of the module, over the bare SDK", value, "ms", Bar(at_most=25), how, details)]


def _import_ms(name: str) -> float:
    command = [sys.executable, "-OO", "-I", "-c", _IMPORT.format(name)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - the command is built here
    return float(done.stdout) * 1e3
