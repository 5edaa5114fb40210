from __future__ import annotations

import pytest

from support.fake_parts import NOON_S, Clock
from viam_billing.cache.readings import FOREVER_S, Entry, Memory

TTL_S = 300.0
VALUE = {"subtotal": 12.5}


class Scene:
    """Memory on a wall clock and a steady clock that go together unless somebody sets the wall clock."""

    def __init__(self) -> None:
        self.wall = Clock(NOON_S)
        self.steady = Clock(1000.0)
        self.memory = Memory(self.wall, self.steady)

    def wait(self, time_s: float) -> None:
        """Let both clocks go."""
        self.wall.now_s += time_s
        self.steady.now_s += time_s

    def put(self, *, share: float = 1.0, valid_until_s: float = FOREVER_S) -> None:
        """An answer of the cloud to the question q."""
        self.memory.put("q", VALUE, valid_until_s, share)

    def is_fresh(self, max_age_s: float | None = None) -> bool:
        """Whether q is answered from memory."""
        return self.memory.fresh("q", TTL_S, max_age_s) is not None


@pytest.fixture
def scene() -> Scene:
    """Nothing known yet."""
    return Scene()


def test_a_known_answer_is_fresh_for_its_time(scene: Scene) -> None:
    """And no longer."""
    scene.put()
    scene.wait(299)
    fresh = scene.is_fresh()
    scene.wait(1)
    assert (fresh, scene.is_fresh()) == (True, False)


def test_expiry_comes_earlier_by_chance(scene: Scene) -> None:
    """So that a fleet that started together does not ask in step."""
    scene.put(share=0.9)
    scene.wait(269)
    fresh = scene.is_fresh()
    scene.wait(1)
    assert (fresh, scene.is_fresh()) == (True, False)


@pytest.mark.parametrize(("max_age_s", "fresh"), [(0, False), (9, False), (11, True), (100_000, True)])
def test_a_caller_says_how_old_an_answer_may_be(scene: Scene, max_age_s: float, fresh: bool) -> None:  # noqa: FBT001 - a row of the table
    """Its word counts instead of the configuration's, and without the jitter."""
    scene.put(share=0.1)
    scene.wait(10)
    assert scene.is_fresh(max_age_s) is fresh


def test_zero_asks_the_cloud_at_once(scene: Scene) -> None:
    """Even in the moment of the answer."""
    scene.put()
    assert not scene.is_fresh(0)


def test_a_reading_has_the_time_of_the_cloud_s_answer(scene: Scene) -> None:
    """Not that of its reading."""
    scene.put()
    scene.wait(100)
    reading = scene.memory.fresh("q", TTL_S, None)
    assert reading is not None
    assert (reading.value, reading.as_of_s, reading.stale_reason) == (VALUE, NOON_S, None)


@pytest.mark.parametrize("jump_s", [-400_000.0, 400_000.0])
def test_a_wall_clock_that_is_set_does_not_change_an_age(scene: Scene, jump_s: float) -> None:
    """A robot gets its time some minutes after its start."""
    scene.put()
    scene.wall.now_s += jump_s
    scene.wait(299)
    fresh = scene.is_fresh()
    scene.wait(1)
    assert (fresh, scene.is_fresh()) == (True, False)


@pytest.mark.parametrize("jump_s", [-400_000.0, 400_000.0])
def test_as_of_follows_a_wall_clock_that_is_set(scene: Scene, jump_s: float) -> None:
    """An answer ten seconds old is said to be ten seconds old by the new time."""
    scene.put()
    scene.wall.now_s += jump_s
    scene.wait(10)
    reading = scene.memory.fresh("q", TTL_S, None)
    assert reading is not None
    assert reading.as_of_s == pytest.approx(NOON_S + jump_s)


def test_as_of_stands_still_while_clocks_drift(scene: Scene) -> None:
    """A second of correction by NTP does not make two readings of one answer differ."""
    scene.put()
    scene.wall.now_s += 1.0
    reading = scene.memory.fresh("q", TTL_S, None)
    assert reading is not None
    assert reading.as_of_s == NOON_S


def test_an_answer_of_an_earlier_process_ages_by_the_wall_clock(scene: Scene) -> None:
    """There is no other clock that both processes know."""
    scene.memory.restore({"q": Entry(VALUE, NOON_S - 290)})
    fresh = scene.is_fresh()
    scene.wait(10)
    assert (fresh, scene.is_fresh()) == (True, False)


def test_an_answer_from_the_future_is_not_fresh(scene: Scene) -> None:
    """The clock was set back between two starts: nobody knows how old it is."""
    scene.memory.restore({"q": Entry(VALUE, NOON_S + 3600)})
    assert not scene.is_fresh()
    assert not scene.is_fresh(1_000_000)


def test_an_answer_of_an_earlier_process_does_not_replace_a_newer_one(scene: Scene) -> None:
    """The disk may be read after the first fetch."""
    scene.put()
    scene.memory.restore({"q": Entry({"subtotal": 1.0}, NOON_S - 10)})
    reading = scene.memory.fresh("q", TTL_S, None)
    assert reading is not None
    assert reading.value == VALUE


def test_usage_of_a_month_that_has_ended_is_no_answer(scene: Scene) -> None:
    """However fresh it is."""
    scene.put(valid_until_s=NOON_S + 5)
    before = scene.memory.stale("q", 1000, "x")
    scene.wait(5)
    assert before is not None
    assert scene.memory.stale("q", 1000, "x") is None
    assert not scene.is_fresh(1_000_000)


def test_a_dropped_answer_is_gone(scene: Scene) -> None:
    scene.put()
    scene.memory.drop("q")
    assert not scene.is_fresh()


def test_a_distrusted_question_is_asked_again_for_a_while(scene: Scene) -> None:
    """Also if an answer came meanwhile; afterwards it counts again."""
    scene.memory.drop("q", 60)
    scene.put()
    fresh = scene.is_fresh()
    scene.wait(60)
    assert (fresh, scene.is_fresh()) == (False, True)


def test_memory_has_a_limit() -> None:
    """The oldest answers give way; a caller may ask about any number of ids."""
    memory = Memory(Clock(), Clock())
    for number in range(30_000):
        memory.put(f"q{number}", VALUE)
    kept = [number for number in range(30_000) if memory.fresh(f"q{number}", TTL_S, None) is not None]
    assert kept == list(range(5_000, 30_000))


def test_what_an_earlier_process_left_keeps_to_the_limit_too() -> None:
    memory = Memory(Clock(), Clock())
    for number in range(20_000):
        memory.put(f"new{number}", VALUE)
    memory.restore({f"old{number}": Entry(VALUE, NOON_S) for number in range(20_000)})
    memory.put("newest", VALUE)
    queries = [f"{age}{number}" for age in ("old", "new") for number in range(20_000)]
    kept = [query for query in [*queries, "newest"] if memory.fresh(query, TTL_S, None) is not None]
    assert kept == [*queries, "newest"][-25_000:]
