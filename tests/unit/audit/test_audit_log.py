"""The audit log: when an attempt is noted, how it ends, and what is counted in one entry."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_parts import NOON_S
from unit.audit.audit_scene import Case
from viam_billing.audit.audit_log import LOGGER
from viam_billing.core.errors import Outcome


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    """An empty log."""
    made = Case(tmp_path / "state")
    yield made
    made.database.close()


async def test_an_attempt_is_written_before_it_is_made(case: Case) -> None:
    """A process that is killed meanwhile leaves its entry, without an end."""
    async with case.log.attempt("do", {"a": 1, "idempotency_key": "k"}, permitted=True, sync=True) as begin:
        assert await case.entries() == []
        await begin()
        (entry,) = await case.entries()
    assert (entry["command"], json.loads(entry["parameters"]), entry["code"]) == (
        "do",
        {"a": 1, "idempotency_key": "k"},
        "unfinished",
    )
    assert (entry["time"], entry["allowed"], entry["idempotency_key"]) == (NOON_S, 1, "k")


@pytest.mark.parametrize("closes", [False, True])
async def test_an_attempt_whose_caller_leaves_while_it_is_written_is_ended(case: Case, *, closes: bool) -> None:
    """Also if the service is closed right then: the log is idle only when the end is written."""
    disk_works = threading.Event()
    slow = case.database.begin(lambda _: disk_works.wait(30))

    async def attempt() -> None:
        async with case.log.attempt("do", {}, permitted=True, sync=True) as begin:
            await begin()
            raise AssertionError("it is not made")

    caller = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not case.log.idle.is_set()
    disk_works.set()
    if closes:
        await case.log.idle.wait()
        assert case.log.idle.is_set()
    await slow
    assert [entry["code"] for entry in await case.entries()] == ["cancelled"]


async def test_the_end_of_an_attempt_is_noted(case: Case) -> None:
    """With its code and whether it was allowed."""
    await case.attempt(code="out_of_scope")
    (entry,) = await case.entries()
    assert (entry["code"], entry["allowed"]) == ("out_of_scope", 0)


async def test_repeats_are_counted_in_one_entry(case: Case) -> None:
    """A job that is refused every second does not push all else out of the log; the entry has the latest time."""
    for _ in range(5):
        await case.attempt(a=1)
        case.clock.now_s += 1
    (entry,) = await case.entries()
    assert (entry["repeats"], entry["time"]) == (4, NOON_S + 4)


async def test_what_ended_well_is_counted_in_one_entry_too(case: Case) -> None:
    """A robot that asks with one key every minute whether it has charged does not push the charge before it out."""
    await case.attempt("the one that matters", code=None)
    for _ in range(3):
        await case.attempt(code=None, idempotency_key="k")
        case.clock.now_s += 60
    found = [(entry["command"], entry["code"], entry["repeats"], entry["time"]) for entry in await case.entries()]
    assert found == [("the one that matters", None, 0, NOON_S), ("do", None, 2, NOON_S + 120)]


@pytest.mark.parametrize("other", [{"command": "else"}, {"code": "not_found"}, {"b": 1}])
async def test_what_differs_is_no_repeat(case: Case, other: dict[str, Any]) -> None:
    """In its command, its end or its parameters."""
    await case.attempt()
    await case.attempt(**other)
    assert [entry["repeats"] for entry in await case.entries()] == [0, 0]


async def test_what_comes_later_is_no_repeat(case: Case) -> None:
    """An order of events stays an order of events."""
    for code in ("out_of_scope", None, "out_of_scope"):
        await case.attempt(code=code)
    assert len(await case.entries()) == 3


async def test_an_attempt_at_another_address_is_no_repeat(case: Case) -> None:
    """The sandbox's refusals are not the cloud's."""
    await case.attempt()
    case.log = case.of("http://localhost:1")
    await case.attempt()
    assert len(await case.entries()) == 2


async def test_what_was_executed_is_in_the_modules_log_too(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """With its IDs and amounts, quoted, and no other parameter; what was not executed is not."""
    LOGGER.addHandler(caplog.handler)
    about: dict[str, Any] = {
        "org_id_to_charge": "o\n1",
        "subtotal": 2.5,
        "idempotency_key": "k",
        "description": "secret",
    }
    await case.attempt("charge", code=None, sent=Outcome.UNKNOWN, **about)
    await case.attempt("update", code="cloud_timeout", sent=Outcome.UNKNOWN, location_id="l")
    await case.attempt("reconcile", code=None, sent=Outcome.UNKNOWN)
    await case.attempt("charge", code="not_found", sent=Outcome.REFUSED, **about)
    await case.attempt("charge", code="out_of_scope", **about)
    LOGGER.removeHandler(caplog.handler)
    assert list(dict.fromkeys((record.levelname, record.getMessage()) for record in caplog.records)) == [
        ("INFO", 'executed: charge (org_id_to_charge: "o\\n1", subtotal: 2.5, idempotency_key: "k"): done'),
        ("INFO", 'executed: update (location_id: "l"): cloud_timeout'),
    ]


async def test_what_waits_is_shown_as_unfinished(case: Case) -> None:
    """By the service that it waits in: it is not written before it is refused or sent."""
    await case.attempt("before")
    async with case.log.attempt("waits", {"a": 1}, permitted=True, sync=True):
        shown = await case.log.entries(lambda *_: True, since_s=0, limit=10)
        assert [(entry.command, entry.code) for entry in shown] == [("waits", "unfinished"), ("before", "out_of_scope")]
        assert shown[0].parameters == {"a": 1}
        assert len(await case.log.entries(lambda *_: True, since_s=0, limit=1)) == 1
    assert [entry["command"] for entry in await case.entries()] == ["before"]
