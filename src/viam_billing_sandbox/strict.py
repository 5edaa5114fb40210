"""Reads JSON strictly into typed records: a wrong type, a missing or an unknown name becomes one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, TypeVar, get_args

import msgspec

_T = TypeVar("_T", bound="Record")
_WRONG_CHOICE: Final = re.compile(r"Invalid enum value ('.*') - at `\$\.(\w+)`", re.DOTALL)
"""What msgspec says of a field of the record itself; it does not tell the choices."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Date = Annotated[datetime, msgspec.Meta(tz=True)]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of what is read."""


class ScenarioError(ValueError):
    """A scenario or a request of the control is wrong; the text is one line and stands on its own."""


def read(value: object, record: type[_T], place: str) -> _T:
    """Converts JSON values to a record; `place` says in an error where they stand.

    Raises:
        ScenarioError: They are not what the record expects.
    """
    try:
        return msgspec.convert(value, record)
    except msgspec.ValidationError as error:
        if wrong := _WRONG_CHOICE.fullmatch(str(error)):
            kind = next(field.type for field in msgspec.structs.fields(record) if field.name == wrong[2])
            raise ScenarioError(f"{place}.{wrong[2]}: {wrong[1]} is none of {', '.join(_choices(kind))}") from error
        raise ScenarioError(f"{place}: {error}") from error


def _choices(kind: object) -> Iterator[str]:
    """Returns the texts of a `Literal`, or of several in a union; the empty one stands for nothing."""
    for each in get_args(kind):
        if not isinstance(each, str):
            yield from _choices(each)
        elif each:
            yield each
