"""From a request, a Struct or a mapping, to a command's name and native parameters; and from an answer to a Struct."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from viam_billing.core.errors import InvalidRequestError, ResultTooLargeError, quoted

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value

LARGEST_BYTES: Final = 16 * 1024 * 1024
"""Of an answer with lists: no client is sure to take a longer message. A PDF has its own limit, `max_pdf_bytes`."""

_WHOLE_BELOW: Final = 2.0**63
"""What fits into 64 bits is an integer if it is whole."""

_DEEPEST: Final = 32
_IN_ONE_TURN: Final = 50
_HOW: Final = (
    'Send {"<command>": {<parameters>}} or {"command": "<command>", <parameters>}; {"help": {}} lists the commands.'
)


class Request(msgspec.Struct, frozen=True):
    """One command. `nested` tells the spelling, which the answer repeats."""

    name: str
    parameters: dict[str, object]
    nested: bool


def parse(command: Mapping[str, object]) -> Request:
    """Tell the two spellings apart.

    Args:
        command: native values, of `from_struct` or `from_python`.

    Raises:
        InvalidRequestError: for no command, two of them, or a wrong form.
    """
    if "command" in command:
        name = command["command"]
        if not isinstance(name, str) or not name.strip():
            raise InvalidRequestError(f"command: found {quoted(name)}, expected the name of a command. {_HOW}")
        return Request(name, {key: value for key, value in command.items() if key != "command"}, nested=False)
    if len(command) != 1:
        found = "no command" if not command else f"{len(command)} commands in one call"
        raise InvalidRequestError(f"found {found}, expected one. {_HOW}")
    ((name, parameters),) = command.items()
    if not isinstance(parameters, dict):
        raise InvalidRequestError(
            f"{quoted(name)}: found {quoted(parameters)}, expected an object of parameters. {_HOW}"
        )
    return Request(name, parameters, nested=True)


def from_struct(struct: Struct) -> dict[str, object]:
    """Native values of a request's own Struct: null stays null, a whole number becomes an `int`.

    Raises:
        InvalidRequestError: for NaN and infinity, named by their path.
    """
    return {key: _from_value(value, key, 0) for key, value in struct.fields.items()}


def _from_value(value: Value, path: str, depth: int) -> object:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return _number(value.number_value, path)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        _check_depth(path, depth)
        fields = value.struct_value.fields
        return {key: _from_value(part, f"{path}.{key}", depth + 1) for key, part in fields.items()}
    if kind == "list_value":
        _check_depth(path, depth)
        return [_from_value(part, f"{path}[{i}]", depth + 1) for i, part in enumerate(value.list_value.values)]
    return None


def from_python(command: object) -> dict[str, object]:
    """The same for a call of `do_command` in Python, whose values may be anything.

    Raises:
        InvalidRequestError: for what could not have come over the wire either.
    """
    if not isinstance(command, Mapping):
        raise InvalidRequestError(f"found {quoted(command)}, expected an object. {_HOW}")
    native = _from_python(command, "", 0)
    if not isinstance(native, dict):
        raise TypeError("a mapping becomes a dict")
    return native


def _from_python(value: object, path: str, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, (int, float)):
        return _number(value, path)
    if isinstance(value, Mapping):
        _check_depth(path, depth)
        return {
            _text(key, path): _from_python(part, f"{path}.{key}" if path else f"{key}", depth + 1)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        _check_depth(path, depth)
        return [_from_python(part, f"{path}[{i}]", depth + 1) for i, part in enumerate(value)]
    raise InvalidRequestError(f"{quoted(path)}: found {type(value).__name__}, expected a value that JSON knows.")


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"{quoted(path)}: found a name that is no text, expected text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{quoted(path)}: found half of a character, expected text.") from None
    return value


def _number(value: float, path: str) -> int | float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidRequestError(f"{quoted(path)}: found {quoted(number)}, expected a finite number.")
    return int(number) if abs(number) < _WHOLE_BELOW and number.is_integer() else number


def _check_depth(path: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidRequestError(f"{quoted(path)}: found more than {_DEEPEST} levels, expected flat parameters.")


async def fill(struct: Struct, answer: Mapping[str, Any]) -> bool:
    """Write an answer into a Struct, while the event loop turns. Returns whether it has lists, which have no bound."""
    has_lists = False
    for name, value in answer.items():
        if isinstance(value, dict) and value:
            has_lists = await fill(struct.fields[name].struct_value, value) or has_lists
        elif isinstance(value, list) and value:
            has_lists = True
            rows = struct.fields[name].list_value
            rows.extend(value[:_IN_ONE_TURN])
            for start in range(_IN_ONE_TURN, len(value), _IN_ONE_TURN):
                await asyncio.sleep(0)
                rows.extend(value[start : start + _IN_ONE_TURN])
        else:
            struct.update({name: value})
    return has_lists


def too_large() -> ResultTooLargeError:
    """What a request gets whose answer has more than `LARGEST_BYTES`."""
    return ResultTooLargeError(
        f"the answer would have more than {LARGEST_BYTES // 2**20} MiB. "
        "Ask for less: a fleet in parts with location_ids, a list with limit or since."
    )
