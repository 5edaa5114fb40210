"""What an error says about a charge, and how its outcome gets on the disk."""

from __future__ import annotations

import asyncio

import pytest
from grpclib.const import Status

from support.fake_charges import Scene, Sending, away
from viam_billing.core.errors import BillingError, KeyLacksPermissionError, StateUnavailableError

REFUSALS = {
    Status.UNAUTHENTICATED,
    Status.PERMISSION_DENIED,
    Status.INVALID_ARGUMENT,
    Status.NOT_FOUND,
    Status.OUT_OF_RANGE,
    Status.UNIMPLEMENTED,
}
OTHERS = set(Status) - REFUSALS - {Status.OK, Status.FAILED_PRECONDITION}


async def ended(scene: Scene, status: Status, *, worked: bool = False) -> BillingError:
    """The error of a charge that the cloud answers with a status."""

    def answer(sending: Sending) -> None:
        if worked:
            sending.work()
        sending.refuse(status)

    scene.cloud.automatic = answer
    with pytest.raises(BillingError) as caught:
        await scene.charge()
    return caught.value


@pytest.mark.parametrize("status", sorted(REFUSALS, key=str))
async def test_a_refusal_fails_the_charge(scene: Scene, status: Status) -> None:
    """Its caller is told that nothing was charged, and its key may be sent again."""
    error = await ended(scene, status)
    assert "Nothing was charged: the same idempotency_key may be sent again" in error.text
    entry = await scene.entry()
    assert (entry.state, entry.error_code, entry.known_invoices) == ("failed", error.code, None)


@pytest.mark.parametrize("status", sorted(OTHERS, key=str))
async def test_any_other_answer_says_nothing(scene: Scene, status: Status) -> None:
    """The charge is unknown, and the error names key, organization and amount."""
    error = await ended(scene, status)
    assert error.code == "charge_outcome_unknown"
    assert '"k"' in error.text
    assert '"a"' in error.text
    assert "10.00 dollars" in error.text
    assert (await scene.entry()).state == "unknown"


async def test_a_declined_card_without_an_invoice_fails_the_charge(scene: Scene) -> None:
    """The invoices are read again for it."""
    assert (await ended(scene, Status.FAILED_PRECONDITION)).code == "cloud_rejected"
    assert ((await scene.entry()).state, scene.cloud.lists) == ("failed", 2)


async def test_a_declined_card_with_an_invoice_is_unknown(scene: Scene) -> None:
    """Whoever's it is."""
    assert (await ended(scene, Status.FAILED_PRECONDITION, worked=True)).code == "charge_outcome_unknown"
    assert (await scene.entry()).state == "unknown"


@pytest.mark.parametrize("before", [True, False])
async def test_a_declined_card_without_a_look_is_unknown(scene: Scene, before: bool) -> None:  # noqa: FBT001 - from the table
    """The list could not be read before, or not after."""
    if before:
        scene.cloud.reading_fails = KeyLacksPermissionError("no")
    task = asyncio.ensure_future(scene.charge())
    sending = await scene.cloud.arrived()
    scene.cloud.reading_fails = None if before else away()
    sending.refuse(Status.FAILED_PRECONDITION)
    with pytest.raises(BillingError, match="not known"):
        await task
    assert (await scene.entry()).state == "unknown"


async def test_an_unknown_charge_is_an_error_in_the_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """With key, organization, amount and the next command; and the watch is woken."""
    woken: list[bool] = []
    scene.charger.outcomes.when_unknown = lambda: woken.append(True)
    await ended(scene, Status.UNAVAILABLE)
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert all(word in record.message for word in ('"k"', '"a"', "10.00 dollars", "reconcile_charges"))
    assert woken == [True]


async def test_an_unwritten_outcome_is_an_error_in_the_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """And is written with the next charge."""
    task = asyncio.ensure_future(scene.charge())
    sending = await scene.cloud.arrived()
    scene.store.trouble = "before"
    sending.lose()
    with pytest.raises(BillingError, match="not known"):
        await task
    assert "the outcome unknown of the charge" in caplog.text
    with pytest.raises(StateUnavailableError):
        await scene.charger.outcomes.write_left_over()
    scene.store.trouble = ""
    await scene.charger.outcomes.write_left_over()
    assert (await scene.entry()).state == "unknown"
