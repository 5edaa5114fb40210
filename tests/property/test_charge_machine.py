"""Charges, with everything that can happen to them, in any order.

A longer run: `CHARGE_MACHINE_EXAMPLES=5000 python -m pytest tests/property/test_charge_machine.py`, with
other random steps each time; what it finds is printed as steps that can be repeated.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from grpclib.const import Status
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.charge_world import Sent, World
from support.fake_charges import ORGS, Scene, Sending, away
from support.fake_parts import SILENCE
from viam_billing.charging import reconciliation
from viam_billing.core.errors import BillingError, KeyLacksPermissionError
from viam_billing.core.times import DAY_S

KEYS = {"k1": "a", "k2": "a", "k3": "b", "k4": "b", "k5": "c"}
CENTS = (1000, 2500)
REFUSALS = (
    Status.UNAUTHENTICATED,
    Status.PERMISSION_DENIED,
    Status.INVALID_ARGUMENT,
    Status.NOT_FOUND,
    Status.OUT_OF_RANGE,
    Status.UNIMPLEMENTED,
)
SAYS_NOTHING = [each for each in Status if each not in (*REFUSALS, Status.OK, Status.FAILED_PRECONDITION)]
PICK = st.integers(0, 10**6)
STEPS = st.none() | st.integers(1, 30)
"""How long the event loop runs after a rule: until everything waits, or so many steps."""


class ChargeMachine(RuleBasedStateMachine):
    """Each rule is something that callers, the cloud, the machine or a person do."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.keys = 0

    def _alive(self) -> bool:
        return self.world.scene is not None

    def _under_way(self) -> list[Sent]:
        return [sent for sent in self.world.sent if sent.fate == "under way"]

    def _unknown(self) -> list[str]:
        return [key for key, entry in self.world.entries().items() if entry.state == "unknown"]

    # --- callers ---

    @precondition(_alive)
    @rule(
        key=st.sampled_from(sorted(KEYS)),
        cents=st.sampled_from(CENTS),
        service=st.integers(0, 1),
        callers=st.integers(1, 3),
        steps=STEPS,
    )
    def charge(self, key: str, cents: int, service: int, callers: int, steps: int | None) -> None:
        """One or several callers charge with a key, sometimes with another amount than before."""
        for _ in range(callers):
            self.world.charge(key, KEYS[key], cents, service)
        self.world.go(steps)

    @precondition(_alive)
    @rule(key=st.sampled_from(sorted(KEYS)), service=st.integers(0, 1))
    def charge_again(self, key: str, service: int) -> None:
        """A charge goes as far as it can."""
        self.world.charge(key, KEYS[key], CENTS[0], service)
        self.world.go()

    @precondition(_alive)
    @rule(org_id=st.sampled_from(ORGS), cents=st.sampled_from(CENTS), service=st.integers(0, 1), steps=STEPS)
    def charge_new(self, org_id: str, cents: int, service: int, steps: int | None) -> None:
        """A charge with an unused key."""
        self.keys += 1
        self.world.charge(f"new-{self.keys}", org_id, cents, service)
        self.world.go(steps)

    @precondition(_alive)
    @rule(
        key=st.sampled_from(sorted(KEYS)),
        service=st.integers(0, 1),
        steps=st.integers(1, 50),
        what=st.sampled_from(["crash", "before", "after", "leave"]),
    )
    def charge_interrupted(self, key: str, service: int, steps: int, what: str) -> None:
        """During a charge the module is killed, the disk fills up, or the caller hangs up."""
        self.world.charge(key, KEYS[key], CENTS[0], service)
        self.world.go(steps)
        if what == "crash":
            self.world.crash()
        elif what == "leave":
            self.world.calls[-1].task.cancel()
        else:
            self.set_disk(what)
        self.world.go()

    @precondition(lambda self: self.world.calls)
    @rule(pick=PICK, steps=STEPS)
    def leave(self, pick: int, steps: int | None) -> None:
        """A caller hangs up."""
        self.world.calls[pick % len(self.world.calls)].task.cancel()
        self.world.go(steps)

    @rule(steps=STEPS)
    def go_on(self, steps: int | None) -> None:
        """Everything goes on."""
        self.world.go(steps)

    # --- the cloud ---

    @precondition(lambda self: bool(self._under_way()))
    @rule(pick=PICK, how=st.sampled_from(["work", "work", "work unseen"]))
    def work(self, pick: int, how: str) -> None:
        """The cloud charges; its answer is still on the way, and its list may be behind."""
        sent = self._picked(pick)
        if sent.sending.invoice is None:
            sent.sending.work(visible=how == "work")

    @precondition(lambda self: bool(self._under_way()))
    @rule(pick=PICK, worked=st.booleans(), steps=STEPS)
    def answer(self, pick: int, worked: bool, steps: int | None) -> None:  # noqa: FBT001 - hypothesis calls it by name
        """The cloud answers: that it charged, or that it refuses to."""
        sent = self._picked(pick)
        if worked or sent.sending.invoice is not None:
            sent.sending.succeed()
            sent.fate = "answered"
        else:
            sent.sending.refuse(REFUSALS[pick % len(REFUSALS)])
            sent.fate = "refused"
        self.world.go(steps)

    @precondition(lambda self: bool(self._under_way()))
    @rule(pick=PICK, steps=STEPS)
    def decline(self, pick: int, steps: int | None) -> None:
        """The card is declined, with an invoice left behind if the cloud has made one, which it may not show."""
        sent = self._picked(pick)
        sent.sending.refuse(Status.FAILED_PRECONDITION)
        left = sent.sending.invoice is not None and sent.sending.invoice.visible
        sent.fate = "declined" if left else "nothing left behind"
        self.world.go(steps)

    @precondition(lambda self: bool(self._under_way()))
    @rule(pick=PICK, how=st.sampled_from(["connection", "silence", "status"]), steps=STEPS)
    def lose(self, pick: int, how: str, steps: int | None) -> None:
        """The answer is lost, before or after the cloud has charged."""
        sent = self._picked(pick)
        if how == "status":
            sent.sending.refuse(SAYS_NOTHING[pick % len(SAYS_NOTHING)])
        elif how == "silence":
            sent.sending.fail(SILENCE)
        else:
            sent.sending.lose()
        sent.fate = "lost"
        self.world.go(steps)

    @rule(pick=PICK, what=st.sampled_from(["late work", "shown", "other robot"]))
    def ledger(self, pick: int, what: str) -> None:
        """What was lost is charged long after; the list catches up; another robot charges the same."""
        lost = [sent for sent in self.world.sent if sent.fate in ("lost", "never answered", "a person says failed")]
        if what == "late work" and lost:
            late = lost[pick % len(lost)].sending
            late.invoice = late.invoice or late.work()
        elif what == "other robot":
            self.world.cloud.add_invoice(ORGS[pick % 3], CENTS[pick % 2])
        else:
            self._show_all()

    @rule(how=st.sampled_from(["well", "unreadable", "forbidden", "away"]))
    def weather(self, how: str) -> None:
        """The list of invoices cannot be read, the login for a charge fails, or all is well again."""
        errors = {"unreadable": away(), "forbidden": KeyLacksPermissionError("the API key may not do this.")}
        self.world.cloud.reading_fails = errors.get(how)
        self.world.cloud.before_mark = away() if how == "away" else None

    # --- the machine ---

    @precondition(_alive)
    @rule(trouble=st.sampled_from(["", "", "before", "after"]))
    def set_disk(self, trouble: str) -> None:
        """The disk is full or not; or it reports that it is after it has written."""
        assert self.world.scene is not None
        self.world.scene.store.trouble = trouble

    @rule()
    def crash_or_start(self) -> None:
        """The module is killed, or comes back."""
        if self.world.scene is None:
            self.world.start()
        else:
            self.world.crash()

    @rule(seconds=st.sampled_from([61.0, 3600.0, 13 * 3600.0, DAY_S, 3 * DAY_S]), steps=STEPS)
    def pass_time(self, seconds: float, steps: int | None) -> None:
        """Time passes, and the reconciler looks."""
        self.world.pass_time(seconds)
        self._wake(steps)

    @rule(by_s=st.sampled_from([-400 * DAY_S, -2 * DAY_S, -3600.0, 0.0, 0.0, 3600.0, 400 * DAY_S]), steps=STEPS)
    def set_clock(self, by_s: float, steps: int | None) -> None:
        """The clock is set, wrong or right."""
        self.world.set_clock(self.world.time.now_s + by_s)
        self._wake(steps)

    # --- settling ---

    @precondition(lambda self: self.world.scene is not None and self._unknown())
    @rule(pick=PICK, how=st.sampled_from(["reconcile", "failed", "failed", "succeeded"]))
    def settle(self, pick: int, how: str) -> None:
        """An unknown charge is settled by command, or by a person who sees only what the cloud shows."""
        unknown = self._unknown()
        if how == "reconcile":
            self.world.command(self._reconcile)
        else:
            self._resolve(unknown[pick % len(unknown)], how)

    async def _reconcile(self, scene: Scene) -> reconciliation.Found:
        return await scene.reconciler.reconcile(self.world.services[0])

    def _resolve(self, key: str, outcome: Any) -> None:  # noqa: ANN401 - one of two words
        org_id = self.world.entries()[key].org_id
        last = next((each for each in reversed(self.world.sent) if each.key == key), None)  # it may not have left
        invoice = last.sending.invoice if last is not None else None
        if outcome == "failed" and invoice is not None and invoice.visible and self.world.cloud.reading_fails:
            return  # a person who calls failed what has an invoice, while the module cannot read it, is beyond help

        async def resolve(scene: Scene) -> None:
            await scene.recovery.prepare()
            try:
                invoices = await self.world.services[0].invoices(org_id)
            except BillingError:
                invoices = []
            seen = await scene.entry(key)
            await scene.journal.run(
                "resolve", lambda rows: reconciliation.resolve(rows, seen, outcome, "looked", None, invoices)
            )

        self.world.command(resolve)
        if last is not None and outcome == "failed" and self.world.entries()[key].state == "failed":
            last.fate = "a person says failed"

    def _show_all(self) -> None:
        for invoice in self.world.cloud.ledger:
            invoice.visible = True

    def _wake(self, steps: int | None) -> None:
        if self.world.scene is not None:
            self.world.scene.reconciler.wake()
        self.world.go(steps)

    def _picked(self, pick: int) -> Sent:
        under_way = self._under_way()
        return under_way[pick % len(under_way)]

    # --- what holds ---

    @invariant()
    def holds(self) -> None:
        """What holds at any moment."""
        self.world.check()
        self.world.check_answers()

    def teardown(self) -> None:
        """Every state that is left can be ended by a command."""
        try:
            self._end_all()
        finally:
            self.world.close()

    def _end_all(self) -> None:
        world = self.world
        for sent in self._under_way():
            sent.sending.lose()
            sent.fate = "lost"
        world.cloud.reading_fails = world.cloud.before_mark = None
        if world.scene is None:
            world.start()
        assert world.scene is not None
        world.scene.store.trouble = ""
        world.set_clock(world.time.now_s)
        world.cloud.automatic = self._answer_at_once
        world.go()
        self._show_all()
        world.command(self._reconcile)
        for key, entry in world.entries().items():
            assert entry.state in ("unknown", "succeeded", "failed"), f"nothing ends {key}, which is {entry.state}"
            if entry.state == "unknown":
                self._resolve(key, "failed")
        for key in self._unknown():
            self._resolve(key, "succeeded")
        assert not self._unknown()
        world.pass_time(2 * DAY_S)  # a clock that was an hour ahead has dated by an hour too late
        for org_id in ORGS:
            world.charge(f"last-{org_id}", org_id, 1000, 1)
            world.go()
            assert world.calls[-1].task.result()[0].state == "succeeded"
        self.holds()

    def _answer_at_once(self, sending: Sending) -> None:
        sending.succeed()
        self.world.sent[-1].fate = "answered"


EXAMPLES = int(os.environ.get("CHARGE_MACHINE_EXAMPLES", "0"))
TestChargeMachine = pytest.mark.timeout(7200 if EXAMPLES else 600)(ChargeMachine.TestCase)  # to shrink takes minutes
TestChargeMachine.settings = settings(
    max_examples=EXAMPLES or 150,
    stateful_step_count=60 if EXAMPLES else 40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
