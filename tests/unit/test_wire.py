from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from support.turns import counted_turns
from viam_billing.core.errors import InvalidRequestError
from viam_billing.module import codec
from viam_billing.module.codec import Request


def nested(levels: int) -> dict[str, Any]:
    """An object in an object, that many times."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"in": value}
    return value


def is_good(read: Callable[[], object]) -> bool:
    """Whether a reading is not refused."""
    try:
        read()
    except InvalidRequestError:
        return False
    return True


def test_a_command_is_the_name_of_its_parameters() -> None:
    """The spelling of Viam's model docs."""
    assert codec.parse({"do": {"a": 1}}) == Request("do", {"a": 1}, nested=True)


def test_a_command_is_a_parameter_beside_others() -> None:
    """The spelling that is handy for jobs and data capture."""
    assert codec.parse({"command": "do", "a": 1}) == Request("do", {"a": 1}, nested=False)


def test_a_command_needs_no_parameters() -> None:
    """In either spelling."""
    assert codec.parse({"command": "do"}).parameters == codec.parse({"do": {}}).parameters == {}


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"a": {}, "b": {}},
        {"a": None},
        {"a": 1},
        {"a": "text"},
        {"a": [{}]},
        {"a": True},
        {"command": ""},
        {"command": "  "},
        {"command": None},
        {"command": 1},
        {"command": {}},
        {"command": ["help"]},
    ],
)
def test_what_is_not_one_command_is_refused(command: dict[str, object]) -> None:
    """None, two in one call, a value that is no object, a name that is no text."""
    with pytest.raises(InvalidRequestError, match="expected"):
        codec.parse(command)


def test_a_struct_becomes_native_values() -> None:
    """All six kinds; a whole number is an integer."""
    struct = Struct()
    struct.update({"text": "x", "whole": 3, "part": 2.5, "flag": True, "list": [1, {"a": "b"}], "object": {"c": 4}})
    native = codec.from_struct(struct)
    assert native == {"text": "x", "whole": 3, "part": 2.5, "flag": True, "list": [1, {"a": "b"}], "object": {"c": 4}}
    assert isinstance(native["whole"], int)


def test_null_stays_null() -> None:
    """And is not 0, as the SDK reads it."""
    assert codec.from_struct(Struct(fields={"a": Value(null_value=0)})) == {"a": None}  # type: ignore[arg-type] # the enum's only number


def test_a_value_without_a_kind_is_null() -> None:
    """A client may send such a one."""
    assert codec.from_struct(Struct(fields={"a": Value()})) == {"a": None}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_of_a_struct_is_finite(number: float) -> None:
    """What is not is named by its path."""
    inside = Value(list_value=ListValue(values=[Value(number_value=number)]))
    struct = Struct(fields={"a": Value(struct_value=Struct(fields={"b": inside}))})
    with pytest.raises(InvalidRequestError, match=r"a\.b\[0\]"):
        codec.from_struct(struct)


@pytest.mark.parametrize("number", [math.nan, math.inf, 10**400])
def test_a_number_from_python_is_finite(number: float) -> None:
    """An integer that no double can hold could not have come over the wire."""
    with pytest.raises(InvalidRequestError, match="finite"):
        codec.from_python({"a": {"b": number}})


@pytest.mark.parametrize("value", [b"bytes", object(), {1: 2}, {"a": {None: 1}}, {1, 2}, "\ud800", {"\ud800": 1}, 1j])
def test_what_json_does_not_know_is_refused(value: object) -> None:
    """A caller in Python may pass anything."""
    with pytest.raises(InvalidRequestError):
        codec.from_python({"a": value})


@pytest.mark.parametrize("command", [None, [], "help", 5])
def test_a_request_is_an_object(command: object) -> None:
    """Nothing else is."""
    with pytest.raises(InvalidRequestError, match="expected an object"):
        codec.from_python(command)


def test_python_and_the_wire_agree() -> None:
    """A tuple is a list, a whole float an integer."""
    assert codec.from_python({"a": (1.0, 2.5, True)}) == {"a": [1, 2.5, True]}


def test_true_is_not_one() -> None:
    """Although it is in Python."""
    assert codec.from_python({"a": True})["a"] is True


def test_a_mapping_that_holds_itself_is_refused() -> None:
    """It would have no end."""
    endless: dict[str, object] = {}
    endless["in"] = endless
    with pytest.raises(InvalidRequestError, match="levels"):
        codec.from_python(endless)


@pytest.mark.parametrize(("levels", "good"), [(30, True), (40, False)])
def test_deep_parameters_are_refused_alike(levels: int, good: bool) -> None:  # noqa: FBT001 - a column of the table
    """What is too deep from Python is too deep over the wire."""
    struct = Struct()
    struct.update(nested(levels))
    assert is_good(lambda: codec.from_struct(struct)) is good
    assert is_good(lambda: codec.from_python(nested(levels))) is good


LONG = [{"n": number, "inner": {}, "list": []} for number in range(120)]


@pytest.mark.parametrize(
    ("answer", "has_lists"),
    [
        ({}, False),
        ({"a": 1, "b": "x", "c": True, "d": [], "e": {}, "f": {"g": None}, "h": 0.5}, False),
        ({"a": 1, "f": {"g": [1, "2"]}, "h": 0.5}, True),
        ({"rows": LONG[:50], "more": {}}, True),
        ({"rows": LONG, "more": ["a"] * 101, "last": 1}, True),
        ({"get_fleet_usage": {"rows": LONG, "complete": True}}, True),
    ],
)
async def test_an_answer_becomes_a_struct(answer: dict[str, Any], has_lists: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The same as protobuf makes of it at once, however long its lists are."""
    filled, expected = Struct(), Struct()
    assert await codec.fill(filled, answer) is has_lists
    expected.update(answer)
    assert filled == expected


async def test_others_have_their_turns_while_a_long_answer_is_written() -> None:
    """Ten thousand rows take a tenth of a second."""
    with counted_turns() as turns:
        await codec.fill(Struct(), {"rows": LONG * 10})
    assert turns.count >= 20
