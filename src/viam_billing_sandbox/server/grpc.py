"""gRPC inside an HTTP/2 stream: length-prefixed messages, timeouts, statuses in trailers.

See "gRPC over HTTP2" in the gRPC project's documentation.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from grpclib.const import Status

from viam_billing_sandbox.cloud import Refused

if TYPE_CHECKING:
    from viam_billing_sandbox.server.stream import Headers, Stream

CONTENT_TYPE: Final = b"application/grpc"
OK_HEADERS: Final[Headers] = [(b":status", b"200"), (b"content-type", CONTENT_TYPE)]
PREFIX_BYTES: Final = 5

_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_UNITS_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def framed(message: bytes, *, is_compressed: bool = False, announced_bytes: int | None = None) -> bytes:
    """Puts the prefix before a message; `announced_bytes` is the length that it tells, the true one by default."""
    length = len(message) if announced_bytes is None else announced_bytes
    return bytes([is_compressed]) + length.to_bytes(4, "big") + message


def request_message(stream: Stream) -> bytes:
    """Returns the one message of a complete request.

    Raises:
        Refused: The body is not one message.
    """
    body = bytes(stream.body)
    length = int.from_bytes(body[1:PREFIX_BYTES], "big")
    if len(body) < PREFIX_BYTES or len(body) != PREFIX_BYTES + length:
        raise Refused(Status.INTERNAL, "the request is not one message")
    message = body[PREFIX_BYTES:]
    if not body[0]:
        return message
    if stream.headers.get(b"grpc-encoding") != b"gzip":
        raise Refused(Status.UNIMPLEMENTED, "the request's compression is not supported")
    try:
        return gzip.decompress(message)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(Status.INTERNAL, "the request cannot be decompressed") from error


def timeout_s(stream: Stream) -> float | None:
    """Returns the time that the client gives the call, or None where it sets none."""
    value = stream.headers.get(b"grpc-timeout", b"")
    if not value[:-1].isdigit() or value[-1:] not in _UNITS_S:
        return None
    return int(value[:-1]) * _UNITS_S[value[-1:]]


def trailers(status: Status, message: str = "") -> Headers:
    """Makes the trailers of a call."""
    made = [(b"grpc-status", str(status.value).encode())]
    if message:
        made.append((b"grpc-message", quote(message, safe=_PRINTABLE).encode()))
    return made


def send_status(stream: Stream, status: Status, message: str) -> None:
    """Ends a call with a status, with or without an answer before it.

    Raises:
        StreamClosed: The client has left.
    """
    headers = [] if stream.is_answered else OK_HEADERS
    stream.send_headers([*headers, *trailers(status, message)], end=True)
