"""Reads JSON strictly into typed records: a wrong type, a missing or an unknown name becomes one sentence."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

_T = TypeVar("_T")

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
        raise ScenarioError(f"{place}: {error}") from error
