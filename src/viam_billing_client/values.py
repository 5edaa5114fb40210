"""Values between Python and the messages: JSON values, and protobuf's Struct, which has only floats for numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value

_EXACT: Final = 2.0**53
"""Whole numbers up to here are exact as floats."""


def plain(value: object) -> Any:  # noqa: ANN401 - a JSON value
    """A parameter as a JSON value: a Decimal as a number, a time as RFC 3339. Anything else is unchanged."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def from_struct(struct: Struct) -> dict[str, Any]:
    """A message's JSON values; whole numbers are `int`. Raises: ValueError: NaN or infinity."""
    return {name: _from_value(value) for name, value in struct.fields.items()}


def _from_value(value: Value) -> Any:  # noqa: ANN401 - a JSON value
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        if not isfinite(number):
            raise ValueError(f"found the number {number}")
        return int(number) if number.is_integer() and abs(number) <= _EXACT else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(each) for each in value.list_value.values]
    return None


def given(parameters: Mapping[str, object]) -> dict[str, Any]:
    """The parameters that are not None, as JSON values."""
    return {name: plain(value) for name, value in parameters.items() if value is not None}
