"""The control of a running sandbox: sets faults, tells what has happened, changes state.

One line of JSON in, `{"method": ..., "request": {...}}`; one line out, `{"answer": {...}}` or `{"error": "..."}`.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from viam_billing_sandbox import patch
from viam_billing_sandbox.cloud import Records, Refused
from viam_billing_sandbox.faults import ANY_RPC, read_fault
from viam_billing_sandbox.methods import NAMES
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.reader import Reader, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from viam_billing_sandbox.server.calls import Calls
    from viam_billing_sandbox.server.listener import Connections, Listener

_MODES: Final[tuple[Connections, ...]] = ("normal", "refuse", "silent")


class _Lines(asyncio.Protocol):
    """Answers each line of a client with one of its own."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio hands a Transport to a stream protocol, but says so only in its documentation.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._transport.write(self._answer(line))


class ControlService:
    """Works on the calls and the listener of the running cloud."""

    def __init__(self, calls: Calls, listener: Listener) -> None:
        self._calls = calls
        self._listener = listener
        self._methods: dict[str, Callable[[object], dict[str, Any]]] = {
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
        """Serves one line of a client."""
        return json.dumps(self._answer(line)).encode() + b"\n"

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            reader = Reader(json.loads(line), "control")
            method = self._methods[reader.choice("method", {name: name for name in self._methods})]
            return {"answer": method(reader.value("request"))}
        except Refused as refused:
            return {"error": refused.message}
        except ValueError as error:
            return {"error": str(error)}

    def _set_fault(self, request: object) -> dict[str, Any]:
        reader = Reader(request, "fault")
        if "rpc" in reader:
            fault = read_fault(reader)
            if fault.rpc != ANY_RPC and fault.rpc not in NAMES:
                raise ScenarioError(f"fault.rpc: {fault.rpc!r} is none of {', '.join(NAMES)} and not {ANY_RPC}")
            self._calls.faults.add(fault)
            return {}
        sessions = self._calls.cloud.sessions
        # The whole request is read before any of it takes effect.
        listener = self._listener
        actions: dict[str, Callable[[], None]] = {"cut": listener.cut, "mute": listener.mute}
        actions.update({mode: partial(setattr, listener, "mode", mode) for mode in _MODES})
        action = reader.choice("connections", actions) if "connections" in reader else None
        lifetime_s = reader.number("token_lifetime_s") if "token_lifetime_s" in reader else sessions.lifetime_s
        in_calls = "token_lifetime_calls" in reader
        lifetime_calls = reader.integer("token_lifetime_calls") if in_calls else sessions.lifetime_calls
        expire = reader.flag("expire_tokens", default=False)
        reader.end()
        sessions.lifetime_s, sessions.lifetime_calls = lifetime_s, lifetime_calls
        if expire:
            sessions.expire_all()
        if action is not None:
            action()
        return {}

    def _clear_faults(self, request: object) -> dict[str, Any]:
        Reader(request, "request").end()
        self._calls.faults.clear()
        self._listener.mode = "normal"
        self._calls.cloud.sessions.lifetime_s = None
        self._calls.cloud.sessions.lifetime_calls = None
        return {}

    def _stats(self, request: object) -> dict[str, Any]:
        Reader(request, "request").end()
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

    def _reset_stats(self, request: object) -> dict[str, Any]:
        Reader(request, "request").end()
        self._calls.counts.reset()
        self._calls.cloud.records = Records()
        return {}

    def _patch(self, request: object) -> dict[str, Any]:
        patch.apply(self._calls.cloud, request, utc_now())
        return {}
