"""The module and the cloud: next to the naive way, a cold crowd, and a cloud that says nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from grpclib import GRPCError

from benchmarks.figures import Bar, Figure, percentile, ratio
from benchmarks.load import Size, latencies_in_turn_s, latencies_s
from benchmarks.processes import Asked, NaiveProcess, attributes
from support.module_process import ModuleProcess
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY
from support.sandbox_process import SandboxProcess

_CROWD = 500
_QUESTION = {"command": "get_location_usage"}
_ASKED_ANEW = {"command": "get_location_usage", "max_age_s": 0}
_ASK_EVERY_S = 0.002


async def naive(size: Size) -> list[Figure]:
    """One question, from memory and asked anew, next to a new ViamClient for each call; the cloud has no latency."""
    figures = []
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module, NaiveProcess() as other:
            await module.add(attributes(sandbox))
            await other.add(attributes(sandbox))
            # The bar is for what robots do. Without a network's latency most of the other one is the cloud's own time.
            for name, what, command, bar in (
                ("naive_cached", "a new ViamClient per call, against a cached read", _QUESTION, Bar(at_least=3)),
                ("naive_anew", "the same, against a read that asks the cloud each time", _ASKED_ANEW, None),
            ):
                ours, slow = Asked(module, "billing", command), Asked(other, "billing", command)
                await latencies_in_turn_s(ours, slow, 1)
                rounds = [await latencies_in_turn_s(ours, slow, size.few_calls) for _ in range(size.rounds)]
                our_times, slow_times = ([percentile(pair[side], 0.5) * 1e3 for pair in rounds] for side in range(2))
                # "at least 3 times faster": the slow side is the one that is divided.
                figures.append(ratio(name, what, slow_times, our_times, "ms", bar))
    return figures


async def cold_crowd(size: Size) -> list[Figure]:  # noqa: ARG001 - the signature of all measurements
    """What the cloud sees of many callers at once, when nothing is known yet."""
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module:
            await module.add(attributes(sandbox))
            ask = Asked(module, "billing", _QUESTION)
            answers = await asyncio.gather(*(ask.answer() for _ in range(_CROWD)))
            stats = sandbox.control.stats()
    if any(answer["stale"] for answer in answers):
        raise RuntimeError("an answer is stale")
    calls = {name: count for name, count in stats.calls.items() if name != "Authenticate"}
    if sorted(calls) != ["GetCurrentMonthUsage", "GetLocationBillingOrganization"]:
        raise RuntimeError(f"other calls than expected: {calls}")
    crowd, one = f"{_CROWD} callers at once, cold", Bar(at_most=1, at_least=1)
    how = ", ".join(f"{name} {count}" for name, count in calls.items())
    details = {"calls": dict(stats.calls)}
    return [
        Figure("cold_calls", f"{crowd}: calls of one RPC to the cloud", max(calls.values()), "", one, how, details),
        Figure("cold_logins", f"{crowd}: logins", stats.logins, "", one),
    ]


async def silent_tls(size: Size) -> list[Figure]:
    """A cached read while others wait for a cloud that accepts connections and never says a word.

    The module is a new process, so that its very first connection is one of those; what it knows comes from the disk.
    """
    timeout_s = size.silence_s * 2
    with SandboxProcess("--tls", "--quiet") as sandbox:
        own = attributes(sandbox, timeout_s=timeout_s)
        other_key = {"api_key_id": HARBOR_KEY[0], "api_key": HARBOR_KEY[1], "org_id": HARBOR_ID}
        async with ModuleProcess() as module:
            await module.add(own)
            await Asked(module, "billing", _QUESTION)()
            sandbox.control.connections("silent")
            sandbox.control.cut()
            await module.restart()
            await module.add(own)
            await module.add({**own, **other_key}, "other")
            ask = Asked(module, "billing", _QUESTION)
            if (await ask.answer())["stale"]:
                raise RuntimeError("the cached answer is stale")
            waiting = [
                asyncio.create_task(_unanswered(Asked(module, service, {"command": "get_invoices_summary"})))
                for service in ("billing", "other")
                for _ in range(4)
            ]
            times = await _while_waiting(ask, waiting, size.silence_s)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
    p99 = percentile(times, 0.99) * 1e3
    how = f"{len(times)} reads in {size.silence_s:g} s, the slowest {max(times) * 1e3:.1f} ms"
    details: dict[str, Any] = {"reads": len(times), "slowest_ms": max(times) * 1e3}
    what = "a cached read while the cloud's TLS is silent, p99"
    return [Figure("silent_tls", what, p99, "ms", Bar(below=50), how, details)]


async def _unanswered(ask: Asked) -> None:
    with contextlib.suppress(GRPCError):
        await ask()


async def _while_waiting(ask: Asked, waiting: list[asyncio.Task[None]], for_s: float) -> list[float]:
    """Latencies for some seconds, all of them while the others wait."""
    times = []
    end_s = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < end_s:
        times += await latencies_s(ask, 1)
        await asyncio.sleep(_ASK_EVERY_S)
    if any(task.done() for task in waiting):
        raise RuntimeError("the cloud was not silent: a call to it ended")
    return times
