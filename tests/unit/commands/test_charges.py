"""The two commands that charge."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_charges import Scene, away
from unit.charging.scene import until
from unit.cloud_fakes import answer, refused
from viam_billing.core.errors import KeyLacksPermissionError

CHARGE = {"command": "charge_organization", "org_id": "a", "subtotal": 10.0, "tax": 0.5, "idempotency_key": "k"}
CREATE = {
    "command": "create_invoice_and_charge_immediately",
    "org_id_to_charge": "a",
    "amount": 10.5,
    "idempotency_key": "k",
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A process that charges, in front of a cloud that does."""
    made = Scene(str(tmp_path))
    made.cloud.automatic = lambda sending: sending.succeed()
    yield made
    made.close()


async def test_a_charge_answers_its_entry(scene: Scene) -> None:
    """And whether it is an earlier one's answer."""
    first = await answer(scene.context(), CHARGE)
    assert (first["state"], first["total"], first["org_id"], first["replayed"]) == ("succeeded", 10.5, "a", False)
    assert await answer(scene.context(), CHARGE) == {**first, "replayed": True}
    assert [sending.cents for sending in scene.cloud.sendings] == [1050]


async def test_the_total_has_the_tax_in_it(scene: Scene) -> None:
    """The limits apply to it."""
    context = scene.context({"charge_limits": {"per_charge": 10.49, "per_day": 100}})
    assert (await refused(context, CHARGE)).code == "charge_limit_exceeded"
    assert not scene.cloud.sendings


@pytest.mark.parametrize(
    "same",
    [
        {"org_id": None, "org_id_to_charge": "a"},
        {"subtotal": None, "amount_owed": 10},
        {"disable_confirmation_email": False},
    ],
)
async def test_the_same_charge_in_other_words_is_the_same(scene: Scene, same: dict[str, Any]) -> None:
    """Aliases, defaults, and a whole number."""
    await answer(scene.context(), CHARGE)
    words = {name: value for name, value in {**CHARGE, **same}.items() if value is not None}
    assert (await answer(scene.context(), words))["replayed"]


@pytest.mark.parametrize(
    "other",
    [{"subtotal": 10.01}, {"tax": 0}, {"org_id": "b"}, {"description": "x"}, {"disable_confirmation_email": True}],
)
async def test_another_charge_with_the_key_is_a_conflict(scene: Scene, other: dict[str, Any]) -> None:
    """Whatever differs."""
    await answer(scene.context(), CHARGE)
    assert (await refused(scene.context(), {**CHARGE, **other})).code == "idempotency_conflict"
    assert len(scene.cloud.sendings) == 1


async def test_the_other_command_with_the_key_is_a_conflict(scene: Scene) -> None:
    """A key is one charge's, by one command."""
    await answer(scene.context(), CHARGE)
    assert (await refused(scene.context(), CREATE)).code == "idempotency_conflict"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"subtotal": 0}, "subtotal"),
        ({"subtotal": -1}, "subtotal"),
        ({"subtotal": 1.005}, "subtotal"),
        ({"subtotal": float("nan")}, "subtotal"),
        ({"tax": -0.01}, "tax"),
        ({"tax": 0.001}, "tax"),
        ({"amount_owed": 1}, "amount_owed"),
        ({"idempotency_key": " "}, "idempotency_key"),
        ({"description": "x" * 1001}, "description"),
    ],
)
async def test_wrong_parameters_are_named_and_use_no_key(scene: Scene, wrong: dict[str, Any], named: str) -> None:
    """Nothing is in the journal."""
    error = await refused(scene.context(), {**CHARGE, **wrong})
    assert error.code == "invalid_request"
    assert named in error.text
    assert await scene.journal.find("k") is None


async def test_an_organization_out_of_scope_is_refused(scene: Scene) -> None:
    """The one to charge, and the one whose name the invoice carries."""
    for other in ({"org_id": "z"}, {"org_id_for_branding": "z"}):
        assert (await refused(scene.context(), {**CHARGE, **other})).code == "out_of_scope"
    await answer(scene.context({"org_id": "own"}), {**CHARGE, "org_id_for_branding": "own"})
    assert len(scene.cloud.sendings) == 1


async def test_what_is_not_allowed_is_refused(scene: Scene) -> None:
    """And leaves an audit entry and no journal entry."""
    context = scene.context({"allowed_commands": ["read"]})
    assert (await refused(context, CHARGE)).code == "command_not_allowed"
    assert await scene.journal.find("k") is None
    (entry,) = (await answer(scene.context(), {"command": "get_audit_log"}))["entries"]
    assert (entry["code"], entry["allowed"], entry["idempotency_key"]) == ("command_not_allowed", False, "k")


async def test_without_a_folder_nothing_is_charged(scene: Scene) -> None:
    """There is no journal."""
    context = scene.context()
    without = type(context)(
        **{**{name: getattr(context, name) for name in context.__struct_fields__}, "charge_service": None}
    )
    assert (await refused(without, CHARGE)).code == "state_unavailable"


async def test_a_dry_run_shows_what_would_be_sent(scene: Scene) -> None:
    """And sends nothing, keeps nothing, and tells whether the charge could be reconciled."""
    shown = await answer(scene.context(), {**CHARGE, "dry_run": True})
    sent = {"org_id_to_charge": "a", "subtotal": 10.0, "tax": 0.5}
    assert shown == {"dry_run": True, "would_send": sent, "reconcilable": True}
    scene.cloud.reading_fails = KeyLacksPermissionError("no")
    assert not (await answer(scene.context(), {**CHARGE, "dry_run": True}))["reconcilable"]
    assert not scene.cloud.sendings
    assert await scene.journal.find("k") is None


async def test_a_dry_run_is_refused_where_the_charge_would_be(scene: Scene) -> None:
    """By the limits, by a key of another charge, and by a cloud that is away."""
    dry = {**CHARGE, "dry_run": True}
    assert (await refused(scene.context(), {**dry, "subtotal": 501})).code == "charge_limit_exceeded"
    scene.cloud.reading_fails = away()
    assert (await refused(scene.context(), dry)).code == "cloud_unreachable"
    scene.cloud.reading_fails = None
    await answer(scene.context(), CHARGE)
    assert (await answer(scene.context(), dry))["would_send"] == {}
    assert (await refused(scene.context(), {**dry, "tax": 1})).code == "idempotency_conflict"


async def test_a_dry_run_of_a_charge_that_has_been_made_asks_no_cloud(scene: Scene) -> None:
    """The charge itself would be answered from the journal, whether or not the cloud is there."""
    scene.cloud.reading_fails = KeyLacksPermissionError("no")
    await answer(scene.context(), CHARGE)
    scene.cloud.reading_fails = away()
    lists = scene.cloud.lists
    shown = await answer(scene.context(), {**CHARGE, "dry_run": True})
    assert shown == {"dry_run": True, "would_send": {}, "reconcilable": False}
    assert scene.cloud.lists == lists


async def test_the_other_command_charges_too(scene: Scene) -> None:
    """With an amount of its own name."""
    scene.cloud.automatic = None
    context = scene.context()
    task = asyncio.ensure_future(answer(context, CREATE))
    sending = await scene.cloud.arrived()
    sending.succeed()
    assert ((await task)["total"], sending.cents) == (10.5, 1050)


async def test_a_charge_is_written_down_for_one_caller_who_still_waits(scene: Scene) -> None:
    """The one that began it has left; what joined it and is not needed for it sent nothing."""
    scene.cloud.reading.clear()
    context = scene.context()
    callers = [asyncio.create_task(answer(context, CHARGE)) for _ in range(3)]
    await scene.cloud.asked()
    await until(lambda: len(scene.charging.attempts["k"].callers) == 3)
    callers[0].cancel()
    await asyncio.wait(callers[:1])
    scene.cloud.reading.set()
    assert [(await each)["state"] for each in callers[1:]] == ["succeeded"] * 2
    context.audit_log.flush()
    await context.audit_log.idle.wait()
    rows = await scene.store.run(lambda db: db.execute("SELECT code, executed FROM audit ORDER BY executed").fetchall())
    assert sorted(rows, key=str) == [("cancelled", 0), (None, 0), (None, 1)]
