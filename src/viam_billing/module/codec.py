"""What a request may look like, and its size: from bytes to native values; and from an answer back to a Struct."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.protocol import Stream
from viam.proto.common import DoCommandRequest
from viam.proto.module import AddResourceRequest, ReconfigureResourceRequest, ValidateConfigRequest

from viam_billing.core.errors import InvalidRequestError, quoted
from viam_billing.core.secrets import Secrets

M = TypeVar("M")

_LARGEST_BYTES: Final[Mapping[type, int]] = {
    DoCommandRequest: 256 * 1024,
    **dict.fromkeys((AddResourceRequest, ReconfigureResourceRequest, ValidateConfigRequest), 1024 * 1024),
}
_LARGEST_OTHER_BYTES: Final = 16 * 1024
"""For every other request to the module: those that it answers hold a name and little else."""
_LONGEST_NAME: Final = 256
MOST_VALUES: Final = 20_000
"""In one request: reading more would keep other callers waiting."""
LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""For an answer with lists: not every client takes a longer message. A PDF has its own limit, `max_pdf_bytes`."""

_INTEGERS_BELOW: Final = 2.0**63
_DEEPEST: Final = 32
_ROWS_AT_ONCE: Final = 50
_UNREADABLE: Final = (
    "the request is not a valid message: it is empty, cut off, compressed or nested too deeply, or has a text "
    "that is not UTF-8. Send flat parameters."
)
_HOW: Final = (
    'Send {"<command>": {<parameters>}} or {"command": "<command>", <parameters>}; {"help": {}} lists the commands.'
)


class Request(msgspec.Struct, frozen=True):
    """One command. `nested` is the spelling `{"<command>": {...}}`, which the answer then has too."""

    name: str
    parameters: dict[str, object]
    nested: bool


async def receive(stream: Stream, codec: CodecBase, message_type: type[M]) -> M | None:
    """The request of an RPC, in place of grpclib's own function: a request that is too large is never read.

    Raises: GRPCError: `invalid_request`, for it and for one that cannot be read.
    """
    largest = _LARGEST_BYTES.get(message_type, _LARGEST_OTHER_BYTES)
    problem = f"the request has more than {largest // 1024} KiB. Send less at once."
    try:
        prefix = await stream.recv_data(5)  # whether it is compressed, and its length
        if not prefix and stream.data_received:
            return None  # the end of several requests
        size = int.from_bytes(prefix[1:], "big")
        if size <= largest:
            problem = _UNREADABLE
            content = await stream.recv_data(size)
            if prefix and not prefix[0] and len(content) == size:
                message: Any = codec.decode(content, message_type)
                name = getattr(message, "name", "")
                if not isinstance(name, str) or (len(name) <= _LONGEST_NAME and name.isprintable()):
                    return cast("M", message)  # the SDK's errors hold all of a name
                problem = f"the resource's name is not one line of at most {_LONGEST_NAME} characters. Correct it."
    except (DecodeError, AssertionError):  # the second is grpclib's for a request that ends too early
        pass
    error = InvalidRequestError(problem)
    raise GRPCError(error.status, error.message)


def parse(command: Struct, secrets: Secrets | None = None) -> Request:
    """The command in a request, in either spelling; its parameters as native values, see `from_struct`.

    The `secrets` are taken out of it first, before an error, a log or an audit entry can quote a part of one.

    Raises: InvalidRequestError: the request is too large, or has no command, several, or one of a wrong form.
    """
    content = command.SerializeToString()
    if secrets is not None and any(secret in content for secret in secrets.utf8):
        command = _redacted(Value(struct_value=command), secrets).struct_value
    left = [MOST_VALUES]
    values = {key: _native(value, [key], left) for key, value in command.fields.items()}
    if "command" in values:
        name = values.pop("command")
        if not isinstance(name, str) or not name.strip():
            raise InvalidRequestError(f"command: found {quoted(name)}, expected the name of a command. {_HOW}")
        return Request(name, values, nested=False)
    if len(values) != 1:
        found = f"{len(values)} commands in one call" if values else "no command"
        raise InvalidRequestError(f"found {found}, expected one. {_HOW}")
    ((name, parameters),) = values.items()
    if not isinstance(parameters, dict):
        found = quoted(parameters)
        raise InvalidRequestError(f"{quoted(name)}: found {found}, expected an object of parameters. {_HOW}")
    return Request(name, parameters, nested=True)


def _redacted(value: Value, secrets: Secrets) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return Value(string_value=secrets.redact(value.string_value))
    if kind == "list_value":
        return Value(list_value=ListValue(values=[_redacted(part, secrets) for part in value.list_value.values]))
    if kind == "struct_value":
        fields = value.struct_value.fields.items()
        redacted = {secrets.redact(name): _redacted(part, secrets) for name, part in fields}
        return Value(struct_value=Struct(fields=redacted))
    return value


def from_struct(struct: Struct) -> dict[str, object]:
    """Native values; null is None, and a whole number is an `int`.

    Raises: InvalidRequestError: there are too many values, nested too deeply, or a number is NaN or infinite.
    """
    left = [MOST_VALUES]
    return {key: _native(value, [key], left) for key, value in struct.fields.items()}


def _native(value: Value, path: list[Any], left: list[int]) -> object:
    """`path` is where the value is, which only errors need; `left[0]` is how many values may still come."""
    left[0] -= 1
    if left[0] < 0:
        raise InvalidRequestError(f"the request has more than {MOST_VALUES:,} values. Send less at once.")
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        if not math.isfinite(number):
            raise InvalidRequestError(f"{_quoted(path)}: found {quoted(number)}, expected a finite number.")
        return int(number) if abs(number) < _INTEGERS_BELOW and number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind not in ("struct_value", "list_value"):
        return None
    if len(path) > _DEEPEST + 1:
        raise InvalidRequestError(f"{_quoted(path)}: found more than {_DEEPEST} levels, expected flat parameters.")
    is_list = kind == "list_value"
    parts: Any = enumerate(value.list_value.values) if is_list else value.struct_value.fields.items()
    read = {}
    path.append("")
    for path[-1], part in parts:
        read[path[-1]] = _native(part, path, left)
    path.pop()
    return list(read.values()) if is_list else read


def _quoted(path: list[Any]) -> str:
    return quoted("".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:])


def to_struct(command: object) -> Struct:
    """The Struct of a request made in Python. Raises: InvalidRequestError: it holds something that JSON lacks."""
    if not isinstance(command, Mapping):
        raise InvalidRequestError(f"found {quoted(command)}, expected an object. {_HOW}")
    struct = Struct()
    try:
        struct.update(dict(command))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidRequestError(f"found a value that JSON does not have. {_HOW}") from None
    return struct


async def fill(struct: Struct, answer: Mapping[str, Any]) -> bool:
    """Write an answer, in which records may be, into a Struct.

    Long lists are written in parts, so that other callers get their turns in between.

    Returns whether the answer has lists, whose length nothing limits.
    """
    has_lists = False
    scalars: dict[str, Any] = {}
    for name, found in answer.items():
        value = msgspec.to_builtins(found) if isinstance(found, msgspec.Struct) else found
        if isinstance(value, dict) and value:
            has_lists = await fill(struct.fields[name].struct_value, value) or has_lists
        elif isinstance(value, list) and value:
            has_lists = True
            rows = struct.fields[name].list_value
            rows.extend(msgspec.to_builtins(value[:_ROWS_AT_ONCE]))
            for start in range(_ROWS_AT_ONCE, len(value), _ROWS_AT_ONCE):
                await asyncio.sleep(0)
                rows.extend(msgspec.to_builtins(value[start : start + _ROWS_AT_ONCE]))
        else:
            scalars[name] = value
    struct.update(scalars)
    return has_lists
