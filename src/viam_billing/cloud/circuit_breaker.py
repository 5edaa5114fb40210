"""The circuit breaker around one cloud address; no I/O, its clock is an argument.

              no connection, or a call's whole time without an answer
    CLOSED -----------------------------------------------------------> OPEN
      ^                                                                  |  after 1 s at most, then twice as long
      |                  an answer                                       v  each time, up to 60 s: one probe
      +------------------------------------------------------------- HALF-OPEN --- no answer --> OPEN

While it is open, nobody waits for the cloud but the one call that probes; the others are told at once.
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
_LOST_IN_A_ROW: Final = 3
"""So many lost connections without an answer in between count as no connection."""


class CircuitBreaker:
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
        self._open_since_s = 0.0
        self._next_probe_s = 0.0
        self._probing = False
        self._probe_failed = False
        self._why = ""
        self._lost = 0
        self.is_open = False
        """Whether the cloud counts as away."""
        self.in_doubt = False
        """Whether it does, or a connection was lost since the last answer."""
        self.when_closed: list[Callable[[], None]] = []
        """Called when the cloud answers again."""

    @property
    def probe_due(self) -> bool:
        """Whether the next call may try the cloud although the circuit is open."""
        return self.is_open and not self._probing and self._now_s() >= self._next_probe_s

    def enter(self) -> bool:
        """Ask to make a call. Returns whether it is the probe, which has to end with `leave_probe`.

        Raises: CloudUnreachableError: while the circuit is open and no probe is due.
        """
        if not self.is_open:
            return False
        if not self.probe_due:
            raise self.unreachable()
        self._probing = True
        self._probe_failed = False
        return True

    def leave_probe(self) -> None:
        """The probe is over. If it learned nothing, as when its caller left, the next call may probe."""
        self._probing = False

    def unreachable(self) -> CloudUnreachableError:
        """What a caller gets while the circuit is open."""
        wait_s = max(0.0, self._next_probe_s - self._now_s())
        return CloudUnreachableError(
            f"the cloud is away ({self._why}). "
            f"The module tries it again in {wait_s:.0f} s: check the machine's network."
        )

    def answered(self) -> None:
        """The cloud gave an answer of its own."""
        self._lost = 0
        was_open, self.is_open, self.in_doubt = self.is_open, False, False
        if was_open:
            LOGGER.info("%s is back after %.0f s", self._address, self._now_s() - self._open_since_s)
            self._pause_s = FIRST_PROBE_S
            for call in self.when_closed:
                call()

    def connection_lost(self, error: BillingError) -> None:
        """A connection was lost while a call was under way."""
        self._lost += 1
        self.in_doubt = True
        if self._lost >= _LOST_IN_A_ROW:
            self.connection_failed(error)

    def connection_failed(self, error: BillingError) -> None:
        """The cloud was not reached."""
        now_s = self._now_s()
        if not self.is_open:
            self.is_open = self.in_doubt = True
            self._open_since_s = now_s
            self._why = error.code
            LOGGER.warning("%s is away (%s)", self._address, error.code)
        elif not self._probing or self._probe_failed:
            return  # a call that began before the circuit opened, or the probe's next try, says nothing new
        else:
            self._probe_failed = True
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        self._next_probe_s = now_s + self._jitter(0.7, 1.0) * self._pause_s
