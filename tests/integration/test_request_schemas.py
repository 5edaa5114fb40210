"""The schemas that `help` shows, held against what the module accepts and refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator, FormatChecker

from support.module_process import Service, refused
from support.white_label import ADDRESS, LOGO

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMATS = FormatChecker(())
VALUES: tuple[object, ...] = (
    *("", " ", "x", "help", "x" * 128, "x" * 129, "x" * 200, "x" * 201, "x" * 256, "x" * 1000, "x" * 1001),
    *(".", "..", "a/b", "a\\b", "a\nb", "a\x7fb", "...", "a b.pdf", "a\u202eb", "a\u200bb"),
    *("reserved", "sent", "succeeded", "failed", "unknown", "SUCCEEDED"),
    *("2026-11-01T00:00:00Z", "2026-11-01T00:00:00.250+02:00", "2026-11-01", "2026-11-01T00:00:00", "true", "1"),
    *(0, 1, 2, -1, 0.5, 1.5, -0.5, 250, 1e11, 1e12),
    *(True, False, None, [], ["x"], [1], {}, {"x": 1}),
)


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    """Whether a text is a time with an offset; other types are not this format's concern."""
    return not isinstance(value, str) or datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None


def is_right(schema: dict[str, Any], parameters: dict[str, Any]) -> bool:
    """What the schema says."""
    return Draft202012Validator(schema, format_checker=FORMATS).is_valid(parameters)


@pytest_asyncio.fixture(loop_scope="module")
async def closed(make: Callable[..., Awaitable[Service]]) -> Service:
    """A service that allows nothing: what is wrong is told, what is right is not done."""
    return await make(allowed_commands=[])


@pytest_asyncio.fixture(loop_scope="module")
async def schemas(closed: Service) -> dict[str, dict[str, Any]]:
    """The parameters of every command, but for those that are always allowed."""
    commands = (await closed.ask("help"))["commands"]
    return {name: row["parameters"] for name, row in commands.items() if row["effect"] != "always"}


async def accepts(service: Service, command: str, parameters: dict[str, Any]) -> bool:
    """Whether the module finds the parameters right."""
    refusal = await refused(service.do({command: parameters}))
    assert refusal.code in {"invalid_request", "command_not_allowed"}
    return refusal.code == "command_not_allowed"


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """Parameters with all that is needed and nothing else."""
    needed = [*schema["required"], *(choice["oneOf"][0]["required"][0] for choice in schema.get("allOf", ()))]
    return {name: good_value(schema["properties"][name]) for name in needed}


def good_value(details: dict[str, Any]) -> object:
    """One of a field's own words or examples, an object, or the shortest text or a small number."""
    if "$ref" in details or "iVBOR" in details.get("pattern", ""):
        return ADDRESS if "$ref" in details else LOGO
    if "examples" in details:
        return details["examples"][0]
    return details["enum"][0] if "enum" in details else "x" if details["type"] == "string" else 1


def variants(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every parameter with every value; an alias takes the place of its name."""
    properties = schema["properties"]
    for name, details in properties.items():
        named = details.get("description", "").removeprefix("Another name of ").removesuffix(".")
        rest = {key: value for key, value in example(schema).items() if key not in {name, named}}
        for value in VALUES:
            yield name, {**rest, name: value}


async def test_the_schemas_are_schemas(schemas: dict[str, dict[str, Any]]) -> None:
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert "#/$defs" not in str(schema) or "$defs" in schema


async def test_what_is_needed_is_enough(closed: Service, schemas: dict[str, dict[str, Any]]) -> None:
    """The schemas' required parameters, and no others, make a good request."""
    for command, schema in schemas.items():
        assert is_right(schema, example(schema))
        assert await accepts(closed, command, example(schema)), command


async def test_what_is_needed_is_needed(closed: Service, schemas: dict[str, dict[str, Any]]) -> None:
    """Without any one of them both say no."""
    for command, schema in schemas.items():
        for missing in example(schema):
            parameters = {name: value for name, value in example(schema).items() if name != missing}
            assert not is_right(schema, parameters)
            assert not await accepts(closed, command, parameters), (command, missing)


async def test_schema_and_module_agree(closed: Service, schemas: dict[str, dict[str, Any]]) -> None:
    """For every parameter of every command, each of many values is right for both or wrong for both.

    At least two values of each are wrong, and refused with the parameter's name and what was expected.
    """
    differing = []
    for command, schema in schemas.items():
        wrong: Counter[str] = Counter()
        for name, parameters in variants(schema):
            refusal = await refused(closed.do({command: parameters}))
            if is_right(schema, parameters) != (refusal.code == "command_not_allowed"):
                differing.append((command, name, parameters[name]))
            elif refusal.code == "invalid_request":
                assert name in refusal.text
                assert "expected" in refusal.text
                wrong[name] += 1
            else:
                assert refusal.code == "command_not_allowed"
        assert all(wrong[name] >= 2 for name in schema["properties"]), command
    # A schema can count neither cents nor bytes.
    assert [each for each in differing if each[1] not in {"subtotal", "amount_owed", "amount", "tax"}] == []


async def test_an_alias_beside_its_name_is_wrong_for_both(closed: Service, schemas: dict[str, dict[str, Any]]) -> None:
    """The schema knows that a name and its alias exclude each other."""
    pairs = 0
    for command, schema in schemas.items():
        for choice in schema.get("allOf", ()):
            name, alias = (option["required"][0] for option in choice["oneOf"])
            parameters = {**example(schema), alias: example(schema)[name]}
            assert not is_right(schema, parameters)
            assert not await accepts(closed, command, parameters), command
            pairs += 1
    assert pairs == 5


async def test_an_unknown_parameter_is_wrong_for_both(closed: Service, schemas: dict[str, dict[str, Any]]) -> None:
    for command, schema in schemas.items():
        parameters = {**example(schema), "colour": "red"}
        assert not is_right(schema, parameters)
        assert not await accepts(closed, command, parameters), command
