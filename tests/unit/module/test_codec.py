from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from support.module_process import struct
from support.turns import counted_turns
from viam_billing.core.errors import InvalidRequestError
from viam_billing.core.secrets import Secrets
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
    assert codec.parse(struct({"do": {"a": 1}})) == Request("do", {"a": 1}, nested=True)


def test_a_command_is_a_parameter_beside_others() -> None:
    """The spelling that is handy for jobs and data capture."""
    assert codec.parse(struct({"command": "do", "a": 1})) == Request("do", {"a": 1}, nested=False)


def test_a_command_needs_no_parameters() -> None:
    assert codec.parse(struct({"command": "do"})).parameters == codec.parse(struct({"do": {}})).parameters == {}


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
        codec.parse(struct(command))


def test_an_empty_request_says_where_a_command_gets_lost() -> None:
    """Over HTTP and with the Viam CLI, which drop what is misplaced; two commands have arrived."""
    with pytest.raises(InvalidRequestError, match=r'did not arrive: .*--data-urlencode .*"command" in --data'):
        codec.parse(struct({}))
    with pytest.raises(InvalidRequestError, match=r"lists the commands\.$"):
        codec.parse(struct({"a": {}, "b": {}}))


def test_a_struct_becomes_native_values() -> None:
    """All six kinds; a whole number is an integer."""
    request = struct({"text": "x", "whole": 3, "part": 2.5, "flag": True, "list": [1, {"a": "b"}], "object": {"c": 4}})
    native = codec.from_struct(request)
    assert native == {"text": "x", "whole": 3, "part": 2.5, "flag": True, "list": [1, {"a": "b"}], "object": {"c": 4}}
    assert isinstance(native["whole"], int)


def test_null_stays_null() -> None:
    """And is not 0, as the SDK reads it."""
    assert codec.from_struct(Struct(fields={"a": Value(null_value=0)})) == {"a": None}  # type: ignore[arg-type] # the enum's only number


def test_a_value_without_a_kind_is_null() -> None:
    assert codec.from_struct(Struct(fields={"a": Value()})) == {"a": None}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_of_a_struct_is_finite(number: float) -> None:
    """What is not is named by its path."""
    inside = Value(list_value=ListValue(values=[Value(number_value=number)]))
    request = Struct(fields={"a": Value(struct_value=Struct(fields={"b": inside}))})
    with pytest.raises(InvalidRequestError, match=r"a\.b\[0\]"):
        codec.from_struct(request)


def endless() -> dict[str, Any]:
    """An object that contains itself."""
    value: dict[str, Any] = {}
    value["in"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [b"x", object(), {1: 2}, {"a": {None: 1}}, {1, 2}, "\ud800", {"\ud800": 1}, 1j, 10**400, endless()],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_python_that_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="JSON does not have"):
        codec.to_struct({"a": value})


@pytest.mark.parametrize("command", [None, [], "help", 5])
def test_a_request_is_an_object(command: object) -> None:
    with pytest.raises(InvalidRequestError, match="expected an object"):
        codec.to_struct(command)


def test_python_and_the_wire_agree() -> None:
    """A tuple is a list, a whole float an integer."""
    native = codec.from_struct(codec.to_struct({"a": (1.0, 2.5, True)}))
    assert native == {"a": [1, 2.5, True]}
    assert isinstance(native["a"], list)
    assert native["a"][2] is True


@pytest.mark.parametrize(("levels", "good"), [(30, True), (40, False)])
def test_deep_parameters_are_refused(levels: int, good: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_good(lambda: codec.from_struct(struct(nested(levels)))) is good


def test_a_request_of_more_than_20_000_values_is_refused() -> None:
    """Wherever they are."""
    good = {"command": "do", "a": [[None] * 9_000, {"b": [None] * 9_000}]}
    assert codec.parse(struct(good)).name == "do"
    with pytest.raises(InvalidRequestError, match="20,000 values"):
        codec.parse(struct({**good, "c": [None] * 2_000}))


def test_a_secret_is_taken_out_of_names_and_texts_wherever_they_are() -> None:
    secrets = Secrets()
    secrets.add("a-secret-of-an-owner")
    request = codec.parse(struct({"do": {"a": ["a-secret-of-an-owner"], "x a-secret-of-an-owner": {"b": 1}}}), secrets)
    assert request.parameters == {"a": ["***"], "x ***": {"b": 1}}


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


def test_how_long_a_request_takes_tells_nothing_of_a_secret() -> None:
    """Where each of its letters stands could be read from the time that a long text of one letter takes."""
    key = "abcdefgh-the-key-of-the-owner"
    secrets, times_s = Secrets(), dict.fromkeys(f"#{key}", math.inf)
    secrets.add(key)
    for _ in range(10):
        for letter in times_s:
            command, began_s = struct({"help": {"name": 200_000 * letter}}), time.perf_counter()
            codec.parse(command, secrets)
            times_s[letter] = min(times_s[letter], time.perf_counter() - began_s)
    assert max(times_s.values()) < 2 * min(times_s.values()), times_s
