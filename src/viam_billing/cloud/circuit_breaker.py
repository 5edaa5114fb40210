"""Whether the cloud counts as here or away; no I/O, its clock is an argument.

            a connection fails, or a call's whole time passes without an answer
    HERE ---------------------------------------------------------------------> AWAY
      ^                                                                          |  after 1 s at most, then twice
      |                     an answer                                            v  that up to 60 s: one probe
      +------------------------------------------------------------------------ PROBING --- no answer --> AWAY

While the cloud is away nobody waits for it but the one call that probes; the others are told at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from viam import logging

from viam_billing.core.errors import BillingError, CloudUnreachableError

LOGGER: Final = logging.getLogger(__name__)

FIRST_PROBE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
_EMPTY_CONNECTIONS: Final = 3
"""Connections in a row that break before they gave one answer count as a failed connection."""


class Presence:
    """The state of one cloud address, as all its callers see it."""

    def __init__(
        self,
        address: str,
        now_s: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._address = address
        self._now_s = now_s
        self._jitter = jitter
        self._pause_s = FIRST_PROBE_S
        self._away_since_s: float | None = None
        self._next_probe_s = 0.0
        self._probing = False
        self._probe_failed = False
        self._why = ""
        self._empty_connections = 0
        self.last_answer_s = -1.0
        self.when_back: list[Callable[[], None]] = []
        """Called when the cloud answers again after it was away."""

    @property
    def away(self) -> bool:
        """Whether the cloud counts as away."""
        return self._away_since_s is not None

    @property
    def probe_due(self) -> bool:
        """Whether the next call may try the cloud although it counts as away."""
        return self.away and not self._probing and self._now_s() >= self._next_probe_s

    def enter(self) -> bool:
        """Ask to make a call. Returns whether it is the probe, which has to end with `leave_probe`.

        Raises:
            CloudUnreachableError: while the cloud is away and it is not this call's turn to probe.
        """
        if not self.away:
            return False
        if not self.probe_due:
            raise self.unreachable()
        self._probing = True
        self._probe_failed = False
        return True

    def leave_probe(self) -> None:
        """The probe is over, however it ended. Without an answer, as when its caller left, the next call may probe."""
        self._probing = False

    def unreachable(self) -> CloudUnreachableError:
        """What a caller is told while the cloud is away."""
        wait_s = max(0.0, self._next_probe_s - self._now_s())
        return CloudUnreachableError(
            f"the cloud is away ({self._why}). "
            f"The module tries it again in {wait_s:.0f} s: check the machine's network."
        )

    def answered(self) -> None:
        """The cloud gave an answer of its own."""
        self.last_answer_s = self._now_s()
        self._empty_connections = 0
        if self._away_since_s is not None:
            LOGGER.info("%s is back after %.0f s", self._address, self.last_answer_s - self._away_since_s)
            self._away_since_s = None
            self._pause_s = FIRST_PROBE_S
            for call in self.when_back:
                call()

    def connection_broke(self, error: BillingError, *, answers: int) -> None:
        """A connection was lost after so many answers."""
        self._empty_connections = 0 if answers else self._empty_connections + 1
        if self._empty_connections >= _EMPTY_CONNECTIONS:
            self.failed(error)

    def no_answer_since(self, started_s: float, error: BillingError) -> None:
        """A call's whole time, from `started_s` on, passed without an answer to it; others may have had one."""
        if self.last_answer_s < started_s:
            self.failed(error)

    def failed(self, error: BillingError) -> None:
        """The cloud did not answer."""
        now_s = self._now_s()
        if self._away_since_s is None:
            self._away_since_s = now_s
            self._why = error.code
            LOGGER.warning("%s is away (%s)", self._address, error.code)
        elif not self._probing or self._probe_failed:
            return  # a call that began before the cloud went away, or a probe's next try, says nothing new
        else:
            self._probe_failed = True
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        self._next_probe_s = now_s + self._jitter(0.7, 1.0) * self._pause_s
