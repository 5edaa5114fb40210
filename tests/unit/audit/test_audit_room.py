"""The audit log's room: two rings, floods, and the size of an entry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_parts import make_journal
from unit.audit.audit_scene import APP, Case
from viam_billing.audit.audit_log import AuditLog
from viam_billing.core.errors import Outcome, OutOfScopeError

LONG = "\U0001f600" * 300


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    """An empty log."""
    made = Case(tmp_path / "state")
    yield made
    made.database.close()


@pytest.mark.parametrize("sent", [Outcome.UNKNOWN, None])
async def test_ten_thousand_entries_of_each_ring_are_kept(case: Case, sent: Outcome | None) -> None:
    """The oldest goes when the next one of its ring comes; the other ring's stay."""
    await case.attempt("oldest", code="cloud_timeout", sent=sent)
    await case.attempt("of the other ring", code="cloud_timeout", sent=None if sent else Outcome.UNKNOWN)
    await case.fill(executed=sent is not None)
    assert len(await case.entries()) == 10_001
    await case.attempt("newest", code="cloud_timeout", sent=sent)
    entries = [entry["command"] for entry in await case.entries()]
    assert (len(entries), entries[0], entries[-1]) == (10_001, "of the other ring", "newest")


@pytest.mark.parametrize(
    ("code", "sent", "executed"),
    [
        (None, Outcome.UNKNOWN, True),
        ("cloud_timeout", Outcome.UNKNOWN, True),
        ("cloud_timeout", Outcome.NEVER_SENT, False),
        ("not_found", Outcome.REFUSED, False),
        ("out_of_scope", None, False),
        (None, None, False),
    ],
)
async def test_what_was_done_or_may_have_been_is_in_a_ring_of_its_own(
    case: Case, code: str | None, sent: Outcome | None, *, executed: bool
) -> None:
    """Not what certainly changed nothing: a dry run, an answer from the journal, what the cloud refused."""
    await case.attempt(code=code, sent=sent)
    assert [bool(entry["executed"]) for entry in await case.entries()] == [executed]


async def test_a_flood_of_what_the_cloud_refuses_is_counted_and_not_stored(case: Case) -> None:
    """Though each attempt is on the disk before it is sent."""
    for i in range(110):
        await case.attempt(code="not_found", sent=Outcome.REFUSED, a=i)
    *kept, flood = await case.entries()
    assert [json.loads(entry["parameters"])["a"] for entry in kept] == list(range(100))
    assert (flood["code"], flood["repeats"], "flood" in flood["parameters"]) == ("not_found", 9, True)


async def test_a_flood_is_counted_and_not_stored(case: Case) -> None:
    """From the hundredth attempt of a command in an hour on, in one entry for each code, until the hour is over."""
    for i in range(150):
        await case.attempt(code=("out_of_scope", "not_found")[i % 2], a=i, idempotency_key=f"k{i}")
    await case.attempt("other", a=1)
    await case.attempt("do", code=None, sent=Outcome.UNKNOWN, a="done")
    *kept, other, done = [entry for entry in await case.entries() if "flood" not in entry["parameters"]]
    assert [json.loads(entry["parameters"])["a"] for entry in kept] == list(range(100))
    assert (other["command"], done["parameters"], done["executed"]) == ("other", '{"a": "done"}', 1)
    floods = [entry for entry in await case.entries() if "flood" in entry["parameters"]]
    assert [(entry["code"], entry["repeats"], entry["idempotency_key"]) for entry in floods] == [
        ("out_of_scope", 24, None),
        ("not_found", 24, None),
    ]
    case.steady.now_s += 3600
    await case.attempt(a="next hour")
    assert json.loads((await case.entries())[-1]["parameters"]) == {"a": "next hour"}


async def test_a_flood_is_written_once_a_second(case: Case) -> None:
    """Not at each attempt: a caller does not wear out the disk."""
    began = []
    for i in range(300):
        with pytest.raises(OutOfScopeError):
            async with case.log.attempt("do", {"a": i}, permitted=True, sync=True):
                raise OutOfScopeError("no.")
        began.append(len(await case.entries()))
    assert set(began) <= {0, 1}
    case.log.flush()
    await case.log.idle.wait()
    assert len(await case.entries()) == 101


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


@pytest.mark.parametrize("sent", [Outcome.UNKNOWN, None])
async def test_an_entry_has_at_most_two_kibibytes(case: Case, sent: Outcome | None) -> None:
    """As it is stored, whatever it carries; what is left out is counted, and what it is about comes first."""
    many = {f"p{i}{LONG}": LONG for i in range(20)} | {f"q{i}": "\0" * 90 for i in range(1000)}
    await case.attempt("update", code="cloud_timeout", sent=sent, **many)
    await case.attempt("update", code=None, sent=sent, note=LONG, a=LONG, idempotency_key=LONG[:200])
    await case.attempt("update", code=None, sent=sent, description=LONG, x=LONG, org_id=LONG[:100])
    entries = await case.entries()
    for entry in entries:
        assert sum(len(str(value).encode()) for value in entry.values() if value is not None) <= 2048
    kept = [json.loads(entry["parameters"]) for entry in entries]
    assert kept[0]["…"] == f"{1020 + 1 - len(kept[0])} more"
    assert kept[2]["org_id"] == LONG[:100]


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


async def test_what_is_cut_is_shown_to_its_own_service_only(case: Case) -> None:
    """What was left out may be an organization that another one does not see."""
    await case.attempt(org_id="a")
    many: dict[str, Any] = {f"org{i}": LONG for i in range(30)}
    await case.attempt(**many)
    other = AuditLog(make_journal(case.database, APP), APP, case.clock, "other")
    assert [entry.parameters for entry in await other.entries(lambda *_: True, since_s=0, limit=9)] == [{"org_id": "a"}]
    assert len(await case.log.entries(lambda *_: False, since_s=0, limit=9)) == 2
