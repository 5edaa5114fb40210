"""The control of a running sandbox: sets faults, reports what has happened, changes state.

One line of JSON in, `{"method": ..., "request": {...}}`; one line out, `{"answer": {...}}` or `{"error": "..."}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from viam_billing_sandbox import patch
from viam_billing_sandbox.cloud import Records, Refused
from viam_billing_sandbox.faults import ANY_RPC, Fault
from viam_billing_sandbox.methods import NAMES
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.server.calls import Calls
from viam_billing_sandbox.server.listener import Connections, Listener
from viam_billing_sandbox.strict import Amount, Count, Record, ScenarioError, read


class _Request(Record, frozen=True):
    method: Literal["SetFault", "ClearFaults", "Stats", "ResetStats", "Patch"]
    request: dict[str, object] = msgspec.field(default_factory=dict)


class _Steering(Record, frozen=True):
    connections: Connections | Literal["cut", "mute"] | None = None
    token_lifetime_s: Amount | None = None
    token_lifetime_calls: Count | None = None
    expire_tokens: bool = False


class _Nothing(Record, frozen=True):
    pass


class _Lines(asyncio.Protocol):
    """Answers each line of a client with a line."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio passes a Transport to stream protocols, although its types promise less.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._transport.write(self._answer(line))


class ControlService:
    """Controls the calls and the listener of a running cloud."""

    def __init__(self, calls: Calls, listener: Listener) -> None:
        self._calls = calls
        self._listener = listener
        self._methods: dict[str, Callable[[Mapping[str, object]], dict[str, Any]]] = {
            "SetFault": self._set_fault,
            "ClearFaults": self._clear_faults,
            "Stats": self._stats,
            "ResetStats": self._reset_stats,
            "Patch": self._patch,
        }

    async def listen(self, port: int) -> asyncio.Server:
        """Listens on a port of 127.0.0.1; 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Lines(self.answer), "127.0.0.1", port)

    def answer(self, line: bytes) -> bytes:
        """Returns the answer to one line of a client."""
        return msgspec.json.encode(self._answer(line)) + b"\n"

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = read(msgspec.json.decode(line), _Request, "control")
            return {"answer": self._methods[request.method](request.request)}
        except Refused as refused:
            return {"error": refused.message}
        except (ScenarioError, msgspec.DecodeError) as error:
            return {"error": str(error)}

    def _set_fault(self, request: Mapping[str, object]) -> dict[str, Any]:
        if "rpc" not in request:
            return self._steer(read(request, _Steering, "fault"))
        fault = read(request, Fault, "fault")
        if fault.rpc != ANY_RPC and fault.rpc not in NAMES:
            raise ScenarioError(f"fault.rpc: {fault.rpc!r} is none of {', '.join(NAMES)} and not {ANY_RPC}")
        self._calls.faults.add(fault)
        return {}

    def _steer(self, steering: _Steering) -> dict[str, Any]:
        sessions, listener = self._calls.cloud.sessions, self._listener
        if steering.token_lifetime_s is not None:
            sessions.lifetime_s = steering.token_lifetime_s
        if steering.token_lifetime_calls is not None:
            sessions.lifetime_calls = steering.token_lifetime_calls
        if steering.expire_tokens:
            sessions.expire_all()
        if steering.connections == "cut":
            listener.cut()
        elif steering.connections == "mute":
            listener.mute()
        elif steering.connections is not None:
            listener.mode = steering.connections
        return {}

    def _clear_faults(self, request: Mapping[str, object]) -> dict[str, Any]:
        read(request, _Nothing, "request")
        self._calls.faults.clear()
        self._listener.mode = "normal"
        self._calls.cloud.sessions.lifetime_s = None
        self._calls.cloud.sessions.lifetime_calls = None
        return {}

    def _stats(self, request: Mapping[str, object]) -> dict[str, Any]:
        read(request, _Nothing, "request")
        counts, records = self._calls.counts, self._calls.cloud.records
        return {
            "calls": dict(counts.calls),
            "finished": dict(counts.finished),
            "in_flight": counts.in_flight,
            "max_in_flight": counts.max_in_flight,
            "logins": records.logins,
            "emails": records.emails,
            "charges": records.charges,
            "changes": records.changes,
            "open_connections": self._listener.open_connections,
        }

    def _reset_stats(self, request: Mapping[str, object]) -> dict[str, Any]:
        read(request, _Nothing, "request")
        self._calls.counts.reset()
        self._calls.cloud.records = Records()
        return {}

    def _patch(self, request: Mapping[str, object]) -> dict[str, Any]:
        patch.apply(self._calls.cloud, request, utc_now())
        return {}
