from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from viam_billing.commands import COMMANDS
from viam_billing.commands.context import Command, moment_s
from viam_billing.module import codec
from viam_billing.settings import records
from viam_billing.settings.records import InvalidRecordError, Record

FORMATS = FormatChecker(formats=())
TIMES = [
    "2026-11-01T00:00:00Z",
    "2026-02-28T23:59:59.25+05:30",
    "2026-11-01",
    "2026-11-01T00:00:00",
    "2026-11-31T00:00:00Z",
]
_RFC_3339 = re.compile(r"\d{4}-(0\d|1[0-2])-([0-2]\d|30)T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@FORMATS.checks("date-time")
def is_rfc_3339(value: object) -> bool:
    """Whether one of `TIMES`, all of a month with 30 days or of February, is a time."""
    return not isinstance(value, str) or _RFC_3339.fullmatch(value) is not None


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(-2, 1e13),
    st.sampled_from(
        [0.0, 0.01, 10.5, 1e12, 999_999_999_999.99, "", " ", "a/b", ".", "..", "x" * 129, "x" * 1001, *TIMES]
    ),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), st.integers(), max_size=2),
)


def good(field: Mapping[str, Any], records: Mapping[str, Any]) -> st.SearchStrategy[object]:
    """Values that are mostly of a field's type; `records` are the schemas that it may refer to."""
    if "$ref" in field:
        inner = records[field["$ref"].rpartition("/")[2]]
        each = {name: good(one, records) for name, one in inner["properties"].items()}
        needed = {name: each.pop(name) for name in inner["required"]}
        return st.fixed_dictionaries(needed, optional={**each, "unknown": ODD})
    if field.get("format") == "date-time":
        return st.sampled_from(TIMES)
    if "enum" in field:
        return st.sampled_from(field["enum"])
    by_type: dict[str, st.SearchStrategy[object]] = {
        "string": st.sampled_from(["x", "some id", "é" * 100, "y" * 128, "z" * 200]),
        "number": st.sampled_from([0, 1, 0.01, 12.34, 0.001, 99_999]),
        "integer": st.sampled_from([1, 2.0, 500]),
        "boolean": st.booleans(),
        "array": st.lists(st.sampled_from(["x", "some id", "y" * 128]), min_size=1, max_size=3),
    }
    return by_type[field["type"]]


def values(shape: type[Record]) -> st.SearchStrategy[dict[str, object]]:
    """Sets of parameters: good ones, odd ones, unknown ones, too few and too many."""
    schema = records.schema(shape)
    kinds = {name: good(field, schema.get("$defs", {})) for name, field in schema["properties"].items()}
    each = {name: st.one_of(kind, kind, ODD) for name, kind in kinds.items()}
    needed = [*schema["required"], *shape.aliases.values()]
    mostly = st.fixed_dictionaries(
        {name: kinds[name] for name in needed}, optional={n: s for n, s in each.items() if n not in needed}
    )
    anything = st.fixed_dictionaries({}, optional={**each, "unknown": ODD})
    return st.one_of(mostly, anything)


def checks_hold(shape: type[Record], native: Mapping[str, Any]) -> bool:
    """What no schema can say: whole cents, the bytes of a file's name, an end before its start."""
    fields = {shape.aliases.get(name, name): value for name, value in native.items()}
    if not all(check(fields[field]) for field, check in shape.checks.items() if field in fields):
        return False
    return not {"since", "until"} <= fields.keys() or moment_s(fields["since"]) <= moment_s(fields["until"])


def errors_of(shape: type[Record], native: Mapping[str, object]) -> list[str]:
    """All errors of a set of parameters."""
    try:
        records.read(shape, native, "parameter")
    except InvalidRecordError as error:
        return [text for _, text in error.errors]
    return []


@pytest.mark.parametrize("row", COMMANDS.values(), ids=COMMANDS)
@settings(max_examples=60)
@given(data=st.data())
def test_the_schema_of_a_command_agrees_with_its_reading(row: Command, data: st.DataObject) -> None:
    """Whoever checks against what `help` shows is told the same as by the command."""
    native = codec.from_struct(codec.to_struct(data.draw(values(row.parameters))))
    fits = Draft202012Validator(records.schema(row.parameters), format_checker=FORMATS).is_valid(native)
    assert (not errors_of(row.parameters, native)) == (fits and checks_hold(row.parameters, native))


@pytest.mark.parametrize("row", COMMANDS.values(), ids=COMMANDS)
@settings(max_examples=30)
@given(data=st.data())
def test_an_error_names_its_parameter(row: Command, data: st.DataObject) -> None:
    native = codec.from_struct(codec.to_struct(data.draw(values(row.parameters))))
    errors = errors_of(row.parameters, native)
    assume(errors)
    known = records.schema(row.parameters)["properties"]
    for error in errors:
        name = re.split(r"[:.\[]", error)[0].strip('"')  # of a field of a record the record's, of an element the list's
        assert name in known or name == "unknown"
        assert ": found " in error
        assert ", expected " in error
