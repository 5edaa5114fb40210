"""The commands that look at the journal, and settle what is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_charges import Scene, Sending, away
from support.held_file import held
from unit.cloud_fakes import answer, refused
from viam_billing.storage.journal_schema import FILE_NAME

CHARGE = {"command": "charge_organization", "org_id": "a", "subtotal": 10, "idempotency_key": "k"}
RESOLVE = {"command": "resolve_charge", "idempotency_key": "k", "note": "looked"}
ONLY_B = {"allowed_org_ids": ["b"]}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A process that charges, in front of a cloud that does."""
    made = Scene(str(tmp_path))
    made.cloud.automatic = lambda sending: sending.succeed()
    yield made
    made.close()


async def lost(scene: Scene, *, worked: bool, **other: Any) -> None:  # noqa: ANN401 - parameters of the command
    """A charge whose answer is lost."""

    def lose(sending: Sending) -> None:
        if worked:
            sending.work()
        sending.lose()

    scene.cloud.automatic = lose
    assert (await refused(scene.context(), {**CHARGE, **other})).code == "charge_outcome_unknown"


async def charge_of(scene: Scene, attributes: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `get_charge` tells."""
    return await answer(scene.context(attributes), {"command": "get_charge", "idempotency_key": "k"})


async def test_a_charge_is_told_with_its_payment(scene: Scene) -> None:
    """Where the cloud tells it; the entry alone where it does not."""
    first = await answer(scene.context(), CHARGE)
    shown = await charge_of(scene)
    assert (shown.get("payment_status"), shown.get("stale")) == ("paid", False)
    del first["replayed"]
    assert first.items() <= shown.items()
    scene.cloud.reading_fails = away()
    assert await charge_of(scene) == first
    scene.cloud.reading_fails = None
    scene.cloud.ledger.clear()
    assert await charge_of(scene) == first


@pytest.mark.parametrize("command", [{"command": "list_charges"}, {"command": "get_charge", "idempotency_key": "k"}])
async def test_what_is_looked_at_is_what_the_status_tells(scene: Scene, command: dict[str, Any]) -> None:
    """Also of a service that only reads, beside a process that charges."""
    reader = Scene(scene.folder, scene.clock, scene.cloud)
    await reader.journal.read_figures()
    await answer(scene.context(), CHARGE)
    await answer(reader.context({"allowed_commands": ["read"]}), command)
    assert reader.journal.figures is not None
    assert (reader.journal.figures.entries, reader.lock.generation) == (1, 0)
    reader.close()


async def test_a_charge_without_an_invoice_asks_no_cloud(scene: Scene) -> None:
    """It is what the journal has."""
    await lost(scene, worked=False)
    lists = scene.cloud.lists
    shown = await charge_of(scene)
    assert (shown["state"], shown["error"]["code"], scene.cloud.lists) == ("unknown", "cloud_unreachable", lists)


async def test_a_charge_out_of_scope_is_not_found(scene: Scene) -> None:
    """As one that is not there is."""
    await answer(scene.context(), CHARGE)
    for request in ({"command": "get_charge", "idempotency_key": "k"}, {**RESOLVE, "outcome": "failed"}):
        assert (await refused(scene.context(ONLY_B), request)).code == "not_found"
        assert (await refused(scene.context(), {**request, "idempotency_key": "none"})).code == "not_found"


async def test_charges_are_listed(scene: Scene) -> None:
    """Newest first, by state, as many as asked for, in scope."""
    for key, org_id in (("k1", "a"), ("k2", "b"), ("k3", "a")):
        await answer(scene.context(), {**CHARGE, "idempotency_key": key, "org_id": org_id})
    await lost(scene, worked=False, idempotency_key="k4", org_id="c")

    async def keys(attributes: dict[str, Any] | None = None, **parameters: object) -> list[str]:
        found = await answer(scene.context(attributes), {"command": "list_charges", **parameters})
        return [entry["idempotency_key"] for entry in found["charges"]]

    assert await keys() == ["k4", "k3", "k2", "k1"]
    assert await keys(limit=2) == ["k4", "k3"]
    assert await keys(state="unknown") == ["k4"]
    assert await keys(ONLY_B) == ["k2"]


async def test_reconciling_tells_what_it_settled(scene: Scene) -> None:
    """And what is still unknown."""
    await lost(scene, worked=True, idempotency_key="k1")
    await lost(scene, worked=False, idempotency_key="k2", org_id="b")
    found = await answer(scene.context(), {"command": "reconcile_charges"})
    assert [entry["idempotency_key"] for entry in found["settled"]] == ["k1"]
    assert [entry["idempotency_key"] for entry in found["still_unknown"]] == ["k2"]


async def test_a_charge_is_resolved(scene: Scene) -> None:
    """Then the organization is free."""
    await lost(scene, worked=False)
    entry = await answer(scene.context(), {**RESOLVE, "outcome": "failed"})
    assert (entry["state"], entry["note"]) == ("failed", "looked")
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert (await answer(scene.context(), CHARGE))["attempts"] == 2


async def test_a_charge_with_an_invoice_is_not_resolved_as_failed(scene: Scene) -> None:
    """The invoices are read for it; where they cannot be, the person's word counts."""
    await lost(scene, worked=True)
    assert (await refused(scene.context(), {**RESOLVE, "outcome": "failed"})).code == "invalid_request"
    entry = await answer(scene.context(), {**RESOLVE, "outcome": "succeeded", "invoice_id": "inv-1"})
    assert (entry["state"], entry["invoice_id"]) == ("succeeded", "inv-1")


async def test_a_person_s_word_counts_where_nothing_can_be_read(scene: Scene) -> None:
    """He may know more than the cloud tells."""
    await lost(scene, worked=True)
    scene.cloud.reading_fails = away()
    assert (await answer(scene.context(), {**RESOLVE, "outcome": "failed"}))["state"] == "failed"


async def test_resolving_is_allowed_by_its_name_only(scene: Scene) -> None:
    """Not by the group `charge`."""
    context = scene.context({"allowed_commands": ["read", "charge"]})
    assert (await refused(context, {**RESOLVE, "outcome": "failed"})).code == "command_not_allowed"


@pytest.mark.parametrize(
    "wrong", [{"outcome": "failed", "invoice_id": "i"}, {"outcome": "unknown"}, {"outcome": "failed", "note": " "}]
)
async def test_a_decision_that_makes_no_sense_is_refused(scene: Scene, wrong: dict[str, Any]) -> None:
    """Before the journal is looked at."""
    assert (await refused(scene.context(), {**RESOLVE, **wrong})).code == "invalid_request"


async def test_the_audit_log_tells_every_attempt(scene: Scene) -> None:
    """Newest first, with its code, as many as asked for, from a time on."""
    await answer(scene.context(), CHARGE)
    scene.clock.now_s += 10
    await refused(scene.context(), {**CHARGE, "subtotal": 11})
    log = {"command": "get_audit_log"}
    entries = (await answer(scene.context(), log))["entries"]
    assert [(each["command"], each.get("code"), each["idempotency_key"]) for each in entries] == [
        ("charge_organization", "idempotency_conflict", "k"),
        ("charge_organization", None, "k"),
    ]
    assert entries[1]["parameters"]["subtotal"] == 10
    assert (await answer(scene.context(), {**log, "limit": 1}))["entries"] == entries[:1]
    assert (await answer(scene.context(), {**log, "since": entries[0]["time"]}))["entries"] == entries[:1]


async def test_the_audit_log_shows_a_service_what_is_in_its_scope(scene: Scene) -> None:
    """Its own attempts, and others' about organizations and locations that it sees."""
    await answer(scene.context(), CHARGE)
    await answer(scene.context(), {**CHARGE, "org_id": "b", "idempotency_key": "k2"})
    await refused(scene.context(), {**RESOLVE, "outcome": "failed"})
    log = {"command": "get_audit_log"}
    mine = (await answer(scene.context(ONLY_B, service="billing"), log))["entries"]
    others = (await answer(scene.context(ONLY_B, service="other"), log))["entries"]
    assert [each["idempotency_key"] for each in mine] == ["k", "k2", "k"]
    assert [each["idempotency_key"] for each in others] == ["k2"]


@pytest.mark.parametrize(
    "request_",
    [{"command": "get_charge", "idempotency_key": "k"}, {"command": "list_charges"}, {"command": "get_audit_log"}],
)
async def test_a_disk_that_hangs_is_waited_for_as_long_as_the_cloud(scene: Scene, request_: dict[str, str]) -> None:
    """It is the disk that the error names, and no entry is taken for missing."""
    await answer(scene.context(), CHARGE)
    with held(Path(scene.folder) / FILE_NAME):
        error = await refused(scene.context({"timeout_s": 0.05}), request_)
    assert error.code == "state_unavailable"
    assert "disk does not answer in time" in error.text
