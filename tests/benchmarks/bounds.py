"""What the largest and oddest requests, and answers of the cloud, cost others: time on the event loop, and memory."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import grpc.aio
from grpclib import GRPCError

from benchmarks import extremes
from benchmarks.figures import Bar, Figure
from benchmarks.load import Size
from benchmarks.processes import Asked, attributes, peak_bytes, resident_bytes
from support.module_process import ModuleProcess
from support.raw_cloud import RawCloud
from support.sandbox_process import SandboxProcess

_MB: Final = 1_000_000
_CALL_S: Final = 60.0
_PAUSE_S: Final = 0.001
_AFTERWARDS: Final = 30
"""Cheap calls that are still watched when the work has ended: what it left for the background counts too."""
_CHEAP: Final = {"command": "help", "name": "help"}
_REFUSALS: Final = ("invalid_request", "unknown_command", "command_not_allowed")
_EVERYTHING: Final = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]}


class Noticed:
    """What a caller of something cheap notices of others' work, and the memory that the work takes.

    The delay is that of the longest call; of several rounds the least, as other processes delay calls too.
    """

    def __init__(self) -> None:
        self.delay_s = float("inf")
        self.above_bytes = 0

    async def watch(self, module: ModuleProcess, ask: Asked, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work in another round."""
        Path(f"/proc/{module.process.pid}/clear_refs").write_text("5")  # noqa: ASYNC240 - VmHWM begins anew
        idle_bytes = resident_bytes(module)
        longest_s, left = 0.0, _AFTERWARDS
        working = asyncio.ensure_future(work())
        while left:
            started_s = time.perf_counter()
            await ask()
            longest_s = max(longest_s, time.perf_counter() - started_s)
            await asyncio.sleep(_PAUSE_S)
            left -= working.done()
        await working
        self.delay_s = min(self.delay_s, longest_s)
        self.above_bytes = max(self.above_bytes, peak_bytes(module) - idle_bytes)


async def of_requests(size: Size) -> list[Figure]:
    """The worst of all requests, at a service that allows nothing."""
    found: dict[str, Noticed] = {}
    with SandboxProcess("--quiet") as sandbox, tempfile.TemporaryDirectory() as folder:
        async with ModuleProcess() as module:
            await module.add(attributes(sandbox, allowed_commands=[], state_dir=f"{folder}/state"))
            ask = Asked(module, "billing", _CHEAP)
            options = (("grpc.max_send_message_length", -1),)
            async with grpc.aio.insecure_channel(f"unix:{module.socket}", options) as channel:
                for name, (path, request) in islice(extremes.requests().items(), size.extremes):
                    found[name] = noticed = Noticed()
                    for _ in range(size.rounds):
                        await noticed.watch(module, ask, partial(_refused, channel.unary_unary(path), request))
    return _figures("requests", "the worst of refused requests up to 32 MiB", found, Bar(at_most=50), Bar(at_most=40))


async def _refused(send: Any, request: bytes) -> None:  # noqa: ANN401 - its type knows no bytes
    try:
        await send(request, timeout=_CALL_S)
    except grpc.aio.AioRpcError as error:
        if (error.details() or "").partition(":")[0] not in _REFUSALS:
            raise
    else:
        raise RuntimeError("a request was not refused")


async def of_answers(size: Size) -> list[Figure]:
    """The worst of all answers of the cloud, each to a new module that is logged in."""
    found: dict[str, Noticed] = {}
    with RawCloud() as cloud, SandboxProcess("--quiet") as sandbox, tempfile.TemporaryDirectory() as folder:
        for name, (question, messages) in islice(extremes.answers().items(), size.extremes):
            async with ModuleProcess() as module:
                own = attributes(sandbox, **_EVERYTHING, state_dir=f"{folder}/{len(found)}")
                await module.add({**own, "app_address": cloud.address})
                ask, asked = Asked(module, "billing", _CHEAP), Asked(module, "billing", question)
                cloud.answer({})
                await ask()
                await _answered(asked)
                cloud.answer(messages)
                found[name] = noticed = Noticed()
                for _ in range(size.rounds):
                    await noticed.watch(module, ask, partial(_answered, asked))
    return _figures("answers", "the worst of the cloud's answers", found, Bar(at_most=100), Bar(at_most=80))


async def _answered(ask: Asked) -> None:
    try:
        await ask()
    except GRPCError as error:
        if (error.message or "").partition(":")[0] not in ("cloud_error", "result_too_large"):
            raise


def _figures(name: str, what: str, found: Mapping[str, Noticed], delay: Bar, memory: Bar) -> list[Figure]:
    rows = {case: (each.delay_s * 1e3, each.above_bytes / _MB) for case, each in found.items()}
    slowest = max(rows, key=lambda case: rows[case][0])
    largest = max(rows, key=lambda case: rows[case][1])
    details = {"cases": {case: {"delay_ms": row[0], "above_mb": row[1]} for case, row in rows.items()}}
    return [
        Figure(f"{name}_delay", f"{what}: others' delay", rows[slowest][0], "ms", delay, slowest, details),
        Figure(f"{name}_memory", f"{what}: memory above idle", rows[largest][1], "MB", memory, largest),
    ]
