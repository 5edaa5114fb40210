"""One call from its request to its answer: faults, token, work, faults, answer.

Work that has begun is finished also when the caller has left or its deadline has passed, as in a real cloud.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError
from grpclib.const import Status
from viam.gen.app.v1 import billing_pb2

from viam_billing_sandbox.cloud import Call, Refused
from viam_billing_sandbox.faults import Faults
from viam_billing_sandbox.methods import AUTH, METHODS
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.pdf import SPOILT
from viam_billing_sandbox.server import answers, grpc
from viam_billing_sandbox.server.stream import StreamClosed

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from viam_billing_sandbox.cloud import Cloud
    from viam_billing_sandbox.faults import Plan, When
    from viam_billing_sandbox.methods import Method
    from viam_billing_sandbox.scenario import Key
    from viam_billing_sandbox.server.stream import Stream

_BEARER: Final = "Bearer "
_CHUNK_BYTES: Final = 64 * 1024
_ID: Final = re.compile(r"(^|_)id(_|$)")
"""Matches the names of fields with IDs; `org_id_to_charge` is one."""
_DEADLINE_GRACE_S: Final = 0.5
"""Clients end their calls at the deadline; the server waits a little longer, so that tests see the client's error."""


@dataclass
class Counts:
    """Numbers of calls since the last reset; `in_flight` is the current number."""

    calls: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    max_in_flight: int = 0

    def reset(self) -> None:
        """Sets the numbers to zero; calls under way still count."""
        self.calls.clear()
        self.finished.clear()
        self.max_in_flight = self.in_flight


class Calls:
    """Serves the cloud's calls."""

    def __init__(self, cloud: Cloud, *, quiet: bool) -> None:
        self.cloud = cloud
        self.faults = Faults()
        self.counts = Counts()
        self._quiet = quiet
        self._running: set[asyncio.Task[None]] = set()

    def serve(self, stream: Stream) -> None:
        """Answers a complete request in the background."""
        task = asyncio.get_running_loop().create_task(self._serve(stream))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def stop(self) -> None:
        """Abandons all calls."""
        for task in self._running:
            task.cancel()

    async def _serve(self, stream: Stream) -> None:
        if not stream.is_open:
            return  # the caller has left before this turn: nothing would tell of its end
        try:
            if not stream.headers.get(b"content-type", b"").startswith(grpc.CONTENT_TYPE):
                stream.send_headers([(b":status", b"415")], end=True)
                return
            method = METHODS.get(stream.headers.get(b":path", b"").decode("utf-8", "replace"))
            if method is None:
                grpc.send_status(stream, Status.UNIMPLEMENTED, "the sandbox has no such method")
                return
            await self._call(method, stream)
        except StreamClosed:
            pass  # nobody is left to be told

    async def _call(self, method: Method, stream: Stream) -> None:
        watch = _Watch(method.name, self.counts, quiet=self._quiet)
        stream.on_close = watch.end
        timeout_s = grpc.timeout_s(stream)
        expiry = None
        if timeout_s is not None:
            expiry = asyncio.get_running_loop().call_later(timeout_s + _DEADLINE_GRACE_S, _expire, stream, watch)
        try:
            await self._answer(method, stream, watch)
        except Refused as refused:
            watch.status = refused.status.name
            grpc.send_status(stream, refused.status, refused.message)
        finally:
            if expiry is not None:
                expiry.cancel()

    async def _answer(self, method: Method, stream: Stream, watch: _Watch) -> None:
        request = _decoded(method, stream)
        plan = self.faults.plan(method.name, _ids(request))
        if plan.first(lambda fault: fault.ignore_pings):
            stream.connection.output.acknowledges_pings = False
        goaway = plan.first(lambda fault: fault.goaway)
        if goaway == "graceful":
            stream.connection.go_away()
        elif goaway == "last":
            stream.connection.go_away(stream.id)
        await asyncio.sleep(plan.latency_before_s)
        if await _ended(stream, plan, "before", watch) or stream.is_refused:
            return
        answer: Message | bytes | Refused
        try:
            answer = method.work(self.cloud, Call(self._key(method, stream), utc_now(), plan), request)
        except Refused as refused:
            answer = refused
        self.counts.finished[method.name] += 1
        await asyncio.sleep(plan.latency_after_s)
        if await _ended(stream, plan, "after", watch):
            return
        answers.send_frames(stream, plan)
        if isinstance(answer, Refused):
            raise answer
        status = Status.OK
        if isinstance(answer, bytes):
            spoilt = plan.first(lambda fault: fault.pdf)
            messages = _chunks(SPOILT[spoilt](answer) if spoilt else answer)
            status = Status.UNAVAILABLE if spoilt == "half" else status
        else:
            messages = [answer]
        watch.status = status.name
        await answers.send_answer(stream, plan, messages, status)

    def _key(self, method: Method, stream: Stream) -> Key | None:
        if method.service == AUTH:
            return None
        authorization = stream.headers.get(b"authorization", b"").decode("utf-8", "replace")
        key = None
        if authorization.startswith(_BEARER):
            key = self.cloud.sessions.key_of(authorization.removeprefix(_BEARER))
        if key is None:
            raise Refused(Status.UNAUTHENTICATED, "invalid or expired token")
        return key


class _Watch:
    """Counts one call in and out, and writes its line of the log."""

    def __init__(self, method: str, counts: Counts, *, quiet: bool) -> None:
        self.status = "caller left"
        self._method = method
        self._counts = counts
        self._quiet = quiet
        counts.calls[method] += 1
        counts.in_flight += 1
        counts.max_in_flight = max(counts.max_in_flight, counts.in_flight)

    def end(self) -> None:
        self._counts.in_flight -= 1
        if not self._quiet:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {self._method} {self.status}\n")


async def _ended(stream: Stream, plan: Plan, when: When, watch: _Watch) -> bool:
    fault = plan.end(when)
    if fault is None:
        return False
    watch.status = fault.outcome
    await answers.send_fault(stream, fault)
    return True


def _expire(stream: Stream, watch: _Watch) -> None:
    if stream.is_open:
        watch.status = Status.DEADLINE_EXCEEDED.name
        grpc.send_status(stream, Status.DEADLINE_EXCEEDED, "the call's deadline has passed")


def _decoded(method: Method, stream: Stream) -> Message:
    try:
        return method.request.FromString(grpc.request_message(stream))
    except DecodeError as error:
        raise Refused(Status.INTERNAL, "the request is no protobuf of this method") from error


def _ids(request: Message) -> set[str]:
    """Returns the IDs in a request."""
    named = {field.name: value for field, value in request.ListFields()}
    return {value for name, value in named.items() if isinstance(value, str) and _ID.search(name)}


def _chunks(content: bytes) -> list[Message]:
    starts = range(0, len(content), _CHUNK_BYTES)
    return [billing_pb2.GetInvoicePdfResponse(chunk=content[start : start + _CHUNK_BYTES]) for start in starts]
