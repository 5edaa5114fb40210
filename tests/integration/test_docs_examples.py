"""The examples of the documentation, run by the real module against the sandbox; `support.docs_pages` finds them.

All examples of a page are run in their order by one service with the Example Configuration, or with the README's own.
Values may differ from the documented ones; keys and types may not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from grpclib.exceptions import GRPCError

from support.alert_receivers import HttpReceiver, dead_url
from support.docs_pages import (
    MORE,
    PAGES,
    Block,
    Example,
    blocks,
    configurations,
    examples,
    page_configuration,
    recipes,
)
from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing.commands import COMMANDS
from viam_billing.usage.forecast import EARLIEST_FRACTION
from viam_billing_sandbox.months import elapsed_fraction, month_start, utc_now
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from viam_billing_sandbox.control import SandboxControl

INVOICE = "FW-2026-10"
"""The documented newest invoice; the sandbox's newest one is that of last month."""

CONFIGURATION_PARTS = {"modules", "services", "components", "remotes", "jobs", "triggers", "auth"}
"""Keys at the top of a machine's configuration."""


@dataclass
class Run:
    """What a service did with the examples of a page: by the place of the example, an answer or an error's message."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    async def record(self, module: ModuleProcess, cloud: SandboxControl, example: Example) -> None:
        """Run one example, with the loss that the page tells of."""
        if example.fault is not None:
            cloud.set_fault(example.fault)
        try:
            self.answers[example.where] = await module.do(today(example.request))
        except GRPCError as error:
            self.errors[example.where] = error.message or ""


EXAMPLES = [example for name in PAGES for example in examples(name)]
RECIPES = [recipe for name in PAGES for recipe in recipes(name)]


def today(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A documented value as it is this month: with the newest invoice, and no projection while it is too early."""
    if isinstance(value, dict):
        early = elapsed_fraction(utc_now()) < EARLIEST_FRACTION
        estimates = {"projection", "projected_status"}
        return {key: today(part) for key, part in value.items() if not (early and key in estimates)}
    if isinstance(value, list):
        return [today(part) for part in value]
    return f"FW-{month_start(utc_now(), -1):%Y-%m}" if value == INVOICE else value


def differences(documented: object, real: object, path: str = "answer") -> list[str]:
    """Where keys or types of two JSON values differ. The items of a list may come in another number and order.

    A documented object with `...` may really have more names, whose values are numbers as those that are shown.
    """
    if kind(documented) != kind(real):
        return [f"{path}: documented {kind(documented)}, really {kind(real)}"]
    if isinstance(documented, dict) and isinstance(real, dict):
        shown = {key: value for key, value in documented.items() if key != MORE}
        more = MORE in documented and all(kind(value) == "number" for value in shown.values())
        missing = [f"{path}.{key}: documented, not there" for key in shown.keys() - real.keys()]
        extra = [
            f"{path}.{key}: not documented"
            for key in real.keys() - documented.keys()
            if not (more and (not shown or kind(real[key]) == "number"))
        ]
        both = [
            line for key in documented.keys() & real.keys() for line in differences(documented[key], real[key], key)
        ]
        return [*missing, *extra, *both]
    if isinstance(documented, list) and not real and not any(isinstance(item, (dict, list)) for item in documented):
        return []  # of plain values there may be none, such as thresholds at the beginning of a month
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


def config_for(sandbox: SandboxProcess, module: ModuleProcess, page: str = "billing.md") -> dict[str, Any]:
    """The page's configuration with the sandbox's address and key and a folder of the test."""
    here = {
        "app_address": sandbox.address,
        "api_key_id": DEFAULT_API_KEY_ID,
        "api_key": DEFAULT_API_KEY,
        "state_dir": str(module.folder / "state"),
    }
    if page == "README.md":
        machines = {"org_id": DEFAULT_ORG_ID, "location_id": DEFAULT_LOCATION_ID}
        (own,) = [attributes for where, attributes in configurations() if where.startswith(page)]
        return {**own, **machines, **here}
    return {**page_configuration(), **here}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs() -> AsyncIterator[dict[str, Run]]:
    """Every example run, each page against a sandbox and a module of its own."""
    done: dict[str, Run] = {}
    for name in PAGES:
        run = done[name] = Run()
        with SandboxProcess() as sandbox, HttpReceiver() as receiver:
            async with ModuleProcess() as module:
                addresses = {"alert_urls": [receiver.url, dead_url()]}
                await module.add({**config_for(sandbox, module, name), **addresses})
                for example in [*examples(name), *recipes(name)]:
                    await run.record(module, sandbox.control, example)
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


def test_an_object_is_left_out_of_an_answer_only_where_help_tells_its_schema() -> None:
    """With nothing but `...` in it, the documentation would say nothing of it."""
    left_out = [example.request for example in EXAMPLES if f'{{"{MORE}": null}}' in json.dumps(example.answer)]
    assert left_out == [{"help": {"name": "test_alert"}}]


def test_no_json_block_is_left_untested() -> None:
    """Each is an example's or a configuration."""
    tested = {example.where.partition("#")[0] for example in EXAMPLES} | {
        recipe.where.partition("#")[0] for recipe in RECIPES
    }
    tested |= {where for where, _ in configurations()}
    untested = [
        block.where
        for name in PAGES
        for block in blocks(name)
        if block.language == "json"
        and block.where not in tested
        and block.led_by != "Answer:"
        and not block.value.keys() <= CONFIGURATION_PARTS
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
