from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from support.fake_parts import Clock
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.core.errors import CloudUnreachableError

ERROR = CloudUnreachableError("no route.")
LATEST = max
"""A jitter that always takes the longest pause."""
EARLIEST = min


def made(clock: Clock, jitter: Callable[[float, float], float] = LATEST) -> CircuitBreaker:
    """A breaker on the test's clock."""
    return CircuitBreaker("the-cloud", clock, jitter)


def gone(clock: Clock, jitter: Callable[[float, float], float] = LATEST) -> CircuitBreaker:
    """A breaker that has just found the cloud away."""
    breaker = made(clock, jitter)
    breaker.connection_failed(ERROR)
    return breaker


def probed_in_vain(breaker: CircuitBreaker) -> None:
    """One probe that gets no answer."""
    assert breaker.enter()
    breaker.connection_failed(ERROR)
    breaker.leave_probe()


def pause_s(breaker: CircuitBreaker, clock: Clock) -> float:
    """How long it is until the next probe, to a tenth of a second; the clock stands there afterwards."""
    started_s = clock.now_s
    tenths = 0
    while not breaker.probe_due:
        tenths += 1
        clock.now_s = started_s + tenths / 10
    return tenths / 10


def test_a_cloud_is_here_until_it_fails() -> None:
    """Nobody probes, nobody is held up."""
    breaker = made(Clock())
    assert (breaker.is_open, breaker.probe_due, breaker.enter()) == (False, False, False)


def test_a_failed_connection_makes_it_away() -> None:
    """Who comes then is told at once, and what to look at."""
    breaker = gone(Clock())
    assert breaker.is_open
    with pytest.raises(CloudUnreachableError, match="network"):
        breaker.enter()


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
    breaker = gone(clock)
    pauses = []
    for _ in range(8):
        pauses.append(pause_s(breaker, clock))
        probed_in_vain(breaker)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_one_probe_runs_at_a_time() -> None:
    """Others are told at once while it runs."""
    clock = Clock(0.0)
    breaker = gone(clock)
    clock.now_s = 1.0
    assert breaker.enter()
    with pytest.raises(CloudUnreachableError):
        breaker.enter()


def test_a_probe_whose_caller_leaves_frees_its_place() -> None:
    """It said nothing about the cloud, so the next call may probe without another pause."""
    clock = Clock(0.0)
    breaker = gone(clock)
    clock.now_s = 1.0
    breaker.enter()
    breaker.leave_probe()
    assert breaker.enter()


def test_failures_during_a_probe_count_once() -> None:
    """The probe loses connections while it tries again, and old calls end: the pause still no more than doubles."""
    clock = Clock(0.0)
    breaker = gone(clock)
    clock.now_s = 1.0
    breaker.enter()
    for _ in range(6):
        breaker.connection_failed(ERROR)
    breaker.leave_probe()
    assert pause_s(breaker, clock) <= 2.0


def test_old_calls_that_end_while_it_is_away_do_not_put_off_the_probe() -> None:
    """The first probe is due one second after the first failure, not after the last."""
    clock = Clock(0.0)
    breaker = gone(clock)
    clock.now_s = 0.9
    breaker.connection_failed(ERROR)
    clock.now_s = 1.0
    assert breaker.probe_due


def test_an_answer_brings_it_back() -> None:
    """With the first pause again, should it go away anew."""
    clock = Clock(0.0)
    breaker = gone(clock)
    for _ in range(3):
        pause_s(breaker, clock)
        probed_in_vain(breaker)
    breaker.answered()
    assert not breaker.is_open
    breaker.connection_failed(ERROR)
    assert pause_s(breaker, clock) == 1.0


@pytest.mark.parametrize(("ends", "is_open"), [("lll", True), ("ll", False), ("llall", False)])
def test_three_lost_connections_without_an_answer_count_as_none(ends: str, *, is_open: bool) -> None:
    """`l` is a lost connection, `a` an answer."""
    breaker = made(Clock())
    for end in ends:
        breaker.connection_lost(ERROR) if end == "l" else breaker.answered()
    assert breaker.is_open is is_open


def test_there_is_one_line_when_it_goes_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """However many probes fail between, and with the length of the outage."""
    clock = Clock(0.0)
    with caplog.at_level(logging.INFO, "viam_billing.cloud.circuit_breaker"):
        breaker = gone(clock)
        for _ in range(3):
            pause_s(breaker, clock)
            probed_in_vain(breaker)
        breaker.answered()
        breaker.answered()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"]
    assert "the-cloud is away (cloud_unreachable)" in caplog.records[0].message
    assert "the-cloud is back after 7 s" in caplog.records[1].message
