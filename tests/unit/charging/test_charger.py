"""How a charge gets from its caller to the cloud and onto the disk."""

from __future__ import annotations

import asyncio

import pytest
from grpclib.const import Status

from support.fake_charges import Scene, away, request
from unit.charging.charges_scene import attempts, code_of, joined, under_way
from viam_billing.core.errors import BillingError, CloudUnreachableError, KeyLacksPermissionError
from viam_billing.core.times import Deadline


async def test_a_charge_succeeds(scene: Scene) -> None:
    """And its entry has the invoice."""
    task = await under_way(scene)
    invoice = scene.cloud.sendings[0].succeed()
    entry, replayed = await task
    assert (entry.state, entry.invoice_id, entry.attempts, replayed) == ("succeeded", invoice.id, 1, False)
    assert await scene.entry() == entry


async def test_it_is_on_the_disk_as_sent_before_it_leaves(scene: Scene) -> None:
    """At the moment in which the cloud gets it."""
    task = await under_way(scene)
    assert (await scene.entry()).state == "sent"
    scene.cloud.sendings[0].succeed()
    await task


async def test_the_mark_comes_right_before_the_sending(scene: Scene) -> None:
    """A login that fails leaves an entry that was never sent, and failed."""
    scene.cloud.before_mark = away()
    assert await code_of(scene.charge()) == "cloud_unreachable"
    entry = await scene.entry()
    assert (entry.state, entry.sent_at) == ("failed", None)


async def test_the_same_key_is_answered_from_the_journal(scene: Scene) -> None:
    """For ever, without the cloud."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    first, _ = await scene.charge()
    scene.cloud.reading_fails = away()
    assert await scene.charge() == (first, True)
    assert len(scene.cloud.sendings) == 1


async def test_the_same_key_with_other_parameters_is_a_conflict(scene: Scene) -> None:
    """After it succeeded, while it is under way, and after it failed."""
    task = await under_way(scene)
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"
    scene.cloud.sendings[0].refuse(Status.INVALID_ARGUMENT)
    await code_of(task)
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge()
    assert await code_of(scene.charge(cents=1001)) == "idempotency_conflict"


async def test_callers_with_one_key_share_one_attempt(scene: Scene) -> None:
    """Twenty of them, and its error too."""
    tasks = [asyncio.ensure_future(scene.charge()) for _ in range(20)]
    sending = await scene.cloud.arrived()
    sending.succeed()
    results = await asyncio.gather(*tasks)
    assert len(scene.cloud.sendings) == 1
    assert sorted(replayed for _, replayed in results) == [False] + 19 * [True]
    assert {entry.invoice_id for entry, _ in results} == {"inv-1"}


async def test_a_caller_that_joins_never_starts_another_attempt(scene: Scene) -> None:
    """Where the attempt that it waits for is refused, it gets the refusal."""
    tasks = [asyncio.ensure_future(scene.charge()) for _ in range(3)]
    sending = await scene.cloud.arrived()
    await joined(scene, 3)
    sending.refuse(Status.NOT_FOUND)
    codes = {await code_of(task) for task in tasks}
    assert codes == {"not_found"}
    assert (len(scene.cloud.sendings), (await scene.entry()).attempts) == (1, 1)


async def test_a_charge_outlives_its_caller(scene: Scene) -> None:
    """Who leaves can come back with the key."""
    task = await under_way(scene)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = asyncio.ensure_future(scene.charge())
    await joined(scene, 1)
    scene.cloud.sendings[0].succeed()
    entry, replayed = await again
    assert (entry.state, replayed, len(scene.cloud.sendings)) == ("succeeded", True, 1)


async def test_a_caller_whose_time_ends_is_told_that_it_goes_on(scene: Scene) -> None:
    """`cloud_timeout`, and the key's outcome is to be had later."""
    first = await under_way(scene)
    with pytest.raises(BillingError, match="goes on") as caught:
        await scene.charger.charge(request(), scene.desk(), Deadline(0))
    assert caught.value.code == "cloud_timeout"
    scene.cloud.sendings[0].succeed()
    assert (await first)[0] == (await scene.charge())[0]


async def test_a_charge_that_nobody_waits_for_is_dropped_before_it_is_reserved(scene: Scene) -> None:
    """It leaves no entry, and its key is free."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    scene.cloud.reading.set()
    assert await scene.journal.find("k") is None
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert (await scene.charge())[0].attempts == 1


async def test_one_charge_at_a_time_for_an_organization(scene: Scene) -> None:
    """The next one waits until the first has ended; another organization does not."""
    first = await under_way(scene, "k1")
    second = asyncio.ensure_future(scene.charge("k2"))
    other = await under_way(scene, "k3", "b", number=2)
    assert [each.description for each in scene.cloud.sendings] == ["k1", "k3"]
    scene.cloud.sendings[0].succeed()
    await first
    (await scene.cloud.arrived(3)).succeed()
    scene.cloud.sendings[1].succeed()
    assert (await second)[0].state == (await other)[0].state == "succeeded"


async def test_who_waits_behind_an_unknown_charge_is_blocked(scene: Scene) -> None:
    """And sends nothing, and leaves its key unused."""
    first = await under_way(scene, "k1")
    second = asyncio.ensure_future(scene.charge("k2"))
    await attempts(scene, 2)
    scene.cloud.sendings[0].lose()
    assert await code_of(first) == "charge_outcome_unknown"
    assert await code_of(second) == "charge_blocked"
    assert (len(scene.cloud.sendings), scene.cloud.lists) == (1, 1)
    assert await scene.journal.find("k2") is None


async def test_an_unknown_charge_is_never_sent_again(scene: Scene) -> None:
    """Its key gets `charge_outcome_unknown`, other keys of the organization `charge_blocked`, others go on."""
    scene.cloud.automatic = lambda sending: sending.lose()
    assert await code_of(scene.charge()) == "charge_outcome_unknown"
    scene.cloud.automatic = lambda sending: sending.succeed()
    assert await code_of(scene.charge()) == "charge_outcome_unknown"
    assert await code_of(scene.charge("k2")) == "charge_blocked"
    assert (await scene.charge("k3", "b"))[0].state == "succeeded"
    assert [each.description for each in scene.cloud.sendings] == ["k", "k3"]


async def test_a_succeeded_key_is_answered_while_its_organization_is_blocked(scene: Scene) -> None:
    """And while the day is full."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    desk = scene.desk(per_day=20)
    await scene.charge(desk=desk)
    scene.cloud.automatic = lambda sending: sending.lose()
    await code_of(scene.charge("k2", desk=desk))
    assert (await scene.charge(desk=desk))[1]


async def test_a_failed_key_is_a_new_attempt(scene: Scene) -> None:
    """Counted, with the time of the first."""
    scene.cloud.automatic = lambda sending: sending.refuse(Status.PERMISSION_DENIED)
    assert await code_of(scene.charge()) == "key_lacks_permission"
    scene.clock.now_s += 10
    scene.cloud.automatic = lambda sending: sending.succeed()
    entry, _ = await scene.charge()
    assert (entry.attempts, entry.created_at, entry.sent_at) == (2, scene.clock.now_s - 10, scene.clock.now_s)
    assert entry.error_code is None


async def test_unreadable_invoices_fail_the_charge(scene: Scene) -> None:
    """Nothing is sent, and the entry says so."""
    scene.cloud.reading_fails = away()
    with pytest.raises(CloudUnreachableError, match="Nothing was sent"):
        await scene.charge()
    entry = await scene.entry()
    assert (entry.state, entry.error_code, entry.attempts) == ("failed", "cloud_unreachable", 1)
    assert not scene.cloud.sendings


async def test_invoices_that_the_key_may_not_read_are_done_without(scene: Scene) -> None:
    """The charge goes on and cannot be reconciled."""
    scene.cloud.reading_fails = KeyLacksPermissionError("no")
    scene.cloud.automatic = lambda sending: sending.succeed()
    entry, _ = await scene.charge()
    assert (entry.state, entry.reconcilable) == ("succeeded", False)


async def test_the_limit_is_checked_in_the_reservation(scene: Scene) -> None:
    """Ten charges of as many moments at once: as many as fit."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    desk = scene.desk(per_day=30, orgs=tuple("abcdefghij"))
    scene.cloud.reading.clear()
    tasks = [asyncio.ensure_future(scene.charge(f"k{org}", org, desk=desk)) for org in "abcdefghij"]
    await scene.cloud.asked(len(tasks))
    scene.cloud.reading.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(scene.cloud.sendings) == 3
    assert [each.code for each in results if isinstance(each, BillingError)] == 7 * ["charge_limit_exceeded"]


async def test_services_apply_their_own_limits_to_the_sum(scene: Scene) -> None:
    """What one has charged counts for the other."""
    scene.cloud.automatic = lambda sending: sending.succeed()
    await scene.charge("k1", desk=scene.desk(per_day=100), cents=4000)
    assert await code_of(scene.charge("k2", desk=scene.desk(per_day=45))) == "charge_limit_exceeded"
    assert (await scene.charge("k2", desk=scene.desk(per_day=50)))[0].state == "succeeded"


async def test_a_dry_run_checks_and_sends_nothing(scene: Scene) -> None:
    """A key that succeeded is told; an unknown one is an error; a new one passes the limits."""
    limits = scene.desk(per_day=15).limits
    assert await scene.charger.check(request(), limits) is None
    scene.cloud.automatic = lambda sending: sending.succeed()
    entry, _ = await scene.charge()
    assert await scene.charger.check(request(), limits) == entry
    assert await code_of(scene.charger.check(request("k2"), limits)) == "charge_limit_exceeded"
    scene.cloud.automatic = lambda sending: sending.lose()
    await code_of(scene.charge("k3"))
    assert await code_of(scene.charger.check(request("k3"), scene.desk().limits)) == "charge_outcome_unknown"
    assert await code_of(scene.charger.check(request("k4"), scene.desk().limits)) == "charge_blocked"
    assert len(scene.cloud.sendings) == 2


async def test_a_dry_run_beside_the_charge_itself_is_compared_with_it(scene: Scene) -> None:
    """Other parameters are a conflict, the same ones are not."""
    scene.cloud.reading.clear()
    task = asyncio.ensure_future(scene.charge())
    await scene.cloud.asked()
    assert await code_of(scene.charger.check(request(cents=5), scene.desk().limits)) == "idempotency_conflict"
    assert await scene.charger.check(request(), scene.desk().limits) is None
    scene.cloud.reading.set()
    (await scene.cloud.arrived()).succeed()
    await task
