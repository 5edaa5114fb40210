"""What settles a charge whose answer was lost."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Literal

import pytest
from msgspec import structs

from support.fake_charges import Scene, request
from unit.charging.scene import unknown
from viam_billing.charging import reconciliation
from viam_billing.charging.charge import Entry
from viam_billing.core.errors import BillingError, InvalidRequestError
from viam_billing.core.times import DAY_S

NOTE = "seen in the app"


async def look(scene: Scene, org_id: str = "a") -> reconciliation.Found:
    """Look at what the cloud has."""
    return await scene.reconciler.settle(org_id, await scene.access().invoices(org_id))


async def resolve(
    scene: Scene,
    outcome: Literal["succeeded", "failed"],
    key: str = "k",
    invoice_id: str | None = None,
    *,
    attempt: int | None = None,
    reads: bool = True,
) -> Entry:
    """A person decides, about the attempt that the journal has unless the test says another one."""
    invoices = await scene.access().invoices("a") if reads else []
    seen = await scene.entry(key)
    seen = structs.replace(seen, attempts=attempt or seen.attempts)
    step = partial(
        reconciliation.resolve,
        seen=seen,
        outcome=outcome,
        note=NOTE,
        invoice_id=invoice_id,
        invoices=invoices,
    )
    return await scene.journal.run("resolve", step)


async def test_two_invoices_settle_nothing(scene: Scene) -> None:
    await unknown(scene, worked=True)
    scene.cloud.add_invoice("a", 1000)
    found = await look(scene)
    assert [entry.candidates for entry in found.still_unknown] == [("inv-1", "inv-2")]
    assert (await scene.entry()).state == "unknown"


async def test_no_invoice_settles_nothing(scene: Scene) -> None:
    await unknown(scene)
    scene.clock.now_s += 30 * DAY_S
    assert [entry.state for entry in (await look(scene)).still_unknown] == ["unknown"]
    assert (await scene.entry()).state == "unknown"


async def test_another_charge_s_invoice_settles_nothing(scene: Scene) -> None:
    task = asyncio.ensure_future(scene.charge("k1"))
    sending = await scene.cloud.arrived()
    sending.work(visible=False)
    sending.succeed()
    await task
    await unknown(scene, "k2")
    scene.cloud.ledger[0].visible = True
    assert not (await look(scene)).settled


async def test_a_charge_that_a_clock_far_ahead_has_dated_is_found(scene: Scene) -> None:
    right_s = scene.clock.now_s
    scene.clock.now_s += 400 * DAY_S
    task = asyncio.ensure_future(scene.charge())
    sending = await scene.cloud.arrived()
    scene.clock.now_s = right_s
    sending.work()
    sending.lose()
    with pytest.raises(BillingError, match=r"."):
        await task
    with pytest.raises(InvalidRequestError, match="fits this charge"):
        await resolve(scene, "failed")
    assert len((await look(scene)).settled) == 1


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_only_an_unknown_charge_can_be_resolved(scene: Scene, outcome: Any) -> None:  # noqa: ANN401 - from the table
    task = asyncio.ensure_future(scene.charge())
    sending = await scene.cloud.arrived()
    with pytest.raises(InvalidRequestError, match="is sent"):
        await resolve(scene, outcome)
    sending.succeed()
    await task
    with pytest.raises(InvalidRequestError, match="is succeeded"):
        await resolve(scene, outcome)
    reserved, _ = await scene.journal.reserve(request("r"), scene.access().limits, [])
    with pytest.raises(InvalidRequestError, match="is reserved"):
        await resolve(scene, outcome, reserved.key)


async def test_a_person_may_say_that_it_succeeded(scene: Scene) -> None:
    await unknown(scene, worked=True)
    entry = await resolve(scene, "succeeded", invoice_id="inv-1")
    assert (entry.state, entry.invoice_id, entry.note, entry.error_code) == (
        "succeeded",
        "inv-1",
        "seen in the app",
        None,
    )
    await unknown(scene, "k2")
    with pytest.raises(InvalidRequestError, match="of no other charge"):
        await resolve(scene, "succeeded", "k2", "inv-1")


async def test_a_late_invoice_is_shown_and_its_key_never_sent_again(scene: Scene, caplog: Any) -> None:  # noqa: ANN401 - pytest's
    sending = await unknown(scene)
    await resolve(scene, "failed")
    scene.clock.now_s += 47 * 3600
    sending.work()
    found = await look(scene)
    assert [(entry.late_invoice, invoice_id) for entry, invoice_id in found.late] == [("inv-1", "inv-1")]
    assert "resolved as failed, but the invoice" in caplog.text
    with pytest.raises(BillingError, match="resolved as failed") as caught:
        await scene.charge()
    assert caught.value.code == "charge_outcome_unknown"
    with pytest.raises(BillingError, match="resolved as failed"):
        await scene.charging.check(request(), scene.access().limits)
    assert (len(scene.cloud.sendings), scene.cloud.lists) == (1, 3)


async def test_a_late_invoice_is_seen_when_the_key_is_sent_again(scene: Scene) -> None:
    sending = await unknown(scene)
    await resolve(scene, "failed")
    sending.work()
    with pytest.raises(BillingError, match="resolved as failed"):
        await scene.charge()
    assert len(scene.cloud.sendings) == 1


async def test_a_late_invoice_is_looked_for_two_days(scene: Scene) -> None:
    sending = await unknown(scene)
    await resolve(scene, "failed")
    sending.work()
    scene.clock.now_s += 400 * DAY_S
    assert not (await look(scene)).late
    scene.clock.now_s -= 400 * DAY_S
    assert len((await look(scene)).late) == 1


async def test_a_late_invoice_is_not_that_of_a_charge_under_way(scene: Scene) -> None:
    await unknown(scene, "k1")
    await resolve(scene, "failed", "k1")
    task = asyncio.ensure_future(scene.charge("k2"))
    sending = await scene.cloud.arrived(2)
    sending.work()
    assert not (await look(scene)).late
    sending.succeed()
    await task
    assert not (await look(scene)).late


async def test_a_clock_that_is_behind_makes_the_watch_no_shorter(scene: Scene) -> None:
    sending = await unknown(scene)
    now_s = scene.clock.now_s
    scene.clock.now_s -= 3 * DAY_S
    await resolve(scene, "failed")
    scene.clock.now_s = now_s + 600
    sending.work()
    with pytest.raises(BillingError, match="resolved as failed"):
        await scene.charge()
    assert len(scene.cloud.sendings) == 1


async def test_every_late_invoice_is_told(scene: Scene, caplog: Any) -> None:  # noqa: ANN401 - pytest's
    await unknown(scene)
    await resolve(scene, "failed")
    scene.cloud.add_invoice("a", 1000)
    await look(scene)
    scene.cloud.add_invoice("a", 1000)
    await look(scene)
    await look(scene)
    told = [message for message in caplog.messages if "resolved as failed" in message]
    assert ['"inv-1"' in message for message in told] == [True, False]
    assert (await scene.entry()).late_invoice == "inv-1"


async def test_which_of_two_attempts_an_invoice_belongs_to_a_person_says(scene: Scene) -> None:
    first = await unknown(scene)
    await resolve(scene, "failed")
    second = await unknown(scene)
    first.work()
    second.work()
    for _ in range(2):
        found = await look(scene)
        assert [entry.candidates for entry in found.still_unknown] == [("inv-1", "inv-2")]
        assert not found.late
    assert (await resolve(scene, "succeeded", invoice_id="inv-1")).invoice_id == "inv-1"


async def test_a_decision_is_about_the_attempt_that_was_looked_at(scene: Scene) -> None:
    await unknown(scene)
    await resolve(scene, "failed")
    await unknown(scene)
    with pytest.raises(InvalidRequestError, match="sent again meanwhile"):
        await resolve(scene, "failed", attempt=1)
    assert (await scene.entry()).state == "unknown"


async def test_a_success_of_an_attempt_that_was_taken_for_ended_is_told(scene: Scene, caplog: Any) -> None:  # noqa: ANN401 - pytest's
    await unknown(scene)
    stale = await scene.entry()
    await resolve(scene, "failed")
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    await scene.recovery.settle(structs.replace(stale.succeeded("inv-other"), attempts=1))
    entry = await scene.entry()
    assert (entry.state, entry.attempts, entry.invoice_id) == ("succeeded", 2, "inv-1")
    assert entry.late_invoice == "inv-other"
    assert "both attempts have charged" in caplog.text
