"""The functions of the documentation that use the client, run with its fake: the page of the client, and the guide."""

from __future__ import annotations

import csv
import inspect
import io
from contextlib import redirect_stdout
from typing import Any

import pytest

from support.docs_pages import blocks
from viam_billing_client import NoConnectionError, answers
from viam_billing_client.testing import FakeBilling, replace, sample


def names_of(page: str, *words: str) -> dict[str, Any]:
    """What the code blocks of a page with these words define, all in one namespace."""
    names: dict[str, Any] = {"__name__": page}
    for word in words:
        (block,) = (each for each in blocks(page) if each.language == "python" and word in each.text)
        exec(block.text, names)  # noqa: S102 - the documentation's own code
    return names


EXAMPLES = names_of("client.md", "async def charge_for", "async def test_a_visit_is_charged_once")
TESTS = [name for name in EXAMPLES if name.startswith("test_")]


@pytest.mark.parametrize("name", TESTS)
async def test_the_tests_that_the_page_shows_pass(name: str) -> None:
    assert inspect.iscoroutinefunction(EXAMPLES[name])
    await EXAMPLES[name]()


def test_the_page_shows_tests() -> None:
    assert len(TESTS) == 3


async def test_the_page_writes_focus_as_csv() -> None:
    write_focus = names_of("client.md", "async def write_focus")["write_focus"]
    fake = FakeBilling()
    with redirect_stdout(io.StringIO()) as written:
        await write_focus(fake)
    (row,) = csv.DictReader(io.StringIO(written.getvalue()))
    assert (row["BilledCost"], row["ChargePeriodStart"]) == ("65.60", "2026-11-21T00:00:00Z")
    assert fake.calls == [("get_usage_history", {"step": "day", "by": "type"})]


async def test_the_guides_guard_goes_on_where_nothing_is_known() -> None:
    """And stops where the limit is reached."""
    may_go_on = names_of("guide.md", "async def may_go_on")["may_go_on"]
    fake = FakeBilling()
    assert await may_go_on(fake, 1316.11)
    assert not await may_go_on(fake, 1316.10)
    fake.script["get_location_usage"] = replace(sample("get_location_usage", answers.LocationUsage), stale=True)
    assert await may_go_on(fake, 10)
    fake.script["get_location_usage"] = NoConnectionError("away")
    assert await may_go_on(fake, 10)


async def test_the_guide_finds_out_what_changed() -> None:
    what_changed = names_of("guide.md", "async def what_changed")["what_changed"]
    with redirect_stdout(io.StringIO()) as written:
        await what_changed(FakeBilling())
    assert written.getvalue().splitlines()[0] == "per_machine 984.0 44.0"
