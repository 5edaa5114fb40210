"""What the journal decides in one transaction; most of it about clocks and limits."""

from __future__ import annotations

import pytest

from support.fake_charges import Scene, request
from viam_billing.charging.charge import Entry
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.charging.journal_rows import Rows
from viam_billing.charging.refusals import Limits
from viam_billing.core.errors import (
    ChargeBlockedError,
    ChargeLimitExceededError,
    CloudUnreachableError,
    StateUnavailableError,
)
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S

LIMITS = Limits(Cents(5000), Cents(5000))
REFUSED = CloudUnreachableError("no")


async def charged(scene: Scene, key: str, cents: int, org_id: str = "a", *, state: str = "succeeded") -> Entry:
    """An entry that went all the way to a state."""
    entry, own = await scene.journal.reserve(request(key, org_id, cents), LIMITS, [])
    assert own
    if state == "reserved":
        return entry
    sent = await scene.journal.mark_sent(entry)
    ends = {"succeeded": sent.succeeded("inv"), "failed": sent.failed(REFUSED), "unknown": sent.unknown(REFUSED)}
    if state in ends:
        await scene.journal.settle(ends[state])
    return await scene.entry(key)


async def fits(scene: Scene, cents: int) -> bool:
    """Whether a charge of another organization would pass the day's limit now."""
    try:
        await scene.journal.examine(request("new", "z", cents), LIMITS)
    except ChargeLimitExceededError:
        return False
    return True


async def left(scene: Scene) -> int:
    """Cents that can still be charged now."""
    cents = 5000
    while cents and not await fits(scene, cents):
        cents -= 1000
    return cents


@pytest.mark.parametrize("state", ["reserved", "sent", "succeeded", "unknown"])
async def test_what_may_have_been_charged_counts(scene: Scene, state: str) -> None:
    await charged(scene, "k", 3000, state=state)
    assert await left(scene) == 2000


async def test_what_succeeded_counts_for_a_day(scene: Scene) -> None:
    await charged(scene, "k", 3000)
    scene.clock.now_s += DAY_S - 1
    assert await left(scene) == 2000
    scene.clock.now_s += 1
    assert await left(scene) == 5000


@pytest.mark.parametrize("state", ["reserved", "sent", "unknown"])
async def test_what_is_not_settled_counts_however_old(scene: Scene, state: str) -> None:
    await charged(scene, "k", 3000, state=state)
    scene.clock.now_s += 30 * DAY_S
    assert await left(scene) == 2000


async def test_the_limit_may_be_used_up_to_the_cent(scene: Scene) -> None:
    await charged(scene, "k", 3000)
    assert await fits(scene, 2000)
    assert not await fits(scene, 2001)


async def test_one_charge_may_not_be_above_its_own_limit(scene: Scene) -> None:
    limits = Limits(Cents(1000), Cents(9000))
    await scene.journal.examine(request(cents=1000), limits)
    with pytest.raises(ChargeLimitExceededError, match="per_charge"):
        await scene.journal.examine(request(cents=1001), limits)


async def test_a_clock_that_was_set_back_forgets_nothing(scene: Scene) -> None:
    await charged(scene, "k", 3000)
    scene.clock.now_s -= 100 * DAY_S
    assert await left(scene) == 2000
    assert (await scene.entry()).sent_at == scene.clock.now_s
    scene.clock.now_s += DAY_S
    assert await left(scene) == 5000


async def test_a_clock_that_was_set_back_and_is_right_again_forgets_nothing(scene: Scene) -> None:
    await charged(scene, "k1", 2000)
    scene.clock.now_s -= 100 * DAY_S
    await charged(scene, "k2", 2000, "b")
    scene.clock.now_s += 100 * DAY_S + 3600
    assert await left(scene) == 1000
    scene.clock.now_s += DAY_S
    assert await left(scene) == 5000


async def test_a_clock_that_was_far_ahead_fills_the_day_for_a_day(scene: Scene) -> None:
    scene.clock.now_s += 400 * DAY_S
    await charged(scene, "k", 5000)
    scene.clock.now_s -= 400 * DAY_S
    assert not await fits(scene, 1000)
    scene.clock.now_s += DAY_S + 1
    assert await fits(scene, 5000)


async def test_a_clock_that_was_far_ahead_and_then_back_forgets_nothing(scene: Scene) -> None:
    scene.clock.now_s += 400 * DAY_S
    await charged(scene, "k1", 1000)
    scene.clock.now_s -= 400 * DAY_S
    assert await left(scene) == 4000
    scene.clock.now_s -= 100 * DAY_S
    await charged(scene, "k2", 2000, "b")
    scene.clock.now_s -= 100 * DAY_S
    await charged(scene, "k3", 1000, "c")
    scene.clock.now_s += 200 * DAY_S + 3600
    assert await left(scene) == 1000
    scene.clock.now_s += DAY_S
    assert await left(scene) == 5000


async def test_the_figures_tell_what_the_limit_counts(scene: Scene) -> None:
    await charged(scene, "k1", 2000)
    await charged(scene, "k2", 1000, "b", state="unknown")
    figures = scene.journal.figures
    assert figures is not None
    assert (figures.entries, figures.unknown, figures.charged(scene.clock.now_s)) == (2, 1, 3000)
    assert figures.charged(scene.clock.now_s + DAY_S) == 1000


async def test_the_block_is_checked_after_the_limits(scene: Scene) -> None:
    await charged(scene, "k1", 3000, state="unknown")
    with pytest.raises(ChargeBlockedError, match="k1"):
        await scene.journal.examine(request("k2", cents=1000), LIMITS)
    with pytest.raises(ChargeLimitExceededError):
        await scene.journal.examine(request("k2", cents=4000), LIMITS)


@pytest.mark.parametrize("state", ["reserved", "sent", "unknown"])
async def test_nothing_is_reserved_beside_what_is_not_settled(scene: Scene, state: str) -> None:
    await charged(scene, "k1", 1000, state=state)
    with pytest.raises(ChargeBlockedError):
        await scene.journal.reserve(request("k2"), LIMITS, [])


async def test_a_reservation_that_another_attempt_has_replaced_is_not_sent(scene: Scene) -> None:
    mine, _ = await scene.journal.reserve(request(), LIMITS, [])
    await scene.journal.recover([])
    with pytest.raises(StateUnavailableError):
        await scene.journal.mark_sent(mine)
    theirs, own = await scene.journal.reserve(request(), LIMITS, [])
    assert (own, theirs.attempts) == (True, 2)
    with pytest.raises(StateUnavailableError):
        await scene.journal.mark_sent(mine)
    sent = await scene.journal.mark_sent(theirs)
    await scene.journal.settle(mine.failed(REFUSED))
    assert await scene.entry() == sent


async def test_a_success_stays_one(scene: Scene) -> None:
    entry = await charged(scene, "k", 1000, state="sent")
    await scene.journal.settle(entry.succeeded("inv"))
    await scene.journal.settle(entry.unknown(REFUSED))
    assert (await scene.entry()).state == "succeeded"


async def test_releasing_ends_a_reservation_only(scene: Scene) -> None:
    await charged(scene, "k1", 1000, state="sent")
    await charged(scene, "k2", 1000, "b", state="reserved")
    for key in ("k1", "k2", "k3"):
        await scene.journal.release(key, REFUSED)
    assert ((await scene.entry("k1")).state, (await scene.entry("k2")).state) == ("sent", "failed")


async def test_journals_of_two_clouds_know_nothing_of_each_other(scene: Scene) -> None:
    await charged(scene, "k", 5000, state="unknown")
    other = Journal(scene.store, "https://other", scene.clock, Identity(scene.folder, "https://other", None))
    assert await other.examine(request("k", cents=5000), LIMITS) is None
    assert await other.find("k") is None


async def test_an_entry_is_read_as_it_was_written(scene: Scene) -> None:
    entry, _ = await scene.journal.reserve(request(), LIMITS, ["i1", "i2"])
    full = entry.becoming(
        "failed", note="n", late_invoice="l", candidates=("c",), checked_at=1.5, error_code="e", error_text="t"
    )
    await scene.store.run(lambda db: Rows(db, "https://app.viam.com", 0.0).put(full))
    assert await scene.entry() == full


@pytest.mark.parametrize(
    "damage", ["times = '[null]'", "times = '{'", "candidates = '5'", "known_invoices = '[1]'", "times = '[\"a\"]'"]
)
async def test_an_entry_that_the_disk_has_changed_is_not_read(scene: Scene, damage: str) -> None:
    """Nothing is charged on what it might mean."""
    await charged(scene, "k", 3000, state="unknown")
    await scene.store.run(lambda db: db.execute(f"UPDATE charges SET {damage}").rowcount)  # noqa: S608 - ours
    with pytest.raises(StateUnavailableError, match=r"journal\.db"):
        await scene.journal.find("k")
    with pytest.raises(StateUnavailableError):
        await scene.journal.reserve(request("l", "a", 100), LIMITS, [])
