from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from support.fake_parts import Clock
from viam_billing.cloud.circuit_breaker import Presence
from viam_billing.core.errors import CloudTimeoutError, CloudUnreachableError

ERROR = CloudUnreachableError("no route.")
LATEST = max
"""A jitter that always takes the longest pause."""
EARLIEST = min


def made(clock: Clock, jitter: Callable[[float, float], float] = LATEST) -> Presence:
    """A presence on the test's clock."""
    return Presence("the-cloud", clock, jitter)


def gone(clock: Clock, jitter: Callable[[float, float], float] = LATEST) -> Presence:
    """A presence that has just found the cloud away."""
    presence = made(clock, jitter)
    presence.failed(ERROR)
    return presence


def probed_in_vain(presence: Presence) -> None:
    """One probe that gets no answer."""
    assert presence.enter()
    presence.failed(ERROR)
    presence.leave_probe()


def pause_s(presence: Presence, clock: Clock) -> float:
    """How long it is until the next probe, to a tenth of a second; the clock stands there afterwards."""
    started_s = clock.now_s
    tenths = 0
    while not presence.probe_due:
        tenths += 1
        clock.now_s = started_s + tenths / 10
    return tenths / 10


def test_a_cloud_is_here_until_it_fails() -> None:
    """Nobody probes, nobody is held up."""
    presence = made(Clock())
    assert (presence.away, presence.probe_due, presence.enter()) == (False, False, False)


def test_a_failed_connection_makes_it_away() -> None:
    """Who comes then is told at once, and what to look at."""
    presence = gone(Clock())
    assert presence.away
    with pytest.raises(CloudUnreachableError, match="network"):
        presence.enter()


@pytest.mark.parametrize(("jitter", "expected_s"), [(EARLIEST, 0.7), (LATEST, 1.0)])
def test_the_first_probe_comes_after_one_second_at_most(
    jitter: Callable[[float, float], float], expected_s: float
) -> None:
    """And not at once."""
    clock = Clock(0.0)
    assert pause_s(gone(clock, jitter), clock) == expected_s


def test_pauses_double_up_to_a_minute() -> None:
    """As long as no probe is answered."""
    clock = Clock(0.0)
    presence = gone(clock)
    pauses = []
    for _ in range(8):
        pauses.append(pause_s(presence, clock))
        probed_in_vain(presence)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_one_probe_runs_at_a_time() -> None:
    """Others are told at once while it runs."""
    clock = Clock(0.0)
    presence = gone(clock)
    clock.now_s = 1.0
    assert presence.enter()
    with pytest.raises(CloudUnreachableError):
        presence.enter()


def test_a_probe_whose_caller_leaves_frees_its_place() -> None:
    """It said nothing about the cloud, so the next call may probe without another pause."""
    clock = Clock(0.0)
    presence = gone(clock)
    clock.now_s = 1.0
    presence.enter()
    presence.leave_probe()
    assert presence.enter()


def test_a_probe_that_fails_several_times_counts_once() -> None:
    """One probe may lose several connections while it tries again; the pause still no more than doubles."""
    clock = Clock(0.0)
    presence = gone(clock)
    clock.now_s = 1.0
    presence.enter()
    for _ in range(5):
        presence.failed(ERROR)
    presence.leave_probe()
    assert pause_s(presence, clock) <= 2.0


def test_old_calls_that_end_during_a_probe_do_not_lengthen_the_pause() -> None:
    """They began before the cloud went away and say nothing new; only the probe's own failure counts."""
    clock = Clock(0.0)
    presence = gone(clock)
    clock.now_s = 1.0
    presence.enter()
    for _ in range(5):
        presence.no_answer_since(0.0, ERROR)
    presence.failed(ERROR)
    presence.leave_probe()
    assert pause_s(presence, clock) <= 2.0


def test_old_calls_that_end_while_it_is_away_do_not_put_off_the_probe() -> None:
    """The first probe is due one second after the first failure, not after the last."""
    clock = Clock(0.0)
    presence = gone(clock)
    clock.now_s = 0.9
    presence.failed(ERROR)
    clock.now_s = 1.0
    assert presence.probe_due


def test_an_answer_brings_it_back() -> None:
    """With the first pause again, should it go away anew."""
    clock = Clock(0.0)
    presence = gone(clock)
    for _ in range(3):
        pause_s(presence, clock)
        probed_in_vain(presence)
    presence.answered()
    assert not presence.away
    presence.failed(ERROR)
    assert pause_s(presence, clock) == 1.0


def test_a_silence_while_others_are_answered_means_nothing() -> None:
    """One slow call is not an outage."""
    clock = Clock(10.0)
    presence = made(clock)
    presence.answered()
    presence.no_answer_since(9.0, CloudTimeoutError("slow."))
    assert not presence.away


def test_a_silence_without_any_answer_makes_it_away() -> None:
    """The whole time of a read passed and nobody else had an answer."""
    clock = Clock(10.0)
    presence = made(clock)
    presence.answered()
    presence.no_answer_since(11.0, CloudTimeoutError("silent."))
    assert presence.away


@pytest.mark.parametrize(("answers", "away"), [((0, 0, 0), True), ((0, 0), False), ((0, 0, 1, 0, 0), False)])
def test_connections_that_break_before_any_answer_count_as_failed(answers: tuple[int, ...], away: bool) -> None:  # noqa: FBT001 - a row of the table
    """Three in a row do; a connection that gave an answer ends the row."""
    presence = made(Clock())
    for count in answers:
        presence.connection_broke(ERROR, answers=count)
    assert presence.away is away


def test_there_is_one_line_when_it_goes_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """However many probes fail between, and with the length of the outage."""
    clock = Clock(0.0)
    with caplog.at_level(logging.INFO, "viam_billing.cloud.circuit_breaker"):
        presence = gone(clock)
        for _ in range(3):
            pause_s(presence, clock)
            probed_in_vain(presence)
        presence.answered()
        presence.answered()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"]
    assert "the-cloud is away (cloud_unreachable)" in caplog.records[0].message
    assert "the-cloud is back after 7 s" in caplog.records[1].message
