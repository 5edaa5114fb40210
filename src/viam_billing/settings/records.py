"""Strict reading of an object into a typed, frozen record: every field's error, in words, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET

from viam_billing.core.errors import quoted


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A set of named, typed values from outside.

    Each field's type carries a `title` in its `msgspec.Meta`: the words for what is expected there. A field that may be
    left out is `... | UnsetType = UNSET`, so that null is wrong and not the same as nothing.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other accepted names of required fields: alias -> field."""

    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {}
    """What a type cannot say: field -> whether a value of the right type is good."""

    secrets: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are never shown."""

    schema_of_contradictions: ClassVar[Mapping[str, Any]] = {}
    """JSON Schema of what contradicts each other, as far as it can say it; put under `not`."""

    def contradiction(self) -> str:
        """What is wrong with values that are each good by themselves, as an error's text; empty if nothing is."""
        return ""


R = TypeVar("R", bound=Record)


def read(
    shape: type[R], values: Mapping[str, object], kind: str, prefix: str = "", hidden: str | None = None
) -> tuple[R | None, list[str]]:
    """The record, or every error found, each naming the field, what was found and what was expected.

    Args:
        shape: the record to make.
        values: native values as JSON knows them; whole numbers are `int`.
        kind: what a field is called in errors, `parameter` or `attribute`.
        prefix: the path of a record inside another, with its dot.
        hidden: a text that no error may show, wherever it turned up.
    """
    errors: list[str] = []
    known: dict[str, object] = {}
    found: object
    for name, value in sorted(values.items()):
        field = shape.aliases.get(name, name)
        if field not in shape.__struct_fields__:
            errors.append(_unknown(shape, "***" if _holds(name, hidden) else name, kind, prefix))
        elif field != name and field in values:
            errors.append(f"{prefix}{field}: found {field} and its other name {name}, expected one of the two")
        else:
            inner = _record_type(_types(shape)[field])
            if inner is not None and isinstance(value, dict):
                found, wrong = read(inner, value, kind, f"{prefix}{field}.", hidden)
            else:
                found, wrong = _field(shape, field, value, hidden, f"{prefix}{name}")
            known[field] = found
            errors += wrong
    tried = {shape.aliases.get(name, name) for name in values}
    errors += [
        f"{prefix}{name}: found nothing, expected {expected(shape, name)}"
        for name in _required(shape)
        if name not in tried
    ]
    if errors:
        return None, errors
    record = shape(**known)
    wrong_together = record.contradiction()
    return (None, [wrong_together]) if wrong_together else (record, [])


def _unknown(shape: type[Record], name: str, kind: str, prefix: str) -> str:
    """The value stays out of sight: it may be a key under a misspelt name."""
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    near = get_close_matches(name, [*shape.__struct_fields__, *shape.aliases], 1)
    hint = f"{near[0]} (a name close to it)" if near else f"one of {', '.join(shape.__struct_fields__) or 'none'}"
    return f"{prefix}{quoted(name)}: found an unknown {kind}, expected {hint}"


def _field(
    shape: type[Record], field: str, value: object, hidden: str | None, shown_name: str
) -> tuple[object, list[str]]:
    try:
        found: object = msgspec.convert(value, _types(shape)[field])
    except msgspec.ValidationError:
        good = False
    else:
        check = shape.checks.get(field)
        good = check is None or check(found)
    if good:
        return found, []
    unseen = field in shape.secrets or _holds(value, hidden)
    what = "a value that is not shown" if unseen else quoted(value)
    return None, [f"{shown_name}: found {what}, expected {expected(shape, field)}"]


def _holds(value: object, hidden: str | None) -> bool:
    return bool(hidden) and isinstance(value, str) and str(hidden) in value


@cache
def _types(shape: type[Record]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(shape)}


@cache
def _required(shape: type[Record]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(shape) if field.required)


def _record_type(wanted: Any) -> type[Record] | None:  # noqa: ANN401 - a type expression has no narrower type
    parts = [getattr(part, "__origin__", part) for part in (wanted, *getattr(wanted, "__args__", ()))]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Record)), None)


def expected(shape: type[Record], field: str) -> str:
    """The words for what a field takes."""
    title: str = schema(shape)["properties"][field]["title"]
    return title


@cache
def schema(shape: type[Record]) -> dict[str, Any]:
    """A self-contained JSON Schema (2020-12) with `type: object` at its top, aliases included."""
    (_, components) = msgspec.json.schema_components([shape])
    top: dict[str, Any] = components.pop(shape.__name__)
    del top["title"], top["description"]  # the record's name and docstring
    if components:
        top["$defs"] = components
    for alias, field in shape.aliases.items():
        top["properties"][alias] = {**top["properties"][field], "description": f"Another name of {field}."}
    needed = [name for name in top.get("required", []) if name not in shape.aliases.values()]
    either = [
        {"oneOf": [{"required": [field]}, {"required": [alias]}]}
        for alias, field in shape.aliases.items()
        if field in top.get("required", [])
    ]
    top["required"] = needed
    if shape.schema_of_contradictions:
        top["not"] = dict(shape.schema_of_contradictions)
    if either:
        top["allOf"] = either
    return top


def given(value: R | Any, default: Any = None) -> Any:  # noqa: ANN401 - passes on what it gets
    """The value of an optional field, or the default where nothing was given."""
    return default if value is UNSET else value
