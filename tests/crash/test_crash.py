"""The crash tests as `make crash` runs them, in short: one kill at each boundary."""

from __future__ import annotations

import pytest

from crash.boundaries import BOUNDARIES
from crash.run import endure
from crash.storm import storm
from crash.victims import Kill
from support.module_process import PACKAGED

pytestmark = pytest.mark.skipif(PACKAGED, reason="the launcher runs the source tree with this Python")


async def test_no_kill_charges_twice_or_forgets() -> None:
    """At every boundary exactly; every tenth time with six callers of four keys and three organizations under way."""
    kills = [Kill(boundary, delay_s=0.0) for boundary in BOUNDARIES]
    judge = await endure(kills, "kill", crowd_every=10)
    assert judge.kills == {boundary.name: 1 for boundary in BOUNDARIES}
    assert len(kills) >= 30
    assert judge.answers_lost["answer: read"] == 1
    assert judge.states["unknown"] >= 10
    assert judge.states["failed"] >= 2


async def test_no_storm_charges_twice_or_forgets() -> None:
    """Five seconds of callers, faults, restarts and decisions at random."""
    ends, broken = await storm(5, seed=1)
    assert broken == []
    assert ends["charged or replayed"] > 10
