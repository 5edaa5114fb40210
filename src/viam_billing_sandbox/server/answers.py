"""Sends the answer of a call, or what a fault has in its place."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from grpclib.const import Status
from h2.errors import ErrorCodes

from viam_billing_sandbox.server.grpc import OK_HEADERS, framed, send_status, trailers
from viam_billing_sandbox.server.stream import EARLY_HINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

    from viam_billing_sandbox.faults import Answer, Fault, Plan
    from viam_billing_sandbox.server.stream import Stream

FRAMES: Final = {
    "unknown": (0xF0, b"any bytes"),
    "origin": (0x0C, b"\x00\x18https://app.viam.example"),
    "altsvc": (0x0A, b'\x00\x18https://app.viam.examplehq=":443"'),
    "priority_update": (0x10, b"\x00\x00\x00\x01u=1"),
}
"""Type and body of frames on stream 0. A client has to ignore frames that it does not know."""

_LINK: Final = (b"link", b"</style.css>; rel=preload")
_NOT_PROTOBUF: Final = b"\xff" * 16
_NOT_UTF8: Final = b"\xff\xfe"
_PADDING_FIELD: Final = 536_870_911
"""The highest field number there is: no message of Viam's has it."""
_LENGTH_DELIMITED: Final = 2
_ENCODINGS: Final = {"gzip": b"gzip", "broken_gzip": b"gzip", "unknown_encoding": b"sandbox"}
_ANSWER_ENDS: Final = ("no_trailers", "left_open", "cut_off")
_DELIVERY_S: Final = 0.05
_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>%d</title></head>\n"
    b"<body><h1>%d</h1><p>A page of the sandbox, in place of an answer.</p></body></html>\n"
)


async def send_fault(stream: Stream, fault: Fault) -> None:
    """Ends a call as a fault says, with or without a word to the client.

    Raises:
        StreamClosed: The client has left.
    """
    if fault.status:
        send_status(stream, Status[fault.status], fault.message or "a fault of the sandbox")
    elif fault.http_status:
        headers = [(b":status", str(fault.http_status).encode()), (b"content-type", b"text/html; charset=utf-8")]
        stream.send_headers(headers)
        page = _PAGE % (fault.http_status, fault.http_status)
        await stream.send_data(page.ljust(fault.answer_size_bytes), end=True)
    elif fault.reset:
        stream.reset(ErrorCodes[fault.reset])
    elif fault.drop_connection:
        stream.connection.output.abort()
    elif fault.mute_connection:
        stream.connection.output.mute()
    elif fault.goaway == "refused":
        stream.connection.go_away(max(stream.id - 2, 0))


def send_frames(stream: Stream, plan: Plan) -> None:
    """Sends the frames that faults put before the answer.

    Raises:
        StreamClosed: The client has left.
    """
    for fault in plan.faults:
        if fault.frame == "early_hints":
            stream.send_headers([EARLY_HINTS, _LINK])
        elif fault.frame:
            stream.connection.send_frame(*FRAMES[fault.frame])


async def send_answer(stream: Stream, plan: Plan, answers: Sequence[Message], status: Status) -> None:
    """Sends messages and then a status. A fault may spoil the last message or what follows it.

    Raises:
        StreamClosed: The client has left.
    """
    kind = plan.first(lambda fault: fault.answer)
    if kind == "gzip" and b"gzip" not in stream.headers.get(b"grpc-accept-encoding", b""):
        kind = ""
    encoding = _ENCODINGS.get(kind)
    stream.send_headers([*OK_HEADERS, *([(b"grpc-encoding", encoding)] if encoding else [])])
    size_bytes = plan.first(lambda fault: fault.answer_size_bytes)
    for number, answer in enumerate(answers):
        message = answer.SerializeToString()
        if number == 0 and size_bytes > len(message):
            message += _padding(size_bytes - len(message))
        is_last = number == len(answers) - 1
        spoil = _SPOILT.get(kind) if is_last else None
        data = framed(message) if spoil is None else spoil(message, answer)
        if kind == "cut_off" and is_last:
            await _send_slowly(stream, data[: len(data) // 2], plan)
            stream.connection.output.flush()
            await asyncio.sleep(_DELIVERY_S)  # a reset may overtake what it follows
            stream.connection.output.abort()
            return
        await _send_slowly(stream, data, plan, end=kind == "no_trailers" and is_last)
    if kind == "refusal_after_message":
        status = Status.PERMISSION_DENIED
    if kind not in _ANSWER_ENDS:
        stream.send_headers(trailers(status), end=True)


async def _send_slowly(stream: Stream, data: bytes, plan: Plan, *, end: bool = False) -> None:
    size = plan.first(lambda fault: fault.chunk_bytes) or max(len(data), 1)
    delay_s = plan.first(lambda fault: fault.chunk_delay_s)
    for start in range(0, max(len(data), 1), size):
        await asyncio.sleep(delay_s)
        await stream.send_data(data[start : start + size], end=end and start + size >= len(data))


def _text_field(descriptor: Any, depth: int = 3) -> bytes:  # noqa: ANN401 - protobuf has several types of it
    """Returns the first string field of a message, at any depth, with bytes that are not UTF-8; b"" if it has none."""
    for field in descriptor.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            return _field(field.number, _NOT_UTF8)
    for field in descriptor.fields:
        inner = _text_field(field.message_type, depth - 1) if field.message_type is not None and depth else b""
        if inner:
            return _field(field.number, inner)
    return b""


def _padding(size_bytes: int) -> bytes:
    """Returns an unknown field of this size, which leaves a message readable."""
    return _field(_PADDING_FIELD, bytes(size_bytes))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte, as protobuf has it
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_SPOILT: Final[dict[Answer, Callable[[bytes, Message], bytes]]] = {
    "gzip": lambda message, _: framed(gzip.compress(message), is_compressed=True),
    "broken_gzip": lambda message, _: framed(b"\x1f" + message, is_compressed=True),
    "unknown_encoding": lambda message, _: framed(b"\x1f" + message, is_compressed=True),
    "not_protobuf": lambda _message, _: framed(_NOT_PROTOBUF),
    "not_utf8": lambda message, answer: framed(message + (_text_field(answer.DESCRIPTOR) or _NOT_PROTOBUF)),
    "too_short": lambda message, _: framed(message, announced_bytes=len(message) + 10),
    # With a byte to spare also where the message is empty.
    "too_long": lambda message, _: framed(message + b"\x00", announced_bytes=max(len(message) - 1, 0)),
    "no_message": lambda _message, _: b"",
    "two_messages": lambda message, _: framed(message) * 2,
}
"""The bytes of a spoilt message. Other kinds of answers spoil what follows the message."""
