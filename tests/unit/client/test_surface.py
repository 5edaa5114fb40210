"""The client against the module's own description: a command, parameter or field that it lacks is an error here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from support.answer_schemas import validator
from support.white_label import PARAMETERS
from viam_billing.commands import COMMANDS
from viam_billing.settings.records import schema
from viam_billing_client import answers
from viam_billing_client.billing import Billing
from viam_billing_client.testing import FakeBilling
from viam_billing_client.testing.samples import SAMPLES

NOT_COMMANDS = {"do_command", "from_robot", "from_resource", "connect"}


def methods() -> dict[str, Any]:
    """The client's methods for commands, by name."""
    return {
        name: method
        for name, method in inspect.getmembers(Billing, inspect.isfunction)
        if not name.startswith("_") and name not in NOT_COMMANDS
    }


def records(name: str) -> list[type[answers.Answer]]:
    """What a method answers: a record, and that of a dry run where there is one."""
    returned = get_type_hints(methods()[name])["return"]
    return list(get_args(returned)) or [returned]


def test_there_is_a_method_for_every_command() -> None:
    assert methods().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_method_has_the_commands_parameters(name: str) -> None:
    """All of them by name, required where the command requires them; other names of parameters it has not."""
    command = COMMANDS[name].parameters
    given = {
        parameter.name: parameter.default is parameter.empty
        for parameter in inspect.signature(methods()[name]).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert given.pop("timeout") is False
    assert given == {field.name: field.required for field in msgspec.structs.fields(command)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_parameters_words_are_the_commands(name: str) -> None:
    """Where only some texts are good, a type checker knows them."""
    hints = get_type_hints(methods()[name])
    for parameter, described in schema(COMMANDS[name].parameters)["properties"].items():
        if "enum" in described:
            kinds = (hints[parameter], *get_args(hints[parameter]))
            words = {word for kind in kinds for word in get_args(kind) if isinstance(word, str)}
            assert words == set(described["enum"])


@pytest.mark.parametrize("name", methods())
async def test_the_fake_answers_the_record_that_the_method_promises(name: str) -> None:
    method = getattr(FakeBilling(), name)
    needed: dict[str, Any] = {
        parameter.name: "1"
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty
    }
    if name == "get_charge":
        return  # of a charge that was made: see test_fake.py
    good = {"subtotal": 1, "amount": 1, "outcome": "failed", **PARAMETERS}
    needed |= {each: value for each, value in good.items() if each in needed}
    assert type(await method(**needed)) in records(name)


KINDS: dict[tuple[object, object], type] = {
    ("number", "usd"): Decimal,
    ("number", None): float,
    ("integer", None): int,
    ("boolean", None): bool,
    ("string", "date-time"): datetime,
    ("string", None): str,
}
"""What a caller gets of a JSON value."""


def faults(described: Mapping[str, Any], kind: Any, top: Mapping[str, Any], where: str) -> Iterator[str]:  # noqa: ANN401 - an annotation
    """Where an annotation does not hold what a JSON Schema describes."""
    described = top["$defs"][described["$ref"].rpartition("/")[2]] if "$ref" in described else described
    kinds = [each for each in get_args(kind) or [kind] if each is not type(None)] if is_union(kind) else [kind]
    if "anyOf" in described:
        expected = {KINDS[each["type"], each.get("format")] for each in described["anyOf"]}
        yield from [] if set(kinds) == expected else [f"{where}: {kinds}, not {expected}"]
    elif "enum" in described:
        yield from [] if set(kinds) == {type(each) for each in described["enum"]} else [f"{where}: {kinds}"]
    elif described["type"] == "array":
        yield from faults(described["items"], get_args(kinds[0])[0], top, f"{where}[]")
    elif described["type"] != "object":
        expected_kind = KINDS[described["type"], described.get("format")]
        yield from [] if kinds == [expected_kind] else [f"{where}: {kinds}, not {expected_kind}"]
    elif "properties" in described:
        yield from record_faults(described, kinds, top, where)
    elif isinstance(inner := described.get("additionalProperties"), dict):
        yield from faults(inner, get_args(kinds[0])[1], top, f"{where}{{}}")


def is_union(kind: Any) -> bool:  # noqa: ANN401 - an annotation
    return get_origin(kind) in (Union, UnionType)


def record_faults(
    described: Mapping[str, Any], kinds: Sequence[type[msgspec.Struct]], top: Mapping[str, Any], where: str
) -> Iterator[str]:
    """Which fields the records lack, have too many of, need although they may be left out, or have of a wrong type."""
    held = {field.name: field for kind in kinds for field in msgspec.structs.fields(kind)}
    yield from (f"{where}.{name}: is lacking" for name in described["properties"].keys() - held.keys())
    yield from (f"{where}.{name}: nobody answers it" for name in held.keys() - described["properties"].keys())
    needed = [set(each["required"]) for each in described.get("oneOf", [described])]
    for kind in kinds:
        required = {field.name for field in msgspec.structs.fields(kind) if field.required}
        yield from [] if any(required <= each for each in needed) else [f"{where}: {kind} needs too much"]
    for name in described["properties"].keys() & held.keys():
        yield from faults(described["properties"][name], held[name].type, top, f"{where}.{name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_record_has_the_answers_fields(name: str) -> None:
    """As `help` describes it: each, of the right type, and none that may be left out is needed."""
    described = COMMANDS[name].answer_schema()
    of_charges = {f"{name}.reconcilable: nobody answers it"} if answers.DryRun in records(name) else set()
    assert set(record_faults(described, records(name), described, name)) <= of_charges


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_an_answer_of_the_module(name: str) -> None:
    validator(name).validate(SAMPLES[name])


def test_there_is_a_sample_of_every_answer() -> None:
    assert SAMPLES.keys() == methods().keys()
