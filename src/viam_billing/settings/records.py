"""Strict reading of an object into a typed, frozen record: every error in words, and the record's JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Final, TypeVar

import msgspec
from msgspec import UNSET

from viam_billing.core.errors import quoted

_MOST_UNKNOWN: Final = 10
"""Unknown names that errors name; more are counted."""
MOST_ELEMENTS: Final = 10
"""Wrong elements of one list that errors name."""
_ELEMENTS_AT_ONCE: Final = 100
"""Elements that are looked at together, and one by one only if any is wrong: 10,000 by themselves take 50 ms."""
_LONGEST_COMPARED: Final = 80
"""Characters of a name for which a close one is looked for: that takes time with the square of it."""
_VERBS: Final = frozenset({"check", "get", "list", "set", "show", "update"})
"""Words that are looked for in other names only if a name has no others."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Named, typed values from outside: a command's parameters or a resource's attributes.

    The `title` in the `msgspec.Meta` of a field's type says in words what is expected there. An optional field is
    `... | UnsetType = UNSET`, so that null is an error. A record whose fields restrict each other has a
    `__post_init__` that raises ValueError; `schema_not` says the same as JSON Schema.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other accepted names of fields: alias -> field."""

    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {}
    """Rules that a type cannot express: field -> whether a value of the right type is valid."""

    secrets: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are never shown."""

    schema_not: ClassVar[Mapping[str, Any]] = {}
    """JSON Schema of the combinations that are refused."""


class InvalidRecordError(ValueError):
    """The values do not make a record. `errors` has the name of each value that is wrong, and what is wrong."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(text for _, text in errors))


R = TypeVar("R", bound=Record)


def read(shape: type[R], values: Mapping[str, object], kind: str, hidden: str | None = None) -> R:
    """The record made of JSON values, whose whole numbers are `int`.

    `kind` is what errors call an unknown field, `parameter` or `attribute`. No error shows the text `hidden`.
    Raises: InvalidRecordError: with every error; each names the field, what was found and what was expected.
    """
    by_field = values
    if shape.aliases:  # an alias beside its field stays, as an unknown field
        fields = {alias: field for alias, field in shape.aliases.items() if field not in values}
        by_field = {fields.get(name, name): value for name, value in values.items()}
    try:
        record = msgspec.convert(by_field, shape)
    except msgspec.ValidationError as error:
        raise InvalidRecordError(_errors(shape, values, kind, hidden) or [("", str(error))]) from None
    if shape.checks and (errors := _errors(shape, values, kind, hidden)):
        raise InvalidRecordError(errors)
    return record


def _errors(
    shape: type[Record], values: Mapping[str, object], kind: str, hidden: str | None, prefix: str = ""
) -> list[tuple[str, str]]:
    """The errors of the fields, each looked at alone: the name and the text."""
    types = {field.name: field.type for field in _fields(shape)}
    errors: list[tuple[str, str]] = []
    unknown = sorted(name for name in values if shape.aliases.get(name, name) not in types)
    counted = frozenset(unknown[_MOST_UNKNOWN:])
    if counted:
        errors.append(("", f"{prefix}found {len(unknown)} unknown {kind}s, expected none; the first are named here"))
    for name in sorted(values.keys() - counted):
        value = values[name]
        field = shape.aliases.get(name, name)
        inner = _inner_record(types.get(field))
        if field not in types:
            shown = "***" if hidden and hidden in name else name  # the value is not: it may be a key, its name misspelt
            close = close_names(shown, [*shape.__struct_fields__, *shape.aliases], 1)
            hint = f"{close[0]} (a name close to it)" if close else f"one of {', '.join(types) or 'none'}"
            errors.append((name, f"{prefix}{quoted(shown)}: found an unknown {kind}, expected {hint}"))
        elif field != name and field in values:
            errors.append((name, f"{prefix}{field}: found {field} and its other name {name}, expected one of the two"))
        elif inner is not None and isinstance(value, dict):
            errors += [(name, text) for _, text in _errors(inner, value, kind, hidden, f"{prefix}{field}.")]
        elif not _is_valid(value, types[field], shape.checks.get(field)):
            texts = _of_value(shape, field, types[field], value, hidden)
            errors += [(name, f"{prefix}{name}{text}") for text in texts]
    given_fields = {shape.aliases.get(name, name) for name in values}
    return errors + [
        (field.name, f"{prefix}{field.name}: found nothing, expected {expected(shape, field.name)}")
        for field in _fields(shape)
        if field.required and field.name not in given_fields
    ]


def _of_value(shape: type[Record], field: str, wanted: Any, value: object, hidden: str | None) -> list[str]:  # noqa: ANN401 - a type or a union
    """What is wrong with a field's value: with elements of a list, each by its place, or else with all of it."""
    check, element = shape.checks.get(field), schema(shape)["properties"][field].get("items")

    def found(part: object) -> str:
        secret = field in shape.secrets or (hidden and isinstance(part, str) and hidden in part)
        return "a value that is not shown" if secret else quoted(part)

    if not (element and isinstance(value, list)):
        return [f": found {found(value)}, expected {expected(shape, field)}"]
    places = (
        place
        for start in range(0, len(value), _ELEMENTS_AT_ONCE)
        if not _is_valid(value[start : start + _ELEMENTS_AT_ONCE], wanted, check)
        for place in range(start, min(start + _ELEMENTS_AT_ONCE, len(value)))
        if not _is_valid([value[place]], wanted, check)
    )
    texts = [f"[{at}]: found {found(value[at])}, expected {element['title']}" for at in islice(places, MOST_ELEMENTS)]
    return texts or [f": found a list of {len(value):,}, expected {expected(shape, field)}"]


def close_names(name: str, names: Iterable[str], most: int) -> list[str]:
    """Up to so many of the names that one which is not among them may have meant, the closest first.

    They are those with all of its words, `get` and the like apart, and without any those that are spelt most like it.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    name = in_snake_case(name)
    words = {each: _words(in_snake_case(each)) for each in names}
    asked = _words(name)
    needed = asked - _VERBS or asked
    having = [each for each in words if needed and needed <= words[each]]
    having.sort(key=lambda each: (-len(asked & words[each]), len(words[each] - _VERBS)))
    return having[:most] or get_close_matches(name, words, most)


def in_snake_case(name: str) -> str:
    """A name as the module's own are spelt, or the beginning of one that is too long to be compared."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name[:_LONGEST_COMPARED]).lower()


def _words(name: str) -> frozenset[str]:
    """The words of a name in snake case, in the singular; an organization is an org."""
    return frozenset(word.rstrip("s") for word in name.replace("organization", "org").split("_") if word)


_fields = cache(msgspec.structs.fields)  # it takes hundreds of microseconds


def _is_valid(value: object, wanted: Any, check: Callable[[Any], bool] | None) -> bool:  # noqa: ANN401 - a type or a union
    try:
        typed: object = msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return check is None or check(typed)


def _inner_record(wanted: Any) -> type[Record] | None:  # noqa: ANN401 - a type or a union
    """The record that a field's type is or may be."""
    parts = [getattr(part, "__origin__", part) for part in (wanted, *getattr(wanted, "__args__", ()))]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Record)), None)


def expected(shape: type[Record], field: str) -> str:
    """What a field takes, in words."""
    return str(schema(shape)["properties"][field]["title"])


@cache
def schema(shape: type[Record]) -> dict[str, Any]:
    """A self-contained JSON Schema (2020-12) with `type: object` at its top, aliases included. Do not change it."""
    _, components = msgspec.json.schema_components([shape])
    for component in components.values():
        del component["title"]  # the record's name
        component.pop("description", None)  # its docstring, where Python keeps those
    top: dict[str, Any] = components.pop(shape.__name__)
    if components:
        top["$defs"] = components
    required = top.get("required", [])
    for alias, field in shape.aliases.items():
        top["properties"][alias] = {**top["properties"][field], "description": f"Another name of {field}."}
        if field in required:
            either = {"oneOf": [{"required": [field]}, {"required": [alias]}]}
            top["allOf"] = [*top.get("allOf", []), either]
    top["required"] = [name for name in required if name not in shape.aliases.values()]
    if shape.schema_not:
        top["not"] = dict(shape.schema_not)
    return top


def given(value: R | Any, default: Any = None) -> Any:  # noqa: ANN401 - returns what it gets
    """The value of an optional field, or the default where it was left out."""
    return default if value is UNSET else value
