"""What the charge machine runs: a module that dies and restarts, a clock beside the true time, and the rules.

Nothing here waits for a thread or for real time: the database runs inside the event loop, which goes on step by step.
A charge can therefore be caught between any two of its steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from msgspec import Struct
from typing_extensions import override

from support.fake_charges import APP, FOR_EVER, ORGS, ChargeCloud, Scene, Sending, request
from support.fake_parts import Clock
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.charge import UNSETTLED, ChargeRequest, Entry
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.charging.journal_rows import Rows
from viam_billing.charging.refusals import Limits
from viam_billing.core.errors import BillingError
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S
from viam_billing.storage.disk import Disk, DiskThread

T = TypeVar("T")

LIMITS: Final = (60.0, 40.0)
"""`per_day` of the two services, in dollars."""

MAY_FOLLOW: Final = ("refused", "nothing left behind", "a person says failed", "never left")
"""The fates of a sending after which its key may be sent again."""


class InlineThread(DiskThread):
    """Runs at once what it is given, so that the loop alone says what happens when."""

    @override
    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - as a thread does
            future.set_exception(error)
        return future


class InlineDisk(Disk):
    """A disk without threads."""

    @override
    def thread(self, path: str) -> DiskThread:
        return InlineThread(path)


class Sent(Struct, eq=False):
    """A charge that was sent, and what really became of it."""

    key: str
    sending: Sending
    at_s: float
    """When it was sent; under a clock that was set back, the newest time in the journal before it."""
    fate: str = "under way"

    def __repr__(self) -> str:
        """As failures show it."""
        return f"<{self.key} {self.fate}, {'charged' if self.sending.invoice else 'not charged'}>"


class Call(Struct, eq=False):
    """A caller that waits for a charge."""

    task: asyncio.Task[tuple[Entry, bool]]
    wanted: ChargeRequest


class CheckedJournal(Journal):
    """A journal that checks each reservation against the day's limit in true time."""

    def __init__(self, world: World, *parts: Any) -> None:  # noqa: ANN401 - the journal's own
        super().__init__(*parts)
        self.world = world

    @override
    async def reserve(
        self, request: ChargeRequest, limits: Limits, known_invoices: Iterable[str] | None
    ) -> tuple[Entry, bool]:
        charged = self.world.truly_charged()
        entry, own = await super().reserve(request, limits, known_invoices)
        self.world.note_attempt()
        if own and charged is not None:
            self.world.must(
                charged + request.total <= limits.per_day,
                f"the day's limit of {limits.per_day} was passed by {request.key} of {request.total}, after {charged}",
            )
        return entry, own


class CheckedScene(Scene):
    """A process whose journal is checked, and whose disk works inside the event loop."""

    def __init__(self, world: World, folder: str) -> None:
        self._world = world
        super().__init__(folder, world.clock, world.cloud, disk=InlineDisk())

    @override
    def make_journal(self, identity: Identity) -> Journal:
        return CheckedJournal(self._world, self.store, APP, self.clock, identity)


class World:
    """Everything that a charge depends on, and what must hold."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._lost_error)
        in_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - where syncing costs no time
        self._folder = tempfile.TemporaryDirectory(prefix="viam-billing-", dir=in_memory)
        self.time = Clock()
        self.clock = Clock()
        self.sent: list[Sent] = []
        self.calls: list[Call] = []
        self.broken: list[str] = []
        """What did not hold, noted where the module would swallow an exception."""
        self.lies = 0
        self.known_s = 0.0
        """The time of the newest attempt that a right clock dated."""
        self.clock_told_nothing = False
        """Whether the clock was set back before anything saw an entry dated to the future: no rule covers that."""
        self._reader: sqlite3.Connection | None = None
        self.scene: Scene | None = None
        self.services: list[ServiceAccess] = []
        self.cloud = self.do(self._make_cloud())
        self.start()

    async def _make_cloud(self) -> ChargeCloud:
        cloud = ChargeCloud(self.time)
        cloud.on_sending = self._note_sending
        return cloud

    # --- the process ---

    def start(self) -> None:
        """The module starts."""

        async def start() -> Scene:
            scene = CheckedScene(self, self._folder.name)
            self.services = [scene.access(per_day) for per_day in LIMITS]
            for service in self.services:
                scene.reconciler.join(service)
            return scene

        self.scene = self.do(start())
        if self._reader is None:
            self.go()
            self._reader = sqlite3.connect(f"{self._folder.name}/journal.db", isolation_level=None)

    def crash(self) -> None:
        """The module is killed and loses what is in memory."""
        if self.scene is None:
            return
        self.scene.store.trouble = "before"  # a dead process writes nothing, whatever its tasks do while they end
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.go()
        self.scene.close()
        self.check_answers()
        self.scene, self.calls = None, []
        for sent in self.sent:
            if sent.fate == "under way":
                sent.fate = "never answered"

    def close(self) -> None:
        """Close everything."""
        self.crash()
        if self._reader is not None:
            self._reader.close()
        self.loop.close()
        self._folder.cleanup()

    # --- steps ---

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something to its end, while everything else goes on."""
        return self.loop.run_until_complete(work)

    def go(self, steps: int | None = None) -> None:
        """Run the event loop for some steps, by default until everything waits."""
        ready: Any = self.loop._ready  # type: ignore[attr-defined] # noqa: SLF001 - what the loop has to do is nowhere else to be seen
        taken = 0
        while ready and (steps is None or taken < steps):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
            taken += 1
            assert taken < 5000, "it never comes to rest"

    def _lost_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.broken.append(f"{context.get('message')}: {context.get('exception')!r}")

    def must(self, holds: bool, what: str) -> None:  # noqa: FBT001 - as `assert` has it
        """Note what does not hold."""
        if not holds:
            self.broken.append(what)

    # --- what callers do ---

    def charge(self, key: str, org_id: str, cents: int, service: int) -> None:
        """A caller charges."""
        assert self.scene is not None
        wanted = request(key, org_id, cents)
        work = self.scene.charging.charge(wanted, self.services[service], FOR_EVER)
        self.calls.append(Call(self.loop.create_task(work), wanted))

    def check_answers(self) -> None:
        """Every answer is about the caller's own charge, and no error is a defect."""
        waiting = []
        for call in self.calls:
            if not call.task.done():
                waiting.append(call)
                continue
            if call.task.cancelled():
                continue
            error = call.task.exception()
            if error is None:
                entry, _ = call.task.result()
                assert (entry.key, entry.state, entry.total) == (call.wanted.key, "succeeded", call.wanted.total)
            else:
                assert isinstance(error, BillingError), f"{error!r} reached a caller"
                assert error.code != "internal_error"
        self.calls = waiting

    def command(self, work: Callable[[Scene], Coroutine[Any, Any, T]]) -> T | None:
        """A command that may be refused."""
        if self.scene is None:
            return None
        with contextlib.suppress(BillingError):
            return self.do(work(self.scene))
        return None

    # --- what is true ---

    def note_attempt(self) -> None:
        """Note that the journal has an entry of now."""
        if self.clock.now_s == self.time.now_s:
            self.known_s = self.time.now_s

    def entries(self) -> dict[str, Entry]:
        """The entries on the disk, by key."""
        if self._reader is None:
            return {}
        states = ("reserved", "sent", "succeeded", "failed", "unknown")
        return {entry.key: entry for entry in Rows(self._reader, APP, self.clock.now_s).in_states(states)}

    def _note_sending(self, sending: Sending) -> None:
        key = sending.description
        sending.known = len([each for each in self.cloud.ledger if each.org_id == sending.org_id and each.visible])
        earlier = [sent for sent in self.sent if sent.key == key]
        self.must(all(sent.fate in MAY_FOLLOW for sent in earlier), f"{key} is sent again: {earlier}")
        entry = self.entries()[key]
        self.must(entry.state == "sent", "it is sent before that is on the disk")
        self.must(entry.late_invoice is None, "it is sent although its invoice has turned up")
        others = [sent for sent in self.sent if sent.fate == "under way" and sent.sending.org_id == sending.org_id]
        self.must(not others, "two charges of one organization are under way")
        at_s = self.time.now_s if self.clock.now_s >= self.time.now_s else self.known_s
        self.sent.append(Sent(key, sending, at_s))

    def truly_charged(self) -> Cents | None:
        """What counts towards the day in true time; None where the clock is wrong in a way that cannot be detected.

        A clock that is ahead makes the past of what was charged just now. One that is set back makes every entry a new
        one, once: from the second lie on it has to be right again.
        """
        ahead_s = self.clock.now_s - self.time.now_s
        if ahead_s > 0 or (ahead_s < 0 and self.lies > 1) or self.clock_told_nothing:
            return None
        last_s = {sent.key: sent.at_s for sent in self.sent}
        return Cents(
            sum(
                entry.total
                for entry in self.entries().values()
                if entry.state in UNSETTLED
                or (entry.state == "succeeded" and last_s.get(entry.key, 0.0) > self.time.now_s - DAY_S)
            )
        )

    def check(self) -> None:
        """Check what holds at any moment, also after a crash."""
        entries = self.entries()
        for org_id in ORGS:
            unsettled = [each.key for each in entries.values() if each.org_id == org_id and each.state in UNSETTLED]
            assert len(unsettled) <= 1, f"{unsettled} of one organization are not settled"
        for sent in self.sent:
            if sent.sending.invoice is not None and sent.fate not in MAY_FOLLOW:
                state = entries[sent.key].state
                assert state in ("succeeded", "sent", "unknown"), f"{sent.key} was charged and is {state}"
        assert not self.broken, self.broken

    def set_clock(self, now_s: float) -> None:
        """Set the clock."""
        if now_s < self.time.now_s and any((each.sent_at or 0) > self.time.now_s for each in self.entries().values()):
            self.clock_told_nothing = True
        self.clock.now_s = now_s
        self.lies += now_s != self.time.now_s

    def pass_time(self, seconds: float) -> None:
        """Let time pass, for the clock too."""
        self.time.now_s += seconds
        self.clock.now_s += seconds
