"""From the bytes of the cloud's answer to its message. What the bytes hold is bounded before protobuf unfolds them.

Five million names of one letter fit into 16 MiB, and take half a gigabyte once they are decoded.
"""

from __future__ import annotations

import math
import re
import struct
from functools import cache
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from viam_billing.cloud.failures import UnreadableAnswerError

SUSPECT: Final = re.compile(rb"(?s).{257}|[\xf0-\xff][\x7f\xff]")
"""What an answer has to hold to break any of the rules below: a certain size, or the last bytes of a NaN."""
LONG_BYTES: Final = 16 * 1024
"""An answer that is longer takes milliseconds to read, so it is read on a thread."""

_MOST_PARTS: Final = {"GetInvoicesSummaryResponse": 50_000, "ListLocationsResponse": 150_000}
"""Messages and elements of lists in an answer: about 10,000 invoices, 50,000 locations."""
_MOST_OTHER_PARTS: Final = 5_000
_MOST_FIELDS: Final = 1_000_000
_LONGEST_ID: Final = 256
_LONGEST_TEXT_BYTES: Final = 8 * 1024
_MOST_TEXT_BYTES: Final = 4 * 1024 * 1024
"""Of all texts together: what is made of an answer has each of them several times."""

_LARGEST_PIECE_BYTES: Final = 4 * 1024 * 1024
"""Of a file. It is what gRPC's clients take of a message unless told otherwise, and is in memory several times."""

_Fields: TypeAlias = dict[int, FieldDescriptor]
_DOUBLE: Final = struct.Struct("<d")
_SEVEN_BITS: Final = 0x7F
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5


def read(reply_type: Any, data: bytes) -> Any:  # noqa: ANN401 - a class of messages, and one of them
    """The message.

    Raises: UnreadableAnswerError: it is too much for an answer, or has NaN; DecodeError: it is no such message.
    """
    left = [_MOST_FIELDS, _MOST_PARTS.get(reply_type.DESCRIPTOR.name, _MOST_OTHER_PARTS), _MOST_TEXT_BYTES]
    try:
        _look(data, 0, len(data), _fields(reply_type.DESCRIPTOR), left)
    except (IndexError, struct.error):
        raise DecodeError("it is cut off") from None
    return reply_type.FromString(data)


def _look(data: bytes, at: int, end: int, fields: _Fields, left: list[int]) -> None:
    """Look at the fields of a message between two places."""
    while at < end:
        key, at = _varint(data, at)
        field, kind, size = fields.get(key >> 3), key & 7, 0
        left[0] -= 1
        if kind == _VARINT:
            at = _varint(data, at)[1]
        elif kind == _EIGHT_BYTES:
            size = 8
            is_double = field is not None and field.type == FieldDescriptor.TYPE_DOUBLE
            if is_double and not math.isfinite(_DOUBLE.unpack_from(data, at)[0]):
                raise UnreadableAnswerError("it has a number that is none")
        elif kind == _COUNTED:
            size, at = _varint(data, at)
            if field is not None:
                _look_into(data, at, size, field, left)
        elif kind == _FOUR_BYTES:
            size = 4
        else:
            raise DecodeError("it has a group")
        at += size
        if min(left) < 0:
            raise UnreadableAnswerError("it has more parts than the module takes")
    if at != end:
        raise DecodeError("it is cut off")


def _look_into(data: bytes, at: int, size: int, field: FieldDescriptor, left: list[int]) -> None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        left[1] -= 1
        _look(data, at, at + size, _fields(field.message_type), left)
    elif field.type == FieldDescriptor.TYPE_STRING:
        left[1] -= field.is_repeated
        left[2] -= size
        if size > _LONGEST_TEXT_BYTES:
            raise UnreadableAnswerError(f"it has a text of more than {_LONGEST_TEXT_BYTES // 1024} KiB")
        may_be_long = size > _LONGEST_ID and f"_{field.name}".endswith("_id")
        if may_be_long and len(data[at : at + size].decode(errors="replace")) > _LONGEST_ID:
            raise UnreadableAnswerError(f"it has an ID of more than {_LONGEST_ID} characters")
    elif field.type == FieldDescriptor.TYPE_BYTES and size > _LARGEST_PIECE_BYTES:
        raise UnreadableAnswerError(f"it has a piece of more than {_LARGEST_PIECE_BYTES // 2**20} MiB")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & _SEVEN_BITS) << shift
        if byte <= _SEVEN_BITS:
            return value, at
    raise DecodeError("it has a number of more than ten bytes")


@cache
def _fields(descriptor: Descriptor | None) -> _Fields:
    return {} if descriptor is None else dict(descriptor.fields_by_number)
