"""Trouble for a cloud, at random: faults of calls, of connections, of tokens, and its sudden death."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import get_args

import grpc
from msgspec.structs import replace

from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import Pdf, When

_RPCS = (
    "*",
    "*",
    "*",
    "Authenticate",
    "GetCurrentMonthUsage",
    "GetOrgBillingInformation",
    "GetInvoicesSummary",
    "GetInvoicePdf",
    "GetAvailableBillingTiers",
    "GetLocationBillingOrganization",
    "ListLocations",
    "GetLocation",
)
_STATUSES = tuple(code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK)
_SIDES: tuple[When, ...] = ("before", "after")
_BROKEN_PDFS: tuple[Pdf, ...] = get_args(Pdf)[1:]
_LONGEST_EPISODE_S = 3.0
_LONGEST_REST_S = 1.0
_LONGEST_DEATH_S = 1.0
_LARGEST_PDF_BYTES = 3_000_000


class Trouble:
    """Makes trouble in episodes: one to three kinds at once, for a while; then the cloud is well for a moment."""

    def __init__(self, sandbox: SandboxProcess, chance: random.Random) -> None:
        self._sandbox = sandbox
        self._chance = chance
        self._kinds: dict[str, Callable[[SandboxControl], None]] = {
            "latency": self._latency,
            "a status": self._status,
            "no answer": self._no_answer,
            "connection dropped at a call": self._dropped,
            "a broken PDF": self._broken_pdf,
            "a large PDF": self._large_pdf,
            "tokens of seconds": lambda control: control.token_lifetime(seconds=chance.uniform(0.1, 2)),
            "tokens of a few calls": lambda control: control.token_lifetime(calls=chance.randint(1, 6)),
            "tokens expired": SandboxControl.expire_tokens,
            "connections refused": lambda control: control.connections("refuse"),
            "connections silent": self._silent,
            "connections cut": SandboxControl.cut,
            "outage": SandboxControl.go_dark,
            "death and restart": self._death,
        }
        self._next: list[str] = []
        self.made: Counter[str] = Counter()

    async def keep_making(self, goes_on: Callable[[], bool]) -> None:
        """Until told to stop; what is set then is still set."""
        while goes_on():
            for _ in range(self._chance.choice((1, 1, 2, 3))):
                await self._make(self._drawn())
            await _pause(self._chance.uniform(0.1, _LONGEST_EPISODE_S), goes_on)
            if goes_on():
                await self.end()
                await _pause(self._chance.uniform(0, _LONGEST_REST_S), goes_on)

    async def outage(self, for_s: float) -> None:
        """A long one, in which the module's pauses between its probes grow."""
        await self._make("outage")
        await asyncio.sleep(for_s)

    async def end(self) -> None:
        """The cloud is well."""
        await asyncio.to_thread(self._sandbox.control.clear_faults)

    def _drawn(self) -> str:
        """Each kind once before any comes again, so that also a short run sees most of them."""
        if not self._next:
            self._next = self._chance.sample(list(self._kinds), len(self._kinds))
        return self._next.pop()

    async def _make(self, kind: str) -> None:
        self.made[kind] += 1
        # The control is that of the sandbox's present life. Its client blocks, so it works in a thread.
        await asyncio.to_thread(self._kinds[kind], self._sandbox.control)

    def _set(self, control: SandboxControl, fault: Fault) -> None:
        """For some calls or until the end of the episode."""
        count = self._chance.choice((None, None, self._chance.randint(1, 20)))
        control.set_fault(replace(fault, count=count, skip=self._chance.choice((0, 0, self._chance.randint(1, 5)))))

    def _latency(self, control: SandboxControl) -> None:
        before_s, after_s = (self._chance.choice((0.0, 0.05, 0.4, 2.0)) for _ in _SIDES)
        self._set(control, Fault(self._rpc(), latency_before_s=before_s, latency_after_s=after_s))

    def _status(self, control: SandboxControl) -> None:
        status = self._chance.choice(_STATUSES)
        self.made[f"a status: {status}"] += 1
        self._set(control, Fault(self._rpc(), status=status, message="trouble", when=self._side()))

    def _no_answer(self, control: SandboxControl) -> None:
        self._set(control, Fault(self._rpc(), never_answer=True, when=self._side()))

    def _dropped(self, control: SandboxControl) -> None:
        self._set(control, Fault(self._rpc(), drop_connection=True, when=self._side()))

    def _broken_pdf(self, control: SandboxControl) -> None:
        self._set(control, Fault("GetInvoicePdf", pdf=self._chance.choice(_BROKEN_PDFS)))

    def _large_pdf(self, control: SandboxControl) -> None:
        size_bytes = self._chance.randint(1, _LARGEST_PDF_BYTES)
        self._set(control, Fault("GetInvoicePdf", pdf_size_bytes=size_bytes))

    def _silent(self, control: SandboxControl) -> None:
        control.connections("silent")
        if self._chance.random() < 0.8:
            control.cut()

    def _death(self, control: SandboxControl) -> None:  # noqa: ARG002 - the signature of all kinds
        self._sandbox.kill()
        # Here, in the thread: nothing else may ask the control of a sandbox that is dead.
        time.sleep(self._chance.uniform(0, _LONGEST_DEATH_S))
        self._sandbox.start()

    def _rpc(self) -> str:
        return self._chance.choice(_RPCS)

    def _side(self) -> When:
        return self._chance.choice(_SIDES)


async def _pause(for_s: float, goes_on: Callable[[], bool]) -> None:
    end_s = asyncio.get_running_loop().time() + for_s
    while goes_on() and asyncio.get_running_loop().time() < end_s:  # noqa: ASYNC110 - what goes on is no event
        await asyncio.sleep(0.05)
