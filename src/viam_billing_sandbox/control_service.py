"""The control service: sets faults, tells what happened, changes state; Struct in, Struct out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from viam_billing_sandbox import patch
from viam_billing_sandbox.cloud import Records, Refused
from viam_billing_sandbox.faults import ANY_RPC, read_fault
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.reader import Reader, ScenarioError
from viam_billing_sandbox.rpcs import RPCS

if TYPE_CHECKING:
    from collections.abc import Callable

    from viam_billing_sandbox.engine import Context, Engine
    from viam_billing_sandbox.relay import Connections

SERVICE: Final = "viam_billing_sandbox.Control"
_MODES: Final[dict[str, Connections | None]] = {
    "normal": "normal",
    "refuse": "refuse",
    "silent": "silent",
    "cut": None,  # happens once and is no mode
}


class ControlService:
    """Works on the engine of the running cloud."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.methods: dict[str, Callable[[object], dict[str, Any]]] = {
            "SetFault": self._set_fault,
            "ClearFaults": self._clear_faults,
            "Stats": self._stats,
            "ResetStats": self._reset_stats,
            "Patch": self._patch,
        }

    async def serve(self, name: str, request: Struct, context: Context) -> Struct:
        """Serves one request; what is wrong with it is INVALID_ARGUMENT and one sentence."""
        try:
            answer = self.methods[name](MessageToDict(request))
        except ScenarioError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Refused as refused:
            await context.abort(refused.code, refused.message)
        struct = Struct()
        struct.update(answer)
        return struct

    def _set_fault(self, request: object) -> dict[str, Any]:
        reader = Reader(request, "fault")
        if "rpc" in reader:
            fault = read_fault(reader)
            if fault.rpc != ANY_RPC and fault.rpc not in RPCS:
                raise ScenarioError(f"fault.rpc: {fault.rpc!r} is none of {', '.join(RPCS)} and not {ANY_RPC}")
            self._engine.faults.add(fault)
            return {}
        sessions, relay = self._engine.cloud.sessions, self._engine.relay
        # All of it is read before any of it holds.
        to_connections = "connections" in reader
        mode = reader.choice("connections", _MODES) if to_connections else None
        lifetime_s = reader.number("token_lifetime_s") if "token_lifetime_s" in reader else sessions.lifetime_s
        in_calls = "token_lifetime_calls" in reader
        lifetime_calls = reader.integer("token_lifetime_calls") if in_calls else sessions.lifetime_calls
        expire = reader.flag("expire_tokens", default=False)
        reader.end()
        sessions.lifetime_s, sessions.lifetime_calls = lifetime_s, lifetime_calls
        if expire:
            sessions.expire_all()
        if mode is not None:
            relay.mode = mode
        elif to_connections:
            relay.cut()
        return {}

    def _clear_faults(self, request: object) -> dict[str, Any]:
        Reader(request, "request").end()
        self._engine.faults.clear()
        self._engine.relay.mode = "normal"
        self._engine.cloud.sessions.lifetime_s = None
        self._engine.cloud.sessions.lifetime_calls = None
        return {}

    def _stats(self, request: object) -> dict[str, Any]:
        Reader(request, "request").end()
        counts, records = self._engine.counts, self._engine.cloud.records
        return {
            "calls": dict(counts.calls),
            "finished": dict(counts.finished),
            "in_flight": counts.in_flight,
            "max_in_flight": counts.max_in_flight,
            "logins": records.logins,
            "emails": records.emails,
            "charges": records.charges,
            "changes": records.changes,
            "open_connections": len(self._engine.relay.outer),
        }

    def _reset_stats(self, request: object) -> dict[str, Any]:
        Reader(request, "request").end()
        self._engine.counts.reset()
        self._engine.cloud.records = Records()
        return {}

    def _patch(self, request: object) -> dict[str, Any]:
        patch.apply(self._engine.cloud, request, utc_now())
        return {}
