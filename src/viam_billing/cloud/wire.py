"""From the bytes of the cloud's answer to its message, which is bounded.

large  count the parts in the bytes, before protobuf unfolds them: five million names of one letter fit into 16 MiB, and
       take half a gigabyte once they are decoded
all    decode -> look at each text and number of the message
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from viam_billing.cloud.failures import UnreadableAnswerError

SUSPECT: Final = re.compile(rb"(?s).{257}|[\xf0-\xff][\x7f\xff]")
"""What an answer has to hold to break any of the rules below: a certain size, or the last bytes of a NaN."""
LARGE_BYTES: Final = 64 * 1024
"""An answer that is larger may hold too much, and takes milliseconds to read: it is counted, and read on a thread."""

_MOST_PARTS: Final = {"GetInvoicesSummaryResponse": 50_000, "ListLocationsResponse": 150_000}
"""Messages and elements of lists in a large answer: about 10,000 invoices, 20,000 locations."""
_MOST_OTHER_PARTS: Final = 5_000
_MOST_FIELDS: Final = 1_000_000
_LONGEST_ID: Final = 256
_LONGEST_TEXT_BYTES: Final = 8 * 1024
_MOST_TEXT_BYTES: Final = 4 * 1024 * 1024
"""Of all texts together: what is made of an answer has each of them several times."""
_LARGEST_PIECE_BYTES: Final = 4 * 1024 * 1024
"""Of a file. It is what gRPC's clients take of a message unless told otherwise, and is in memory several times."""

_Fields: TypeAlias = dict[int, FieldDescriptor]
_SEVEN_BITS: Final = 0x7F
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5


def read(reply_type: Any, data: bytes) -> Any:  # noqa: ANN401 - a class of messages, and one of them
    """The message.

    Raises: UnreadableAnswerError: it is too much for an answer, or has NaN; DecodeError: it is no such message.
    """
    if len(data) > LARGE_BYTES:
        left = [_MOST_FIELDS, _MOST_PARTS.get(reply_type.DESCRIPTOR.name, _MOST_OTHER_PARTS)]
        try:
            _count(data, 0, len(data), _fields(reply_type.DESCRIPTOR), left)
        except IndexError:
            raise DecodeError("it is cut off") from None
    message = reply_type.FromString(data)
    if _look(message, _looked_at(reply_type.DESCRIPTOR)) > _MOST_TEXT_BYTES:
        raise UnreadableAnswerError(f"it has texts of more than {_MOST_TEXT_BYTES // 2**20} MiB")
    return message


def _count(data: bytes, at: int, end: int, fields: _Fields, left: list[int]) -> None:
    """Count the fields and the parts of a message between two places; `left` is how many may still come."""
    while at < end:
        key, at = _varint(data, at)
        kind, size = key & 7, 0
        left[0] -= 1
        if kind == _VARINT:
            at = _varint(data, at)[1]
        elif kind == _EIGHT_BYTES:
            size = 8
        elif kind == _COUNTED:
            size, at = _varint(data, at)
            _count_part(data, at, size, fields.get(key >> 3), left)
        elif kind == _FOUR_BYTES:
            size = 4
        else:
            raise DecodeError("it has a group")
        at += size
        if min(left) < 0:
            raise UnreadableAnswerError("it has more parts than the module takes")
    if at != end:
        raise DecodeError("it is cut off")


def _count_part(data: bytes, at: int, size: int, field: FieldDescriptor | None, left: list[int]) -> None:
    if field is None:
        return
    if field.message_type is not None:
        left[1] -= 1
        _count(data, at, at + size, _fields(field.message_type), left)
    else:
        left[1] -= field.is_repeated
        if field.type == FieldDescriptor.TYPE_BYTES and size > _LARGEST_PIECE_BYTES:
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
def _fields(descriptor: Descriptor) -> _Fields:
    return dict(descriptor.fields_by_number)


class _Field(NamedTuple):
    """A field to look at, with what its descriptor would have to be asked for at each message."""

    name: str
    is_list: bool
    message_type: Descriptor | None
    longest: int | None
    """In characters, for a text."""


def _look(message: Any, fields: tuple[_Field, ...]) -> int:  # noqa: ANN401 - as above
    """The bytes of all texts of a message. Raises: UnreadableAnswerError: for one that is too long, or a NaN."""
    text_bytes = 0
    for name, is_list, message_type, longest in fields:
        found = getattr(message, name)
        if message_type is not None and not is_list and not message.HasField(name):
            continue
        for value in found if is_list else (found,):
            if message_type is not None:
                text_bytes += _look(value, _looked_at(message_type))
            elif longest is None:
                if not math.isfinite(value):
                    raise UnreadableAnswerError("it has a number that is not finite")
            elif len(value) > longest or (size := len(value.encode())) > _LONGEST_TEXT_BYTES:
                raise UnreadableAnswerError("it has an ID of more than 256 characters, or a text of more than 8 KiB")
            else:
                text_bytes += size
    return text_bytes


@cache
def _looked_at(descriptor: Descriptor) -> tuple[_Field, ...]:
    """The fields with texts and numbers, and those that may have such fields in them; not maps, which no answer has."""
    values = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)

    def holds(field: FieldDescriptor) -> bool:
        inner = field.message_type
        if inner is None:
            return field.type in values
        return not inner.GetOptions().map_entry and any(
            part.message_type or part.type in values for part in inner.fields
        )

    def longest(field: FieldDescriptor) -> int | None:
        if field.type != FieldDescriptor.TYPE_STRING:
            return None
        return _LONGEST_ID if f"_{field.name}".endswith("_id") else _LONGEST_TEXT_BYTES

    return tuple(
        _Field(field.name, field.is_repeated, field.message_type, longest(field))
        for field in descriptor.fields
        if holds(field)
    )
