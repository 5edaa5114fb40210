"""What the pages of the documentation have in code blocks: examples, commands in recipes, configurations.

A ```json block with requests, each followed by its answer. In an answer, `...` stands for more of what is shown.
A ```text block that begins with an object: a request and the message of its error, broken into lines.
A ```json block, then the line `Answer:`, then another one: a request and its answer as well.
Where the text before a request says that its answer, or the request itself, is lost, the cloud is made to lose it.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viam_billing.settings.attributes import Attributes
from viam_billing.version import BILLING_MODEL
from viam_billing_sandbox.control import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    page.name: page.read_text()
    for page in (
        ROOT / "README.md",
        *(ROOT / "docs" / name for name in ("billing.md", "guide.md", "charging.md", "client.md", "ways-in.md")),
    )
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MORE = "..."
"""In a documented object: more names whose values are numbers, as all that are shown; alone: an object not shown."""

ATTRIBUTE_NAMES = set(Attributes.__struct_fields__)

LOSSES = {
    "With this charge the answer is lost": Fault("ChargeOrganization", drop_connection=True, when="after", count=1),
    "With this charge the request is lost": Fault("ChargeOrganization", drop_connection=True, when="before", count=1),
}
"""What a page says before a request, and what the cloud then does with the charge."""


@dataclass(frozen=True)
class Block:
    """A code block. `led_by` is the text between the block before and this one."""

    where: str
    language: str
    text: str
    led_by: str

    @property
    def value(self) -> Any:  # noqa: ANN401 - any JSON
        """The JSON in it, or the first of it."""
        return json_at_start(self.text)[0]


@dataclass(frozen=True)
class Example:
    """A request and what is documented to come of it."""

    where: str
    page: str
    request: dict[str, Any]
    answer: dict[str, Any] | None = None
    error: str = ""
    fault: Fault | None = None


def json_at_start(text: str) -> tuple[Any, str]:
    """The JSON at the start of a text, and what stands after it."""
    whole = re.sub(r"(?<=, )\.\.\.(?=})|(?<={)\.\.\.(?=})", f'"{MORE}": null', text.lstrip())
    value, end = json.JSONDecoder().raw_decode(whole)
    return value, whole[end:].strip()


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
    for block, after in itertools.pairwise([*found, Block("", "", "", "")]):
        fault = next((fault for words, fault in LOSSES.items() if words in " ".join(block.led_by.split())), None)
        if block.language not in {"json", "text"} or not block.text.startswith("{"):
            continue
        request, rest = json_at_start(block.text)
        if block.language == "text":
            yield Example(block.where, name, request, error=" ".join(rest.split()), fault=fault)
        elif not rest and after.led_by == "Answer:":
            yield Example(block.where, name, request, answer=after.value, fault=fault)
        number = 0
        while rest and block.language == "json":
            answer, rest = json_at_start(rest)
            yield Example(f"{block.where}#{number}", name, request, answer=answer, fault=fault)
            number += 1
            if rest:
                request, rest = json_at_start(rest)
                assert rest, f"{block.where}: a request without its answer"


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
    """Commands without a documented answer: of code and of configurations."""
    for block in blocks(name):
        commands: list[dict[str, Any]] = []
        if block.language == "python":
            commands = list(commands_in_python(block.text))
        elif block.language == "json":
            commands = list(commands_in(block.value))
        yield from (Example(f"{block.where}#{i}", name, command) for i, command in enumerate(commands))


def configurations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every documented attributes block of the service, with its place."""
    for name in PAGES:
        for block in blocks(name):
            if block.language == "json" and set(block.value) <= ATTRIBUTE_NAMES:
                yield block.where, block.value
            elif block.language == "json":
                services = block.value.get("services", [])
                yield from ((block.where, s["attributes"]) for s in services if s.get("model") == BILLING_MODEL)


def page_configuration() -> dict[str, Any]:
    """The Example Configuration of the model's page."""
    configuration: dict[str, Any] = next(
        block.value for block in blocks("billing.md") if block.led_by.endswith("### Example Configuration")
    )
    return configuration
