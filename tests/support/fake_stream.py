"""One DoCommand call at the RPC handler, without a connection."""

from __future__ import annotations

from typing import Any

from grpclib.server import Stream
from typing_extensions import override
from viam.proto.common import DoCommandRequest, DoCommandResponse

from support.module_process import struct


class FakeStream(Stream[DoCommandRequest, DoCommandResponse]):
    """Holds the request, and what is sent back."""

    def __init__(self, command: dict[str, Any], name: str = "billing") -> None:
        self.deadline = None
        self.metadata = None
        self.sent: list[DoCommandResponse] = []
        self._request = DoCommandRequest(name=name, command=struct(command))

    @override
    async def recv_message(self) -> DoCommandRequest:
        return self._request

    @override
    async def send_message(self, message: DoCommandResponse) -> None:
        self.sent.append(message)
