"""The client against the module's own description: a command, parameter or field that it lacks is an error here."""

from __future__ import annotations

import inspect
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

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
    """`get_status` is the resource's own call."""
    assert methods().keys() == COMMANDS.keys() | {"get_status"}


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
    needed |= {money: 1 for money in ("subtotal", "amount") if money in needed}
    assert type(await method(**needed)) in records(name)


def test_there_is_a_sample_of_every_answer() -> None:
    assert SAMPLES.keys() == methods().keys()
