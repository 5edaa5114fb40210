"""What a request may look like, and its size: from bytes to native values; and from an answer back to a Struct."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct, Value
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.protocol import Stream
from viam.proto.common import DoCommandRequest
from viam.proto.module import AddResourceRequest, ReconfigureResourceRequest, ValidateConfigRequest

from viam_billing.core.errors import InvalidRequestError, quoted
from viam_billing.core.secrets import Secrets

M = TypeVar("M")

_KIB: Final = 1024
_LARGEST_BYTES: Final[Mapping[type, int]] = {
    DoCommandRequest: 256 * _KIB,
    **dict.fromkeys((AddResourceRequest, ReconfigureResourceRequest, ValidateConfigRequest), 1024 * 1024),
}
_LOGO: Final = b"organization_set_logo"
_LARGEST_LOGO_REQUEST_BYTES: Final = 272 * _KIB
"""For 200,000 bytes as base64: a request that is so large is read, and refused unless it names that command."""
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
_LOST: Final = (
    'If you sent one, it did not arrive: over HTTP it is the form field "command", not a JSON body '
    '(curl --data-urlencode \'command={"help": {}}\'); for the Viam CLI it is "command" in --data.'
)
"""On these two ways what is misplaced is dropped on the way, and the module gets an empty request."""


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
    problem = f"the request has more than {largest // 1024} KiB. Send less at once"
    problem += "; a logo has at most 200,000 bytes." if message_type is DoCommandRequest else "."
    try:
        prefix = await stream.recv_data(5)  # whether it is compressed, and its length
        if not prefix and stream.data_received:
            return None  # the end of several requests
        size = int.from_bytes(prefix[1:], "big")
        may_be_logo = message_type is DoCommandRequest and size <= _LARGEST_LOGO_REQUEST_BYTES
        content = await stream.recv_data(size) if size <= largest or may_be_logo else b""
        if size <= largest or _LOGO in content:
            problem = _UNREADABLE
            if prefix and not prefix[0] and len(content) == size:
                message: Any = codec.decode(content, message_type)
                if all(len(name) <= _LONGEST_NAME and name.isprintable() for name in _names(message)):
                    return cast("M", message)
                problem = f"a resource's name is not one line of at most {_LONGEST_NAME} characters. Correct it."
    except (DecodeError, AssertionError):  # the second is grpclib's for a request that ends too early
        pass
    error = InvalidRequestError(problem)
    raise GRPCError(error.status, error.message)


def _names(message: Any) -> Iterator[str]:  # noqa: ANN401 - any request
    """The names of resources, APIs and models in a request: the SDK's errors and log lines hold all of each."""
    named = getattr(message, "config", message)
    texts = (getattr(named, field, "") for field in ("name", "api", "model"))
    yield from (text for text in texts if isinstance(text, str))
    yield from getattr(message, "dependencies", ())


def parse(command: Struct, secrets: Secrets | None = None) -> Request:
    """The command in a request, in either spelling; its parameters as native values, see `from_struct`.

    The `secrets` are taken out of it first, before an error, a log or an audit entry can quote a part of one.

    Raises: InvalidRequestError: the request is too large, or has no command, several, or one of a wrong form.
    """
    has_secrets = secrets is not None and secrets.are_in(command.SerializeToString())
    redact = secrets.redact if secrets is not None and has_secrets else str
    left = [MOST_VALUES]
    values = {redact(name): _native(value, [redact(name)], left, redact) for name, value in command.fields.items()}
    if "command" in values:
        name = values.pop("command")
        if not isinstance(name, str) or not name.strip():
            raise InvalidRequestError(f"command: found {quoted(name)}, expected the name of a command. {_HOW}")
        return Request(name, values, nested=False)
    if not values:
        raise InvalidRequestError(f"found no command, expected one. {_HOW} {_LOST}")
    if len(values) > 1:
        raise InvalidRequestError(f"found {len(values)} commands in one call, expected one. {_HOW}")
    ((name, parameters),) = values.items()
    if not isinstance(parameters, dict):
        found = quoted(parameters)
        raise InvalidRequestError(f"{quoted(name)}: found {found}, expected an object of parameters. {_HOW}")
    return Request(name, parameters, nested=True)


def from_struct(struct: Struct) -> dict[str, object]:
    """Native values; null is None, and a whole number is an `int`.

    Raises: InvalidRequestError: there are too many values, nested too deeply, or a number is NaN or infinite.
    """
    left = [MOST_VALUES]
    return {name: _native(value, [name], left, str) for name, value in struct.fields.items()}


def _native(value: Value, path: list[Any], left: list[int], redact: Callable[[str], str]) -> object:
    """`path` is where the value is, which only errors need; `left[0]` is how many values may still come."""
    left[0] -= 1
    if left[0] < 0:
        raise InvalidRequestError(f"the request has more than {MOST_VALUES:,} values. Send less at once.")
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return redact(value.string_value)
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
    for name, part in parts:
        path[-1] = name if is_list else redact(name)
        read[path[-1]] = _native(part, path, left, redact)
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
