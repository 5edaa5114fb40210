"""One call from the wire to its answer: faults, token, work, faults, answer.

request -> latency, fault "before" -> token -> work -> latency, fault "after" -> answer
           `----------- in a task of its own: goes on when the caller leaves ----------'
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
import grpc.aio
from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox.cloud import Call, Refused
from viam_billing_sandbox.faults import Faults, Plan
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.rpcs import AUTH

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Self

    from viam_billing_sandbox.cloud import Cloud
    from viam_billing_sandbox.faults import Fault
    from viam_billing_sandbox.relay import Relay
    from viam_billing_sandbox.rpcs import Rpc
    from viam_billing_sandbox.scenario import Key

# Behind TYPE_CHECKING's back: grpcio's own class is not generic, its stubs' is.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_BEARER: Final = "Bearer "
_CHUNK_BYTES: Final = 64 * 1024
_ID: Final = re.compile(r"(^|_)id(_|$)")
"""In the name of a field; `org_id_to_charge` is one too."""


@dataclass
class Counts:
    """How much has been going on since the last reset; `in_flight` alone is about now."""

    calls: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    max_in_flight: int = 0

    def reset(self) -> None:
        """Starts over, without forgetting the calls under way."""
        self.calls.clear()
        self.finished.clear()
        self.max_in_flight = self.in_flight


class _Silence(Exception):  # noqa: N818 - an answer of the cloud, not an error of the sandbox
    """The call gets no answer at all."""


class Engine:
    """Runs the cloud's calls."""

    def __init__(self, cloud: Cloud, relay: Relay, *, quiet: bool) -> None:
        self.cloud = cloud
        self.relay = relay
        self.faults = Faults()
        self.counts = Counts()
        self._quiet = quiet
        self._running: set[asyncio.Task[tuple[Message | bytes, Plan]]] = set()

    async def unary(self, rpc: Rpc, request: Message, context: Context) -> Message:
        """Serves a call with one answer."""
        with self._watched(rpc) as watch:
            answer, _ = await self._served(rpc, request, context, watch)
            assert not isinstance(answer, bytes)  # noqa: S101 - only GetInvoicePdf's work answers bytes
            watch.status = "OK"
            return answer

    async def chunks(self, rpc: Rpc, request: Message, context: Context) -> None:
        """Serves GetInvoicePdf, cut short where a fault says so."""
        with self._watched(rpc) as watch:
            content, plan = await self._served(rpc, request, context, watch)
            assert isinstance(content, bytes)  # noqa: S101 - the counterpart of the one above
            end = len(content) // 2 if plan.truncate_pdf else len(content)
            for start in range(0, end, _CHUNK_BYTES):
                chunk = content[start : min(start + _CHUNK_BYTES, end)]
                await context.write(billing_pb2.GetInvoicePdfResponse(chunk=chunk))
            if plan.truncate_pdf == "status":
                watch.status = "UNAVAILABLE"
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the stream broke half-way")
            watch.status = "OK"

    def _watched(self, rpc: Rpc) -> _Watch:
        return _Watch(rpc.name, self.counts, quiet=self._quiet)

    async def _served(
        self, rpc: Rpc, request: Message, context: Context, watch: _Watch
    ) -> tuple[Message | bytes, Plan]:
        """Answers what the work made, or ends the call with its status; never returns where it gets no answer."""
        task = asyncio.get_running_loop().create_task(self._run(rpc, request, _token(context), context.peer()))
        # The loop itself holds tasks weakly.
        self._running.add(task)
        task.add_done_callback(self._forget)
        try:
            # The caller's leaving cancels this coroutine; a cloud that has begun a charge finishes it all the same.
            return await asyncio.shield(task)
        except Refused as refused:
            watch.status = refused.code.name
            await context.abort(refused.code, refused.message)
        except _Silence:
            watch.status = "no answer"
            await asyncio.Event().wait()
        raise AssertionError("neither abort nor the wait returns")

    async def _run(self, rpc: Rpc, request: Message, token: str, peer: str) -> tuple[Message | bytes, Plan]:
        plan = self.faults.plan(rpc.name, _ids(request))
        await asyncio.sleep(plan.latency_before_s)
        self._meet(plan.before, peer)
        answer: Message | bytes | Refused
        try:
            call = Call(self._key(rpc, token), utc_now(), plan.pdf_size_bytes)
            answer = rpc.work(self.cloud, call, request)
        except Refused as refused:
            answer = refused
        self.counts.finished[rpc.name] += 1
        await asyncio.sleep(plan.latency_after_s)
        self._meet(plan.after, peer)
        if isinstance(answer, Refused):
            raise answer
        return answer, plan

    def _forget(self, task: asyncio.Task[tuple[Message | bytes, Plan]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report it when the caller has left

    def _meet(self, fault: Fault | None, peer: str) -> None:
        if fault is None:
            return
        if fault.status:
            raise Refused(fault.code, fault.message or "a fault of the sandbox")
        if fault.drop_connection:
            self.relay.drop(peer)
        raise _Silence

    def _key(self, rpc: Rpc, token: str) -> Key | None:
        if rpc.service == AUTH:
            return None
        key = self.cloud.sessions.key_of(token)
        if key is None:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "invalid or expired token")
        return key


class _Watch:
    """Counts one call in and out, and writes its line of the log."""

    def __init__(self, rpc: str, counts: Counts, *, quiet: bool) -> None:
        self.status = "caller left"
        self._rpc = rpc
        self._counts = counts
        self._quiet = quiet

    def __enter__(self) -> Self:
        counts = self._counts
        counts.calls[self._rpc] += 1
        counts.in_flight += 1
        counts.max_in_flight = max(counts.max_in_flight, counts.in_flight)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._counts.in_flight -= 1
        if not self._quiet:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {self._rpc} {self.status}\n")


def _ids(request: Message) -> set[str]:
    """The IDs that a request names."""
    named = {field.name: value for field, value in request.ListFields()}
    return {value for name, value in named.items() if isinstance(value, str) and _ID.search(name)}


def _token(context: Context) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
            return value[len(_BEARER) :]
    return ""
