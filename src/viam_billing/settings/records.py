"""Strict reading of an object into a typed, frozen record: every error in words, and the record's JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET

from viam_billing.core.errors import quoted


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Named, typed values from outside: a command's parameters or a resource's attributes.

    The `title` in the `msgspec.Meta` of a field's type says in words what is expected there. An optional field is
    `... | UnsetType = UNSET`, so that null is an error. A record whose fields restrict each other has a
    `__post_init__` that raises ValueError; `schema_not` says the same as JSON Schema.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other accepted names of fields: alias -> field."""

    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {}
    """Rules that a type cannot express: field -> whether a value of the right type is valid.

    `read` applies them; a record that is a field of another one calls `check_fields` in its `__post_init__`.
    """

    secrets: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are never shown."""

    schema_not: ClassVar[Mapping[str, Any]] = {}
    """JSON Schema of the combinations that are refused."""

    def check_fields(self) -> None:
        """Raises: ValueError: one of the `checks` fails."""
        for field, check in self.checks.items():
            value = getattr(self, field)
            if value is not UNSET and not check(value):
                raise ValueError(field)


class InvalidRecordError(ValueError):
    """The values do not make a record. `errors` has a text for each that is wrong, `names` what they are called."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.names = {name for name, _ in errors}
        self.errors = [text for _, text in errors]
        super().__init__("; ".join(self.errors))


R = TypeVar("R", bound=Record)


def read(shape: type[R], values: Mapping[str, object], kind: str, hidden: str | None = None) -> R:
    """The record made of the values.

    Args:
        shape: the record's class.
        values: JSON values; whole numbers are `int`.
        kind: what errors call an unknown field, `parameter` or `attribute`.
        hidden: a text that no error may show, wherever it appears.

    Raises:
        InvalidRecordError: with every error; each names the field, what was found and what was expected.
    """
    try:
        record = msgspec.convert(_without_aliases(shape, values) if shape.aliases else values, shape)
        if shape.checks:
            record.check_fields()
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidRecordError(_errors(shape, values, kind, hidden) or [("", str(error))]) from None
    return record


def _without_aliases(shape: type[Record], values: Mapping[str, object]) -> dict[str, object]:
    """The values by the names of their fields; an alias beside its field stays, as an unknown field."""
    fields = {alias: field for alias, field in shape.aliases.items() if field not in values}
    return {fields.get(name, name): value for name, value in values.items()}


def _errors(
    shape: type[Record], values: Mapping[str, object], kind: str, hidden: str | None, prefix: str = ""
) -> list[tuple[str, str]]:
    """The errors of the fields, each looked at alone: the name and the text."""
    errors: list[tuple[str, str]] = []
    given_fields: set[str] = set()
    for name, value in sorted(values.items()):
        field = shape.aliases.get(name, name)
        given_fields.add(field)
        inner = _inner_record(shape, field)
        if field not in shape.__struct_fields__:
            errors.append((name, _unknown_field(shape, "***" if _holds(name, hidden) else name, kind, prefix)))
        elif field != name and field in values:
            errors.append((name, f"{prefix}{field}: found {field} and its other name {name}, expected one of the two"))
        elif inner is not None and isinstance(value, dict):
            errors += [(name, text) for _, text in _errors(inner, value, kind, hidden, f"{prefix}{field}.")]
        elif not _is_valid(shape, field, value):
            secret = field in shape.secrets or _holds(value, hidden)
            found = "a value that is not shown" if secret else quoted(value)
            errors.append((name, f"{prefix}{name}: found {found}, expected {expected(shape, field)}"))
    missing = [field.name for field in msgspec.structs.fields(shape) if field.required]
    return errors + [
        (name, f"{prefix}{name}: found nothing, expected {expected(shape, name)}")
        for name in missing
        if name not in given_fields
    ]


def _is_valid(shape: type[Record], field: str, value: object) -> bool:
    try:
        typed: object = msgspec.convert(value, _types(shape)[field])
    except msgspec.ValidationError:
        return False
    return shape.checks[field](typed) if field in shape.checks else True


def _unknown_field(shape: type[Record], name: str, kind: str, prefix: str) -> str:
    """The error of an unknown field. It does not show the value, which may be a key under a misspelt name."""
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    close = get_close_matches(name, [*shape.__struct_fields__, *shape.aliases], 1)
    hint = f"{close[0]} (a name close to it)" if close else f"one of {', '.join(shape.__struct_fields__) or 'none'}"
    return f"{prefix}{quoted(name)}: found an unknown {kind}, expected {hint}"


def _holds(value: object, hidden: str | None) -> bool:
    return bool(hidden) and isinstance(value, str) and str(hidden) in value


@cache
def _types(shape: type[Record]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(shape)}


def _inner_record(shape: type[Record], field: str) -> type[Record] | None:
    """The class of a field that is a record itself."""
    wanted = _types(shape).get(field)
    parts = [getattr(part, "__origin__", part) for part in (wanted, *getattr(wanted, "__args__", ()))]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Record)), None)


def expected(shape: type[Record], field: str) -> str:
    """What a field takes, in words."""
    title: str = schema(shape)["properties"][field]["title"]
    return title


@cache
def schema(shape: type[Record]) -> dict[str, Any]:
    """A self-contained JSON Schema (2020-12) with `type: object` at its top, aliases included. Do not change it."""
    _, components = msgspec.json.schema_components([shape])
    top: dict[str, Any] = components.pop(shape.__name__)
    del top["title"], top["description"]  # the record's name and docstring
    if components:
        top["$defs"] = components
    required = top.get("required", [])
    either = [
        {"oneOf": [{"required": [field]}, {"required": [alias]}]}
        for alias, field in shape.aliases.items()
        if field in required
    ]
    for alias, field in shape.aliases.items():
        top["properties"][alias] = {**top["properties"][field], "description": f"Another name of {field}."}
    top["required"] = [name for name in required if name not in shape.aliases.values()]
    if shape.schema_not:
        top["not"] = dict(shape.schema_not)
    if either:
        top["allOf"] = either
    return top


def given(value: R | Any, default: Any = None) -> Any:  # noqa: ANN401 - returns what it gets
    """The value of an optional field, or the default where it was left out."""
    return default if value is UNSET else value
