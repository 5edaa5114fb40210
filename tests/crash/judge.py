"""What must hold after every kill, compared with the cloud's own ledger.

No key is charged twice. What the cloud charged is `succeeded` in the journal, or `unknown`. What is `failed`, or not
there, was not charged. The same key gets the first invoice, or its one charge. Every entry can be ended. Limits hold.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from crash.boundaries import RPC
from crash.victims import Kill, Killable, Victim
from support.module_process import refused
from viam_billing_sandbox.control import SandboxControl

_NOTICED_S = 0.05
"""How long after the last connection ended a request may still be on its way to the cloud."""


class Judge:
    """Follows one journal and its cloud over many kills."""

    def __init__(self, module: Killable, control: SandboxControl) -> None:
        self._module = module
        self._control = control
        self.kills: Counter[str] = Counter()
        self.charges: Counter[str] = Counter()
        self.answers_lost: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.unnoted = 0
        """Kills that left a charge that the cloud had made and the journal did not know of."""
        self.keys: set[str] = set()

    async def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """The cloud's charges by key, when nothing is under way there."""

        def quiet(stats: Any) -> bool:  # noqa: ANN401 - Stats
            return bool(stats.finished.get(RPC, 0) == stats.calls.get(RPC, 0))

        await asyncio.sleep(_NOTICED_S)
        stats = await asyncio.to_thread(self._control.wait_for, quiet)
        charges: dict[str, list[dict[str, Any]]] = {}
        for charge in stats.charges:
            charges.setdefault(charge["description"], []).append(dict(charge))
        twice = {key: found for key, found in charges.items() if len(found) > 1}
        assert not twice, f"charged twice: {twice}"
        return charges

    async def after(self, kill: Kill, callers: list[Victim]) -> None:
        """Check everything after the module was killed and restarted."""
        victims = list({victim.key: victim for victim in callers}.values())
        ledger = await self.ledger()
        name = kill.boundary.name
        self.kills[name] += 1
        for victim in victims:
            charge = ledger.get(victim.key, [None])[0]
            self.keys.add(victim.key)
            self.charges[name] += charge is not None
            self.answers_lost[name] += charge is not None and not victim.answers
            assert charge is not None or not victim.answers, f"{victim} has an answer, the cloud has no charge"
        if len(victims) == 1 and not kill.delay_s and kill.boundary.worked is not None:
            assert (victims[0].key in ledger) == kill.boundary.worked, f"the kill is not where it says: {kill}"
        await self._reconciled(victims, ledger)
        await asyncio.gather(*(self._once_more(victim, ledger.get(victim.key, [None])[0]) for victim in victims))
        for key, found in (await self.ledger()).items():
            assert len(found) == 1, f"{key} was charged {len(found)} times"
        left = (await self._module.ask("list_charges"))["charges"]
        assert {entry["state"] for entry in left} == {"succeeded"}, [e for e in left if e["state"] != "succeeded"]
        assert {entry["idempotency_key"] for entry in left} == self.keys

    async def _reconciled(self, victims: list[Victim], ledger: dict[str, list[dict[str, Any]]]) -> None:
        """What was left is `failed` and uncharged, `succeeded` and charged, or `unknown` and found by its invoice."""
        entries = {e["idempotency_key"]: e for e in (await self._module.ask("list_charges"))["charges"]}
        unknown = {victim.key for victim in victims if entries.get(victim.key, {}).get("state") == "unknown"}
        self.unnoted += bool(unknown & ledger.keys())
        for victim in victims:
            state = entries.get(victim.key, {}).get("state")
            self.states[str(state)] += 1
            assert state in {None, "failed", "succeeded", "unknown"}, f"{victim} is {state} after the restart"
            assert (victim.key in ledger) <= (state in {"succeeded", "unknown"}), f"forgotten: {victim} is {state}"
            assert (state == "succeeded") <= (victim.key in ledger), f"{victim} is {state} and was never charged"
            if state == "unknown":
                assert (await refused(self._module.do(victim.command))).code == "charge_outcome_unknown"
                other = Victim(f"{victim.key}-other", victim.org_id, victim.amount)
                assert (await refused(self._module.do(other.command))).code == "charge_blocked"
        found = await self._module.ask("reconcile_charges")
        settled = {entry["idempotency_key"]: entry["invoice_id"] for entry in found["settled"]}
        assert settled == {key: ledger[key][0]["invoice_id"] for key in unknown & ledger.keys()}
        assert {entry["idempotency_key"] for entry in found["still_unknown"]} == unknown - ledger.keys()
        for key in unknown - ledger.keys():
            await self._module.ask("resolve_charge", idempotency_key=key, outcome="failed", note="not in the ledger")

    async def _once_more(self, victim: Victim, charge: dict[str, Any] | None) -> None:
        """The same key again: the first invoice, or the one charge that it stands for."""
        answer = await self._module.do(victim.command)
        assert answer["state"] == "succeeded"
        if charge is not None:
            assert answer["replayed"] is True, f"{victim} was charged and is charged again"
            assert answer["invoice_id"] == charge["invoice_id"]
        for earlier in victim.answers:
            assert earlier["invoice_id"] == answer["invoice_id"]

    async def at_the_end(self, last: Victim) -> None:
        """What counts towards the day is what the ledger has: the last charge fits exactly, a cent more does not."""
        ledger = await self.ledger()
        assert ledger.keys() == self.keys
        total = sum(charge["amount"] for charges in ledger.values() for charge in charges)
        status = await self._module.status()
        assert status["charged_last_24h"] == round(total, 2)
        assert (status["unknown_charges"], status["journal"]["entries"]) == (0, len(ledger))
        more = Victim(f"{last.key}-and-a-cent", last.org_id, last.amount + 0.01)
        assert (await refused(self._module.do(more.command))).code == "charge_limit_exceeded"
        assert (await self._module.do(last.command))["state"] == "succeeded"
        assert (await self.ledger()).keys() == self.keys | {last.key}
