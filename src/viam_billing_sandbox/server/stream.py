"""One request and its answer on an HTTP/2 connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from h2.errors import ErrorCodes

    from viam_billing_sandbox.server.http2 import Connection

Headers = list[tuple[bytes, bytes]]

EARLY_HINTS: Final = (b":status", b"103")


class StreamClosed(Exception):  # noqa: N818 - no error: clients may do so
    """The client has reset the stream or left; nothing more can be sent."""


class Stream:
    """One request and its answer.

    `on_close` is called once, when the answer has been sent to its end or the client has left. `is_refused` says that
    a GOAWAY has declared the request as not processed.
    """

    def __init__(self, connection: Connection, stream_id: int, headers: dict[bytes, bytes]) -> None:
        self.connection = connection
        self.id = stream_id
        self.headers = headers
        self.body = bytearray()
        self.is_open = True
        self.is_answered = False
        self.is_refused = False
        self.on_close: Callable[[], None] = _nothing

    def send_headers(self, headers: Headers, *, end: bool = False) -> None:
        """Sends headers, or trailers after data.

        Raises:
            StreamClosed: See the class.
        """
        self.connection.send_headers(self, headers, end=end)

    async def send_data(self, data: bytes, *, end: bool = False) -> None:
        """Sends data as fast as the client takes it.

        Raises:
            StreamClosed: See the class.
        """
        await self.connection.send_data(self, data, end=end)

    def reset(self, code: ErrorCodes) -> None:
        """Ends the stream with RST_STREAM."""
        self.connection.reset_stream(self, code)

    def close(self) -> None:
        """Marks the stream as closed."""
        if self.is_open:
            self.is_open = False
            self.on_close()


def _nothing() -> None:
    pass
