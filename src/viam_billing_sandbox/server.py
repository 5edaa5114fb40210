"""Puts the parts together: two gRPC servers, the cloud's behind the relay and the control's beside it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio
from google.protobuf.struct_pb2 import Struct

from viam_billing_sandbox.control_service import SERVICE, ControlService
from viam_billing_sandbox.engine import Engine
from viam_billing_sandbox.relay import Relay
from viam_billing_sandbox.rpcs import RPCS, STREAMED

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from viam_billing_sandbox.cloud import Cloud

_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 4096),
    # A second process must not be able to share the port in silence.
    ("grpc.so_reuseport", 0),
    # A client's keepalive pings are welcome; by default gRPC answers too many of them with GOAWAY.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)


class SandboxServer:
    """A cloud that answers; `start` makes it listen inside, its `relay` is what the public reaches."""

    def __init__(self, cloud: Cloud, tls: tuple[bytes, bytes] | None, *, quiet: bool) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        self._control = grpc.aio.server(options=_OPTIONS)
        if tls is None:
            inner_port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            inner_port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([tls]))
        self.relay = Relay(inner_port)
        self._engine = Engine(cloud, self.relay, quiet=quiet)

    async def start(self, control_port: int) -> int:
        """Starts both servers; answers the control's port.

        Raises:
            OSError: The control's port is taken.
        """
        self._server.add_generic_rpc_handlers(_cloud_handlers(self._engine))
        self._control.add_generic_rpc_handlers((_control_handler(ControlService(self._engine)),))
        try:
            bound = self._control.add_insecure_port(f"127.0.0.1:{control_port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on control port {control_port}") from error
        await self._server.start()
        await self._control.start()
        return bound

    async def stop(self) -> None:
        """Stops at once; calls under way are dropped."""
        self.relay.close()
        await self._server.stop(None)
        await self._control.stop(None)


def _cloud_handlers(engine: Engine) -> tuple[grpc.GenericRpcHandler, ...]:
    by_service: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
    for rpc in RPCS.values():
        streamed = rpc.name == STREAMED
        make = grpc.unary_stream_rpc_method_handler if streamed else grpc.unary_unary_rpc_method_handler
        behaviour: Any = partial(engine.chunks if streamed else engine.unary, rpc)
        by_service.setdefault(rpc.service, {})[rpc.name] = make(behaviour, rpc.request.FromString, _serialized)
    return tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in by_service.items())


def _control_handler(service: ControlService) -> grpc.GenericRpcHandler:
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for name in service.methods:
        # The stubs know only the synchronous server's behaviours.
        behaviour: Any = partial(service.serve, name)
        methods[name] = grpc.unary_unary_rpc_method_handler(behaviour, Struct.FromString, _serialized)
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
