"""Serves the machine's calls over gRPC on a unix socket: to the module, and to callers that the port passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import grpc

from viam_billing_sandbox.machine.calls import DEFAULT_TIMEOUT_S, LONGEST_MESSAGE, Answer, Calls
from viam_billing_sandbox.machine.refused import ErrorStyle, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", LONGEST_MESSAGE),
    ("grpc.max_send_message_length", 2 * LONGEST_MESSAGE),
    ("grpc.max_concurrent_streams", 100),
)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, calls: Calls, style: Callable[[], ErrorStyle]) -> None:
        self._calls = calls
        self._style = style

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        answer = self._calls.find(handler_call_details.method)
        return grpc.unary_unary_rpc_method_handler(self._handler(answer))

    def _handler(self, answer: Answer) -> Callable[..., object]:
        async def handle(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            left_s = cast("float | None", context.time_remaining())  # its types do not say that there may be none
            try:
                return await answer(request, DEFAULT_TIMEOUT_S if left_s is None else left_s)
            except Refused as refused:
                seen = refused.in_style(self._style())
                await context.abort(seen.code, seen.message)

        return handle


async def serve(path: Path, calls: Calls, style: Callable[[], ErrorStyle]) -> grpc.aio.Server:
    """Starts a server on a unix socket; `style` says how errors look at the moment."""
    server = grpc.aio.server(handlers=[_Handlers(calls, style)], options=_OPTIONS)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    return server
