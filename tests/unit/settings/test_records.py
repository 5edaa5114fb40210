from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import pytest
from jsonschema import Draft202012Validator
from msgspec import UNSET, Meta, UnsetType

from support.module_process import struct
from viam_billing.commands.context import Limit, Moment, is_moment
from viam_billing.module import codec
from viam_billing.settings import records
from viam_billing.settings.records import InvalidRecordError, Record


class Inner(Record, frozen=True, kw_only=True):
    """A record inside another."""

    depth: Annotated[int, Meta(ge=1, title="a whole number, at least 1")]


Word = Annotated[str, Meta(title="a text")]
Part = Annotated[int, Meta(ge=0, title="a whole number, at least 0")]


class Shape(Record, frozen=True, kw_only=True):
    """One field of each kind."""

    name: Annotated[str, Meta(min_length=1, title="a non-empty text")]
    size: Annotated[float, Meta(title="an even number")] | UnsetType = UNSET
    inner: Annotated[Inner, Meta(title='{"depth": number}')] | UnsetType = UNSET
    token: Annotated[str, Meta(max_length=3, title="a short text")] | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET
    since: Annotated[Moment, Meta()] | UnsetType = UNSET
    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=300, title="a list")] | UnsetType = UNSET
    words: Annotated[tuple[Word, ...], Meta(title="a list of texts")] | UnsetType = UNSET
    aliases: ClassVar[Mapping[str, str]] = {"called": "name"}
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"size": lambda size: size % 2 == 0, "since": is_moment}
    secrets: ClassVar[frozenset[str]] = frozenset({"token", "words"})


def errors(**values: object) -> list[str]:
    """All errors of a set of values."""
    try:
        records.read(Shape, values, "parameter")
    except InvalidRecordError as error:
        return [text for _, text in error.errors]
    return []


def test_good_values_make_a_record() -> None:
    """Every field is there, and what was left out is known to be left out."""
    found = records.read(Shape, {"name": "x", "inner": {"depth": 2}}, "parameter")
    assert found == Shape(name="x", inner=Inner(depth=2))


def test_an_alias_stands_for_its_field() -> None:
    """The published page's name is as good as the proto's."""
    assert records.read(Shape, {"called": "x"}, "parameter") == Shape(name="x")


def test_an_alias_beside_its_name_is_an_error() -> None:
    assert errors(name="x", called="x") == ["name: found name and its other name called, expected one of the two"]


def test_an_error_of_an_alias_shows_the_name_that_was_used() -> None:
    assert errors(called=5) == ["called: found 5, expected a non-empty text"]


def test_a_missing_field_is_named() -> None:
    assert errors() == ["name: found nothing, expected a non-empty text"]


def test_null_is_not_the_same_as_nothing() -> None:
    """An optional field may be left out, and may not be null."""
    assert errors(name="x", size=None) == ["size: found null, expected an even number"]


def test_every_error_is_told_at_once() -> None:
    """Nobody has to repair one after the other."""
    assert len(errors(name="", size="2", limit=0, inner={"depth": 0}, other=1)) == 5


def test_an_error_inside_a_record_has_its_path() -> None:
    assert errors(name="x", inner={"depth": 0}) == ["inner.depth: found 0, expected a whole number, at least 1"]


def test_a_field_of_a_record_can_be_missing() -> None:
    assert errors(name="x", inner={}) == ["inner.depth: found nothing, expected a whole number, at least 1"]


def test_a_record_is_an_object() -> None:
    assert errors(name="x", inner=[1]) == ['inner: found a list, expected {"depth": number}']


def test_a_wrong_element_of_a_list_is_named_with_its_value() -> None:
    found = errors(name="x", parts=[50, "x", -1, *[1] * 247, None])
    wrong = {"[1]": '"x"', "[2]": "-1", "[250]": "null"}
    assert found == [f"parts{at}: found {value}, expected a whole number, at least 0" for at, value in wrong.items()]


def test_a_list_that_is_wrong_as_a_whole_is_told_by_its_length() -> None:
    told = [errors(name="x", parts=[1] * length) for length in (0, 301)]
    assert told == [["parts: found a list of 0, expected a list"], ["parts: found a list of 301, expected a list"]]


def test_a_wrong_element_of_a_secret_list_is_not_shown() -> None:
    (told,) = errors(name="x", words=["a", 1234])
    assert told.startswith("words[1]: found a value that is not shown, expected ")


def test_so_many_wrong_elements_do_not_make_an_endless_error() -> None:
    assert len(errors(name="x", parts=["x"] * 300)) == 10


def test_a_misspelt_name_gets_a_hint() -> None:
    assert errors(name="x", sise=2) == ['"sise": found an unknown parameter, expected size (a name close to it)']


def test_the_value_of_an_unknown_name_is_not_shown() -> None:
    """It may be a key under a misspelt name."""
    assert "s3cret" not in errors(name="x", tokem="s3cret")[0]


def test_a_secret_is_not_shown() -> None:
    assert errors(name="x", token="s3cret") == ["token: found a value that is not shown, expected a short text"]


def test_what_a_type_cannot_say_is_checked() -> None:
    assert errors(name="x", size=3) == ["size: found 3, expected an even number"]


@pytest.mark.parametrize("value", [True, "1", 1.5, 0, -1, None, [1]])
def test_a_count_is_a_whole_number_of_at_least_one(value: object) -> None:
    """Nothing is made into a number that is none."""
    assert len(errors(name="x", limit=value)) == 1


@pytest.mark.parametrize("number", [2.0**62 + 2.0**10, 2.0**63, 2.0**64, 1e300])
def test_a_count_has_a_largest(number: float) -> None:
    """As `help` says it: above it no list is cut."""
    assert len(errors(name="x", **codec.from_struct(struct({"limit": number})))) == 1


@pytest.mark.parametrize("number", [1.0, 7.0, 2.0**52, 2.0**53, 2.0**60, 2.0**62])
def test_a_whole_float_is_a_good_integer(number: float) -> None:
    assert errors(name="x", **codec.from_struct(struct({"limit": number}))) == []


@pytest.mark.parametrize("value", [True, "1", None, {}])
def test_an_amount_is_a_number(value: object) -> None:
    """A text of digits is none, and true is not 1."""
    assert len(errors(name="x", size=value)) == 1


@pytest.mark.parametrize(
    "text", ["2026-11-01T00:00:00Z", "2026-11-01T00:00:00.5+01:00", "2026-11-01t00:00:00z", "2026-11-01T00:00:00-00:00"]
)
def test_a_time_has_an_offset(text: str) -> None:
    assert errors(name="x", since=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T00:00:00",
        "2026-11-01",
        "yesterday",
        "",
        "1763713800",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-01T24:00:00Z",
        "2026-11-01T00:00:00+24:00",
        "0000-01-01T00:00:00Z",
        "2026-11-01T00:00:00+0100",
    ],
)
def test_what_is_no_rfc_3339_is_refused(text: str) -> None:
    """A time without an offset is not a moment, and one without its colon is ISO 8601."""
    assert len(errors(name="x", since=text)) == 1


def test_a_moment_is_no_number() -> None:
    assert len(errors(name="x", since=1_763_713_800)) == 1


def test_a_schema_is_good_json_schema() -> None:
    Draft202012Validator.check_schema(records.schema(Shape))


def test_a_schema_holds_all_that_it_refers_to() -> None:
    """A record inside another is part of it."""
    assert Draft202012Validator(records.schema(Shape)).is_valid({"name": "x", "inner": {"depth": 1}})


def test_a_schema_takes_an_alias_or_its_name_and_not_both() -> None:
    validator = Draft202012Validator(records.schema(Shape))
    tried: list[dict[str, str]] = [{"name": "x"}, {"called": "x"}, {"name": "x", "called": "x"}, {}]
    assert [validator.is_valid(values) for values in tried] == [True, True, False, False]


def test_a_field_that_was_given_is_its_value() -> None:
    assert records.given("", "default") == ""


def test_a_field_that_was_left_out_is_its_default() -> None:
    assert (records.given(UNSET), records.given(UNSET, 5)) == (None, 5)
