"""An attempt that a person called failed, and whose invoice turns up all the same."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from support.fake_charges import Scene
from unit.charging.test_settling import look, resolve, unknown
from viam_billing.core.errors import BillingError, InvalidRequestError
from viam_billing.core.times import DAY_S


async def test_a_clock_that_is_behind_makes_the_watch_no_shorter(scene: Scene) -> None:
    """Two days from the newest sending that is known."""
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
    """Once each; the first one stands in the entry."""
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


async def test_two_attempts_are_both_watched(scene: Scene) -> None:
    """Each has a list of its own."""
    await unknown(scene)
    await resolve(scene, "failed")
    await unknown(scene)
    await resolve(scene, "failed")
    _, watched = await scene.charger.outcomes.to_look_for()
    assert sorted(each.attempt for each in watched) == [1, 2]


async def test_which_of_two_attempts_an_invoice_belongs_to_a_person_says(scene: Scene) -> None:
    """Both fit the unknown attempt and the one before it; neither look settles one of them."""
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


async def test_an_entrys_own_late_invoice_is_no_others(scene: Scene) -> None:
    """A person may say that it is the charge's."""
    sending = await unknown(scene)
    await resolve(scene, "failed")
    task = await unknown(scene)
    sending.work()
    task.work()
    with pytest.raises(InvalidRequestError, match="inv-1"):
        await resolve(scene, "failed")


async def test_a_decision_is_about_the_attempt_that_was_looked_at(scene: Scene) -> None:
    """The key may have been sent again while a person's invoices were read."""
    await unknown(scene)
    await resolve(scene, "failed")
    await unknown(scene)
    with pytest.raises(InvalidRequestError, match="sent again meanwhile"):
        await resolve(scene, "failed", attempt=1)
    assert (await scene.entry()).state == "unknown"


async def test_a_success_of_an_attempt_that_was_taken_for_ended_is_told(scene: Scene, caplog: Any) -> None:  # noqa: ANN401 - pytest's
    """The entry of the later attempt stays, with the other invoice beside its own."""
    await unknown(scene)
    stale = await scene.entry()
    await resolve(scene, "failed")
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    await scene.charger.outcomes.settle(structs.replace(stale.succeeded("inv-other"), attempts=1))
    entry = await scene.entry()
    assert (entry.state, entry.attempts, entry.invoice_id) == ("succeeded", 2, "inv-1")
    assert entry.late_invoice == "inv-other"
    assert "both attempts have charged" in caplog.text


async def test_a_persons_note_stays(scene: Scene) -> None:
    """Also when the key is sent again."""
    await unknown(scene)
    await resolve(scene, "failed")
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert (await scene.charge())[0].note == "seen in the app"
