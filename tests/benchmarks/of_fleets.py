"""A fleet's usage over a cloud with latency, with other callers beside it; and a history of 13 months."""

# ruff: noqa: ASYNC240 - nothing else waits while a file of the benchmark's own is looked at
from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Bar, Figure, percentile, shown
from benchmarks.load import Size, latencies_s
from benchmarks.processes import Asked, attributes, cpu_s, peak_bytes, resident_bytes
from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing.cloud.session import CALLS_AT_ONCE
from viam_billing.core.times import DAY_S, HOUR_S, month_start_s, to_rfc3339
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import FILE_NAME, KEPT_S, Point, UsageHistory
from viam_billing_sandbox.control import Fault
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

_LATENCY_S = 0.02
_ASK_EVERY_S = 0.005
_FLEET = {"command": "get_fleet_usage"}
_OTHER = {"command": "get_invoices_summary"}
_EVERYTHING = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]}
_MB = 1_000_000
_TYPES = 8
_SEED = 20261121


async def fleet(size: Size) -> list[Figure]:
    """Cold, then cached: the calls, the time, the memory, and what callers of something else notice of it."""
    locations, organizations = size.fleet
    counts = ("--locations", str(locations), "--organizations", str(organizations))
    with tempfile.TemporaryDirectory() as folder, SandboxProcess("--quiet", *counts) as sandbox:
        async with ModuleProcess() as module:
            await module.add(attributes(sandbox, **_EVERYTHING, state_dir=f"{folder}/state"))
            ask, other = Asked(module, "billing", _FLEET), Asked(module, "billing", _OTHER)
            await latencies_s(other, size.calls // 10)
            idle_s = await _beside(other, asyncio.create_task(asyncio.sleep(size.idle_s)))
            idle_bytes = resident_bytes(module)
            sandbox.control.set_fault(Fault(latency_before_s=_LATENCY_S))
            sandbox.control.reset_stats()
            started_s, started_cpu_s = time.perf_counter(), cpu_s(module)
            asking = asyncio.create_task(ask())
            beside_s = await _beside(other, asking)
            await asking
            cold_s, cold_cpu_s = time.perf_counter() - started_s, cpu_s(module) - started_cpu_s
            cold = sandbox.control.stats()
            sandbox.control.reset_stats()
            started_cpu_s = cpu_s(module)
            cached_s = await latencies_s(ask, 1 + size.rounds)
            cached_cpu_s = cpu_s(module) - started_cpu_s
            cached_calls = sum(sandbox.control.stats().calls.values())
            peak = peak_bytes(module)
            answer = await ask.answer()
    if not answer["complete"] or len(answer["locations"]) != locations:
        raise RuntimeError("the fleet is not complete")
    calls = locations + organizations + 1
    ideal_s = calls * _LATENCY_S / CALLS_AT_ONCE
    words = f"a fleet of {locations:,} locations and {organizations} organizations"
    cpu = f"{cold_cpu_s:.1f} s of processor time in the module"
    made_s, ready_s = cached_s[0], percentile(cached_s[1:], 0.5)
    p99, idle_p99 = percentile(beside_s, 0.99), percentile(idle_s, 0.99)
    told = f"{shown(p99 * 1e3, 'ms')} against {shown(idle_p99 * 1e3, 'ms')}, {len(beside_s)} and {len(idle_s)} reads"
    again = f"{shown(ready_s * 1e3, 'ms')} from then on; {cached_cpu_s:.2f} s of processor time for all {len(cached_s)}"
    return [
        Figure("fleet_calls", f"{words}, cold: calls", sum(cold.calls.values()), "", Bar(calls, calls)),
        Figure(
            "fleet_cold",
            f"its time, against {_LATENCY_S * 1e3:.0f} ms a call at {CALLS_AT_ONCE} in flight",
            cold_s / ideal_s,
            "x",
            Bar(at_most=1.6),
            f"{cold_s:.1f} s against {ideal_s:.1f} s; {cpu}",
            {"cold_s": cold_s, "ideal_s": ideal_s, "cpu_s": cold_cpu_s},
        ),
        Figure("fleet_in_flight", "its calls in flight at most", cold.max_in_flight, "", Bar(at_most=CALLS_AT_ONCE)),
        Figure("fleet_cached", "the same again, cached", made_s * 1e3, "ms", Bar(at_most=300), again),
        Figure("fleet_cached_calls", "its calls", cached_calls, "", Bar(at_most=0, at_least=0)),
        Figure(
            "fleet_memory", "memory for it, at the most, above idle", (peak - idle_bytes) / _MB, "MB", Bar(at_most=80)
        ),
        Figure(
            "fleet_others",
            "others' cached reads while it is read cold, p99, against idle",
            p99 / idle_p99,
            "x",
            Bar(at_most=5),
            told,
        ),
    ]


async def _beside(ask: Asked, task: asyncio.Task[None]) -> list[float]:
    """Latencies of reads, one after the other, for as long as a task lasts."""
    times: list[float] = []
    while not task.done():
        times += await latencies_s(ask, 1)
        await asyncio.sleep(_ASK_EVERY_S)
    return times


async def history(size: Size) -> list[Figure]:
    """A point for every hour of 13 months: the days of a year by type, and the file's size."""
    organizations = size.fleet[1]
    with tempfile.TemporaryDirectory() as folder, SandboxProcess("--quiet") as sandbox:
        await _fill_history(folder, sandbox.address, organizations)
        size_bytes = Path(folder, FILE_NAME).stat().st_size
        async with ModuleProcess() as module:
            await module.add(attributes(sandbox, **_EVERYTHING, state_dir=folder))
            since = to_rfc3339(time.time() - 365 * DAY_S)
            question = {"command": "get_usage_history", "org_id": DEFAULT_ORG_ID, "since": since, "by": "type"}
            ask = Asked(module, "billing", question)
            answer = await ask.answer()
            times_s = await latencies_s(ask, size.few_calls)
    if not 365 <= len(answer["points"]) <= 367:
        raise RuntimeError(f"{len(answer['points'])} days in place of a year's")
    if any(len(point.get("delta_by_type", ())) != _TYPES for point in answer["points"][:-1]):
        raise RuntimeError("the days are not there by type")
    how = f"{len(times_s)} answers, the slowest {shown(max(times_s) * 1e3, 'ms')}"
    what = f"13 months of {organizations} organizations, {_TYPES} types an hour"
    p50_ms = percentile(times_s, 0.5) * 1e3
    return [
        Figure("history_size", f"{what}: {FILE_NAME}", size_bytes / _MB, "MB", Bar(below=300)),
        Figure("history_year", "the days of a year of one of them by type, p50", p50_ms, "ms", Bar(at_most=100), how),
    ]


async def _fill_history(folder: str, address: str, organizations: int) -> None:
    """Costs that rise by the hour and begin anew with each month, written in the order in which the module does it."""
    now_s = time.time()
    types = {f"type_{number}": 1.0 for number in range(_TYPES)}
    made = UsageHistory(Disk(), folder, address)
    for org_id in (DEFAULT_ORG_ID, *(f"organization-{number}" for number in range(1, organizations))):
        await made.note(org_id, Point(now_s, month_start_s(now_s), 1.0, types))  # makes the file and the names in it
    made.close()
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    db = sqlite3.connect(Path(folder, FILE_NAME))
    per_hour = {series: chance.uniform(0.01, 5.0) for (series,) in db.execute("SELECT id FROM series")}
    for back in range(int(KEPT_S / HOUR_S))[::-1]:
        time_s = now_s - back * HOUR_S
        month_s = month_start_s(time_s)
        rows = []
        for series, dollars in per_hour.items():
            costs = [dollars * ((time_s - month_s) / HOUR_S + chance.random()) for _ in types]
            packed = struct.pack(f"<{_TYPES}d", *costs)
            rows.append((series, int(time_s // HOUR_S), time_s, month_s, sum(costs), 1, packed))
        db.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
