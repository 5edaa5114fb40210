from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from viam_billing.audit.audit_log import State
from viam_billing.core.errors import CooldownActiveError, StateUnavailableError
from viam_billing.core.times import DAY_S
from viam_billing.storage.database import Store
from viam_billing.storage.journal_schema import FILE_NAME, MIGRATIONS

START_S = 1_795_262_400.0


class Clock:
    """A clock that the test sets."""

    now_s = START_S

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Case:
    """A state on a real file, its clock, and a look into the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.store = Store(str(folder), FILE_NAME, MIGRATIONS)
        self.state = self.of("https://app.viam.com")

    def of(self, app_address: str) -> State:
        """The state for an address, in the same file."""
        return State(self.store, app_address, self.clock)

    async def attempt(self, command: str = "do", code: str | None = "out_of_scope", **parameters: object) -> None:
        """An attempt from its begin to its end."""
        number = await self.state.begin_attempt(command, parameters, allowed=True)
        await self.state.end_attempt(number, code, allowed=code is None)

    async def entries(self) -> list[dict[str, Any]]:
        """The audit log, oldest first."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = db.execute("SELECT * FROM audit ORDER BY id")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return await self.store.run(work)


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    """An empty state."""
    made = Case(tmp_path / "state")
    yield made
    made.store.close()


async def test_an_attempt_is_written_before_it_is_made(case: Case) -> None:
    """A process that is killed meanwhile leaves its entry, without an end."""
    await case.state.begin_attempt("do", {"a": 1, "idempotency_key": "k"}, allowed=True)
    (entry,) = await case.entries()
    assert (entry["command"], json.loads(entry["parameters"]), entry["code"]) == (
        "do",
        {"a": 1, "idempotency_key": "k"},
        "unfinished",
    )
    assert (entry["time"], entry["allowed"], entry["idempotency_key"]) == (START_S, 1, "k")


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
    assert (entry["repeats"], entry["time"]) == (4, START_S + 4)


async def test_what_ended_well_is_counted_in_one_entry_too(case: Case) -> None:
    """A robot that asks with one key every minute whether it has charged does not push the charge before it out."""
    await case.attempt("the one that matters", code=None)
    for _ in range(3):
        await case.attempt(code=None, idempotency_key="k")
        case.clock.now_s += 60
    found = [(entry["command"], entry["code"], entry["repeats"], entry["time"]) for entry in await case.entries()]
    assert found == [("the one that matters", None, 0, START_S), ("do", None, 2, START_S + 120)]


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
    case.state = case.of("http://localhost:1")
    await case.attempt()
    assert len(await case.entries()) == 2


async def test_ten_thousand_entries_are_kept(case: Case) -> None:
    """The oldest goes when the next one comes."""
    await case.attempt("oldest")
    fill = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
        "INSERT INTO audit (app_address, time, command, parameters, allowed) SELECT '', 0, i, '{}', 1 FROM n"
    )
    await case.store.run(lambda db: db.execute(fill).rowcount)
    assert [len(await case.entries()), (await case.entries())[0]["command"]] == [10_000, "oldest"]
    await case.attempt("newest")
    entries = await case.entries()
    assert (len(entries), entries[0]["command"], entries[-1]["command"]) == (10_000, "1", "newest")


async def test_repeats_push_no_other_entry_out(case: Case) -> None:
    """However many: counted in one, they take the room of one. Numbers given out before stand for as many repeats."""
    await case.attempt("the one that matters", code=None)
    await case.attempt("refused")
    await case.attempt("refused")
    await case.store.run(
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


async def test_a_first_email_is_free(case: Case) -> None:
    """Nobody was written to."""
    await case.state.check_cooldown("customer")


async def test_a_second_email_waits(case: Case) -> None:
    """24 hours, and it says until when."""
    await case.state.begin_cooldown("customer")
    case.clock.now_s += DAY_S - 1
    with pytest.raises(CooldownActiveError, match="2026-11-22T12:00:00Z"):
        await case.state.begin_cooldown("customer")
    case.clock.now_s += 1
    await case.state.begin_cooldown("customer")


async def test_asking_starts_no_cooldown(case: Case) -> None:
    """A dry run sends nothing."""
    await case.state.check_cooldown("customer")
    await case.state.begin_cooldown("customer")


async def test_a_cooldown_outlives_the_process(case: Case) -> None:
    """It is on disk."""
    await case.state.begin_cooldown("customer")
    case.store.close()
    again = Case(case.folder)
    with pytest.raises(CooldownActiveError):
        await again.state.check_cooldown("customer")
    again.store.close()


async def test_a_cooldown_is_one_customers(case: Case) -> None:
    """Another customer, or the same name in another cloud, is free."""
    await case.state.begin_cooldown("customer")
    await case.state.check_cooldown("other")
    await case.of("http://localhost:1").check_cooldown("customer")


async def test_an_email_that_was_not_sent_is_forgotten(case: Case) -> None:
    """The customer's alone."""
    await case.state.begin_cooldown("customer")
    await case.state.begin_cooldown("other")
    await case.state.end_cooldown("customer")
    await case.state.check_cooldown("customer")
    with pytest.raises(CooldownActiveError):
        await case.state.check_cooldown("other")


async def test_a_clock_that_was_set_back_ends_no_cooldown(case: Case) -> None:
    """An e-mail of the future was sent."""
    await case.state.begin_cooldown("customer")
    case.clock.now_s -= 5 * DAY_S
    with pytest.raises(CooldownActiveError, match="2026-11-17T12:00:00Z"):
        await case.state.check_cooldown("customer")


@pytest.mark.parametrize("ahead_s", [5 * DAY_S, 3650 * DAY_S])
async def test_an_email_dated_in_the_future_counts_from_when_it_is_seen(case: Case, ahead_s: float) -> None:
    """A clock that ran ahead for a moment does not silence a customer for years."""
    case.clock.now_s += ahead_s
    await case.state.begin_cooldown("customer")
    case.clock.now_s = START_S
    with pytest.raises(CooldownActiveError):
        await case.state.check_cooldown("customer")
    case.clock.now_s = START_S + DAY_S
    await case.state.check_cooldown("customer")


async def test_a_clock_that_was_set_back_for_a_while_ends_no_cooldown(case: Case) -> None:
    """Asked meanwhile or not, and set back twice: once it is right again, it is minutes ago."""
    await case.state.begin_cooldown("customer")
    for back_s in (3 * DAY_S, 6 * DAY_S, 3 * DAY_S - 300, -300):
        case.clock.now_s = START_S - back_s
        with pytest.raises(CooldownActiveError):
            await case.state.begin_cooldown("customer")
    case.clock.now_s = START_S + DAY_S
    await case.state.begin_cooldown("customer")


async def test_an_email_of_a_clock_that_was_set_back_counts_as_no_older_than_the_newest(case: Case) -> None:
    """Time never runs backwards: what comes after an e-mail to somebody else was not sent days before it."""
    await case.state.begin_cooldown("other")
    case.clock.now_s -= 3 * DAY_S
    await case.state.begin_cooldown("customer")
    case.clock.now_s = START_S + 300
    with pytest.raises(CooldownActiveError, match="2026-11-22T12:00:00Z"):
        await case.state.begin_cooldown("customer")
    case.clock.now_s = START_S + DAY_S
    await case.state.begin_cooldown("customer")


async def test_without_a_folder_there_is_no_state() -> None:
    """And the error names the attribute."""
    with pytest.raises(StateUnavailableError, match="state_dir"):
        await State(None, "", Clock()).begin_cooldown("customer")


def test_a_state_without_a_folder_can_be_closed() -> None:
    """There is nothing to give back."""
    State(None, "", Clock()).close()
