"""The examples of the documentation, run by the real module against the sandbox.

A ```json block, then the line `Answer:`, then another one: a request and its answer.
A ```json block, then the line `Error:`, then a ```text block: a request and the message of its error.

All examples of a page are run in their order by one service with the page's Example Configuration. Values may differ
from the documented ones; keys and types may not.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from grpclib.exceptions import GRPCError

from support.module_process import MODEL, ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing.commands import COMMANDS
from viam_billing.config import Attributes
from viam_billing.forecast import EARLIEST_FRACTION
from viam_billing.sandbox.months import elapsed_fraction, month_start, utc_now
from viam_billing.sandbox.scenario import DEFAULT_API_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.name: page.read_text() for page in (ROOT / "README.md", ROOT / "docs/billing.md", ROOT / "docs/guide.md")}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INVOICE = "FW-2026-10"
"""The documented newest invoice; the sandbox's newest one is that of last month."""

ATTRIBUTE_NAMES = set(Attributes.__struct_fields__)
CONFIGURATION_PARTS = {"modules", "services", "remotes", "jobs"}
"""Keys at the top of a machine's configuration."""


@dataclass(frozen=True)
class Block:
    """A code block. `led_by` is the text between the block before and this one."""

    where: str
    language: str
    text: str
    led_by: str

    @property
    def value(self) -> Any:  # noqa: ANN401 - any JSON
        """The JSON in it."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Example:
    """A request and what is documented to come of it."""

    where: str
    page: str
    request: dict[str, Any]
    answer: dict[str, Any] | None = None
    error: str = ""


@dataclass
class Run:
    """What a service did with the examples of a page: by the place of the example, an answer or an error's message."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    async def record(self, module: ModuleProcess, example: Example) -> None:
        """Run one example."""
        try:
            self.answers[example.where] = await module.do(today(example.request))
        except GRPCError as error:
            self.errors[example.where] = error.message or ""


def blocks(name: str) -> list[Block]:
    """The code blocks of a page."""
    found, end, text = [], 0, PAGES[name]
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(f"{name}:{line}", match[1], match[2], text[end : match.start()].strip()))
        end = match.end()
    return found


def examples(name: str) -> Iterator[Example]:
    """The requests of a page that are followed by their answer or error."""
    found = blocks(name)
    for block, after in itertools.pairwise(found):
        if after.led_by == "Answer:":
            yield Example(block.where, name, block.value, answer=after.value)
        elif after.led_by == "Error:":
            yield Example(block.where, name, block.value, error=after.text.strip())


def commands_in(value: object) -> Iterator[dict[str, Any]]:
    """The commands in a machine's configuration: of its jobs and of its data capture."""
    if isinstance(value, dict):
        if value.get("method") == "DoCommand" and isinstance(value.get("command"), dict):
            yield value["command"]
        if "docommand_input" in value:
            yield value["docommand_input"]
        for part in value.values():
            yield from commands_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from commands_in(part)


def commands_in_python(code: str) -> Iterator[dict[str, Any]]:
    """The commands that code sends and that stand in it as they are."""
    for node in ast.walk(ast.parse(code)):
        sends = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "do_command"
        if sends and isinstance(node, ast.Call) and isinstance(node.args[0], ast.Dict):
            yield ast.literal_eval(node.args[0])


def recipes(name: str) -> Iterator[Example]:
    """Commands without a documented answer: of code, of configurations, and the first call of the README."""
    for block in blocks(name):
        commands: list[dict[str, Any]] = []
        if block.language == "python":
            commands = list(commands_in_python(block.text))
        elif block.language == "json":
            commands = [*commands_in(block.value), *([block.value] if is_lone_request(block) else [])]
        yield from (Example(f"{block.where}#{i}", name, command) for i, command in enumerate(commands))


def is_lone_request(block: Block) -> bool:
    """Whether a block of the README is a request; on the other pages each has its answer."""
    return block.where.startswith("README") and len(block.value) == 1 and set(block.value) <= set(COMMANDS)


def configurations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every documented attributes block of the service, with its place."""
    for name in PAGES:
        for block in blocks(name):
            if block.language == "json" and set(block.value) <= ATTRIBUTE_NAMES:
                yield block.where, block.value
            elif block.language == "json":
                services = block.value.get("services", [])
                yield from ((block.where, s["attributes"]) for s in services if s.get("model") == MODEL)


def page_configuration() -> dict[str, Any]:
    """The Example Configuration of the model's page."""
    configuration: dict[str, Any] = next(
        block.value for block in blocks("billing.md") if block.led_by.endswith("### Example Configuration")
    )
    return configuration


EXAMPLES = [example for name in PAGES for example in examples(name)]
RECIPES = [recipe for name in PAGES for recipe in recipes(name)]


def today(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A documented value as it is this month: with the newest invoice, and no projection while it is too early."""
    if isinstance(value, dict):
        early = elapsed_fraction(utc_now()) < EARLIEST_FRACTION
        return {key: today(part) for key, part in value.items() if not (early and key == "projection")}
    if isinstance(value, list):
        return [today(part) for part in value]
    return f"FW-{month_start(utc_now(), -1):%Y-%m}" if value == INVOICE else value


def differences(documented: object, real: object, path: str = "answer") -> list[str]:
    """Where keys or types of two JSON values differ. The items of a list may come in another number and order."""
    if kind(documented) != kind(real):
        return [f"{path}: documented {kind(documented)}, really {kind(real)}"]
    if isinstance(documented, dict) and isinstance(real, dict):
        missing = [f"{path}.{key}: documented, not there" for key in documented.keys() - real.keys()]
        extra = [f"{path}.{key}: not documented" for key in real.keys() - documented.keys()]
        both = [
            line for key in documented.keys() & real.keys() for line in differences(documented[key], real[key], key)
        ]
        return [*missing, *extra, *both]
    if isinstance(documented, list) and isinstance(real, list) and documented:
        unlike = [item for item in real if all(differences(known, item) for known in documented)]
        without = [known for known in documented if all(differences(known, item) for item in real)]
        return [f"{path}: items differ, documented {without}, really {unlike}"] if unlike or without else []
    return []


def kind(value: object) -> str:
    """The JSON type of a value; 2 and 2.0 are one."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def config_for(sandbox: SandboxProcess, module: ModuleProcess) -> dict[str, Any]:
    """The page's configuration with the sandbox's address and key and a folder of the test."""
    here = {
        "app_address": sandbox.address,
        "api_key": DEFAULT_API_KEY,
        "state_dir": str(module.folder / "state"),
    }
    return {**page_configuration(), **here}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs() -> AsyncIterator[dict[str, Run]]:
    """Every example run, each page against a sandbox and a module of its own."""
    done: dict[str, Run] = {}
    for name in PAGES:
        run = done[name] = Run()
        with SandboxProcess() as sandbox:
            async with ModuleProcess() as module:
                await module.add(config_for(sandbox, module))
                for example in [*examples(name), *recipes(name)]:
                    await run.record(module, example)
    yield done


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.answer], ids=lambda example: example.where)
def test_a_documented_answer_has_the_keys_and_types_of_the_real_one(example: Example, runs: dict[str, Run]) -> None:
    """Recursively; only values may differ."""
    run = runs[example.page]
    assert example.where in run.answers, run.errors.get(example.where)
    assert differences(today(example.answer), run.answers[example.where]) == []


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.error], ids=lambda example: example.where)
def test_a_documented_error_is_the_real_one(example: Example, runs: dict[str, Run]) -> None:
    """Word for word, but for times."""
    run = runs[example.page]
    assert example.where in run.errors, run.answers.get(example.where)
    without_times = [
        re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text) for text in (example.error, run.errors[example.where])
    ]
    assert without_times[0] == without_times[1]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.where)
def test_a_command_of_a_recipe_is_answered(recipe: Example, runs: dict[str, Run]) -> None:
    """Those of code, jobs and data capture, which have no documented answer."""
    assert runs[recipe.page].errors.get(recipe.where) is None


def test_every_command_has_an_example_on_the_model_page() -> None:
    """A request with its answer or its error."""
    shown = {e.request.get("command", next(iter(e.request))) for e in EXAMPLES if e.page == "billing.md"}
    assert COMMANDS.keys() <= shown


def test_no_json_block_is_left_untested() -> None:
    """Each is an example's, a configuration, or the answer of get_status."""
    tested = {example.where for example in EXAMPLES} | {recipe.where.partition("#")[0] for recipe in RECIPES}
    tested |= {where for where, _ in configurations()}
    untested = [
        block.where
        for name in PAGES
        for block in blocks(name)
        if block.language == "json"
        and block.where not in tested
        and block.led_by not in {"Answer:", "Error:"}
        and not block.value.keys() <= CONFIGURATION_PARTS
        and "cloud_calls" not in block.value
    ]
    assert untested == []


@pytest.fixture(scope="module")
def code_blocks() -> list[Block]:
    """The Python of all pages."""
    return [block for name in PAGES for block in blocks(name) if block.language == "python"]


def test_the_python_of_the_pages_is_python(code_blocks: list[Block]) -> None:
    """It compiles, and there is some."""
    assert [compile(block.text, block.where, "exec") for block in code_blocks]


async def test_documented_configurations_are_valid() -> None:
    """ValidateConfig of the real module takes each."""
    found = list(configurations())
    async with ModuleProcess() as module:
        for _, attributes in found:
            await module.validate(attributes)
    assert len(found) >= 4


async def test_the_documented_status_has_the_keys_and_types_of_the_real_one() -> None:
    """After one command that the cloud answered."""
    documented = next(block.value for block in blocks("billing.md") if "cloud_calls" in block.text)
    with SandboxProcess() as sandbox:
        async with ModuleProcess() as module:
            await module.add(config_for(sandbox, module))
            await module.ask("get_location_usage")
            assert differences(documented, await module.status()) == []
