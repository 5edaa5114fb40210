"""Requests to the module as bytes: well-formed ones of any size, and bodies that are no request at all."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from grpclib.const import Cardinality
from viam.gen.common.v1 import common_pb2

from support.module_process import struct
from viam_billing_sandbox.server.grpc import framed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grpclib.client import Channel

DO_COMMAND: Final = "/viam.service.generic.v1.GenericService/DoCommand"


def request(command: Mapping[str, object] | Struct, name: str = "billing") -> bytes:
    """A DoCommandRequest."""
    if not isinstance(command, Struct):
        command = struct(command)
    return common_pb2.DoCommandRequest(name=name, command=command).SerializeToString()


def compressed(message: bytes) -> bytes:
    """A body with a message in gzip."""
    return framed(gzip.compress(message), is_compressed=True)


async def sent(channel: Channel, body: bytes, path: str = DO_COMMAND, timeout_s: float = 30.0) -> None:
    """Send a body as it is. An answer is thrown away. Raises: GRPCError."""
    async with channel.request(path, Cardinality.UNARY_UNARY, Empty, Empty, timeout=timeout_s) as stream:
        await stream.send_request()
        await stream._stream.send_data(body, end_stream=True)  # noqa: SLF001 - grpclib sends only whole messages
        stream._end_done = True  # noqa: SLF001 - the same
        await stream.recv_message()
