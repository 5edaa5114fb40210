from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support.fake_parts import usage
from unit.cache.queries_scene import EACH, INFORMATION, PAYER, QUESTIONS, Scene, in_time
from viam_billing.cache.cache import Reader
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Reading, provenance
from viam_billing.core.errors import CloudUnreachableError, Outcome

Change = Callable[[Reads], AbstractAsyncContextManager[None]]
TIER: Change = lambda reads: reads.cache.changing("information:x", "tiers")  # noqa: E731 - a table of two
PAYS: Change = lambda reads: reads.cache.changing("payer:x")  # noqa: E731 - the same
OUTDATED = {("tier", "information"), ("tier", "tiers"), ("payer", "payer")}


async def known(question: str) -> Scene:
    """A scene whose answer to a question is known."""
    message, ask = QUESTIONS[question]
    scene = Scene(message)
    await ask(scene.reads, in_time())
    return scene


@EACH
@pytest.mark.parametrize(("name", "change"), [("tier", TIER), ("payer", PAYS)])
async def test_a_change_makes_forgotten_what_it_outdates(name: str, change: Change, question: str) -> None:
    """And only that."""
    scene = await known(question)
    async with change(scene.reads):
        pass
    await QUESTIONS[question][1](scene.reads, in_time())
    assert len(scene.gateway.asked) == (2 if (name, question) in OUTDATED else 1)


@pytest.mark.parametrize("revealed", [True, False])
async def test_a_change_of_the_tier_makes_forgotten_what_any_service_knows(*, revealed: bool) -> None:
    """Masked or not, whichever service makes the change."""
    scene = Scene(INFORMATION)
    reads = scene.service(reveal_payment_details=revealed)
    await reads.billing_information("x", in_time(), None)
    async with scene.service(reveal_payment_details=not revealed).cache.changing("information:x", "tiers"):
        pass
    await reads.billing_information("x", in_time(), None)
    assert len(scene.gateway.asked) == 2


@pytest.mark.parametrize("change", [TIER, PAYS])
async def test_a_change_of_one_leaves_others_alone(change: Change) -> None:
    """Other organizations and locations."""
    scene = Scene(INFORMATION, PAYER)
    await scene.reads.billing_information("y", in_time(), None)
    await scene.reads.location_payer("y", in_time(), None)
    async with change(scene.reads):
        pass
    await scene.reads.billing_information("y", in_time(), None)
    await scene.reads.location_payer("y", in_time(), None)
    assert len(scene.gateway.asked) == 2


async def test_after_a_change_whose_outcome_is_unknown_the_cloud_is_asked() -> None:
    """Every time, for it may be done later."""
    scene = await known("payer")
    with pytest.raises(CloudUnreachableError):
        async with scene.reads.cache.changing("payer:x"):
            raise CloudUnreachableError("lost.", Outcome.UNKNOWN)
    for _ in range(2):
        await scene.reads.location_payer("x", in_time(), None)
    assert len(scene.gateway.asked) == 3


async def test_each_service_counts_its_own_reads() -> None:
    """From memory, from the cloud, and from memory in vain of the cloud."""
    scene = Scene(usage(1.0), CloudUnreachableError("no route."))
    one, other = scene.service(), scene.service()
    await one.usage("x", in_time(), None)
    await other.usage("x", in_time(), None)
    await other.usage("x", in_time(), 0)
    assert (counts(one.reader), counts(other.reader)) == ((0, 1, 0), (1, 1, 1))


def counts(reader: Reader) -> tuple[int, int, int]:
    """Hits, misses and stale answers."""
    return reader.hits, reader.misses, reader.stale


def test_an_answer_of_one_reading_has_its_time() -> None:
    """Without a reason where it is not stale."""
    assert provenance([Reading({}, 0.0)]) == {"as_of": "1970-01-01T00:00:00Z", "stale": False}


@pytest.mark.parametrize("order", [1, -1])
def test_an_answer_of_several_has_the_oldest_time(order: int) -> None:
    """And is stale if one is."""
    parts = [Reading({}, 100.0), Reading({}, 0.0), Reading({}, 50.0, "cloud_timeout")][::order]
    assert provenance(parts) == {"as_of": "1970-01-01T00:00:00Z", "stale": True, "stale_reason": "cloud_timeout"}


def test_readings_may_be_taken_one_by_one() -> None:
    """An iterator of them is as good as a list."""
    assert provenance(iter([Reading({}, 0.0, "cloud_timeout")]))["stale_reason"] == "cloud_timeout"
