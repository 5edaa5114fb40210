from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_parts import NOON_S, Clock, make_journal
from viam_billing.audit.audit_log import AuditLog
from viam_billing.core.errors import NotFoundError, OutOfScopeError
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk
from viam_billing.storage.journal_schema import FILE_NAME, MIGRATIONS

ERRORS = {error.code: error for error in (OutOfScopeError, NotFoundError)}


class Case:
    """An audit log on a real file, its clock, and a look into the file."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOON_S)
        self.database = Database(Disk(), str(folder), FILE_NAME, MIGRATIONS)
        self.log = self.of("https://app.viam.com")

    def of(self, app_address: str) -> AuditLog:
        """The log for an address, in the same file."""
        return AuditLog(make_journal(self.database, app_address), app_address, self.clock)

    async def attempt(self, command: str = "do", code: str | None = "out_of_scope", **parameters: object) -> None:
        """An attempt from its begin to its end."""

        async def made() -> None:
            async with self.log.attempt(command, parameters, permitted=True, sync=True):
                if code is not None:
                    raise ERRORS[code]("no.")

        await asyncio.gather(made(), return_exceptions=True)
        await self.log.idle.wait()

    async def entries(self) -> list[dict[str, Any]]:
        """The audit log, oldest first."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = db.execute("SELECT * FROM audit ORDER BY id")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return await self.database.run(work)


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    """An empty log."""
    made = Case(tmp_path / "state")
    yield made
    made.database.close()


async def test_an_attempt_is_written_before_it_is_made(case: Case) -> None:
    """A process that is killed meanwhile leaves its entry, without an end."""
    async with case.log.attempt("do", {"a": 1, "idempotency_key": "k"}, permitted=True, sync=True):
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
        async with case.log.attempt("do", {}, permitted=True, sync=True):
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


async def test_ten_thousand_entries_are_kept(case: Case) -> None:
    """The oldest goes when the next one comes."""
    await case.attempt("oldest")
    fill = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
        "INSERT INTO audit (app_address, time, command, parameters, allowed) SELECT '', 0, i, '{}', 1 FROM n"
    )
    await case.database.run(lambda db: db.execute(fill).rowcount)
    assert [len(await case.entries()), (await case.entries())[0]["command"]] == [10_000, "oldest"]
    await case.attempt("newest")
    entries = await case.entries()
    assert (len(entries), entries[0]["command"], entries[-1]["command"]) == (10_000, "1", "newest")


async def test_repeats_push_no_other_entry_out(case: Case) -> None:
    """However many: counted in one, they take the room of one. Numbers given out before stand for as many repeats."""
    await case.attempt("the one that matters", code=None)
    await case.attempt("refused")
    await case.attempt("refused")
    await case.database.run(
        lambda db: db.execute("UPDATE sqlite_sequence SET seq = seq + 10000 WHERE name = 'audit'").rowcount
    )
    await case.attempt("refused")
    entries = await case.entries()
    assert [(entry["command"], entry["repeats"]) for entry in entries] == [("the one that matters", 0), ("refused", 2)]


async def test_long_values_are_cut(case: Case) -> None:
    """An attempt may carry anything."""
    await case.attempt(text="x" * 100_000, number=2.5, flag=True, nothing=None, parts=[1] * 100_000)
    (entry,) = await case.entries()
    kept = json.loads(entry["parameters"])
    assert (len(kept.pop("text")), kept) == (200, {"number": 2.5, "flag": True, "nothing": None, "parts": "a list"})


async def test_many_parameters_are_cut(case: Case) -> None:
    """A thousand unknown names are not worth the disk."""
    many: dict[str, Any] = {f"p{i}" + "x" * 1000: i for i in range(1000)}
    await case.attempt(**many)
    (entry,) = await case.entries()
    assert len(entry["parameters"]) < 5000


async def test_a_long_key_is_not_kept(case: Case) -> None:
    """No charge can have it: what is refused must not fill the disk. A long one that a charge can have is."""
    for key in ("x" * 200, "x" * 201, "x" * 5_000_000):
        await case.attempt(idempotency_key=key)
    assert [entry["idempotency_key"] for entry in await case.entries()] == ["x" * 200, None]
    assert len((await case.entries())[1]["parameters"]) < 300
