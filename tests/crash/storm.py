"""Many callers of many keys while everything fails at random; then the journal is compared with the cloud's ledger.

Callers leave early and come back, the cloud refuses, loses answers and connections, logins expire, the service is
removed and added, the module is stopped and killed, unknown charges are reconciled and, where the ledger does not have
them, resolved as failed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.charging import CHARGING, INVOICES, RPC, charge, keys
from support.faulty_cloud import Outcome, outcome
from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_ORG_ID

if TYPE_CHECKING:
    from viam_billing_sandbox.faults import When

ORGS = (DEFAULT_ORG_ID, *(f"00000000-0000-0000-0000-{number:012x}" for number in range(1, 40)))
FITS = 200
"""Charges of a dollar that fit into the day."""

_CALLERS = 8
_CALLS_PER_KEY = 6
_REFUSALS = ("UNAUTHENTICATED", "NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT")
"""Answers that a cloud gives only if it has not charged."""
_OTHERS = ("UNAVAILABLE", "INTERNAL", "FAILED_PRECONDITION", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
_LATENCY_S = 0.3
_WORKED_S = 2.5
"""How long after a request the cloud has certainly finished with it."""


class Storm:
    """One module, one cloud, and all that happens to them."""

    def __init__(self, module: ModuleProcess, sandbox: SandboxProcess, seed: int, end_s: float) -> None:
        self._module = module
        self._control: SandboxControl = sandbox.control
        self._seed = seed
        self._end_s = end_s
        self._asked = 0
        self._decisions: set[asyncio.Task[None]] = set()
        self.ends: Counter[str] = Counter()
        self.answers: dict[str, set[str]] = {}
        self._block: dict[str, Any] = {
            **CHARGING,
            "allowed_org_ids": list(ORGS),
            "charge_limits": {"per_charge": 10, "per_day": FITS},
            "app_address": sandbox.address,
            "api_key_id": DEFAULT_API_KEY_ID,
            "api_key": DEFAULT_API_KEY,
            "org_id": DEFAULT_ORG_ID,
            "state_dir": str(module.folder / "state"),
            "timeout_s": 1,
        }

    def _goes_on(self) -> bool:
        return time.monotonic() < self._end_s

    def _chance(self, whose: str) -> random.Random:
        return random.Random(f"{self._seed} {whose}")  # noqa: S311 - no secret

    async def rage(self) -> None:
        """All at once; in the end the module is killed and started again."""
        await self._module.add(self._block)
        callers = (self._call(self._chance(f"caller {number}")) for number in range(_CALLERS))
        await asyncio.gather(*callers, self._trouble(self._chance("trouble")), self._operate(self._chance("operator")))
        await asyncio.gather(*self._decisions)
        self._control.clear_faults()
        await self._again()

    async def _again(self) -> None:
        self._module.kill()
        await self._module.restart()
        await self._module.add(self._block)

    async def _call(self, chance: random.Random) -> None:
        while self._goes_on():
            number = self._asked // _CALLS_PER_KEY + chance.randrange(4)
            self._asked += 1
            key = f"k{number}"
            asking = self._told(charge(key, ORGS[number % len(ORGS)], 1.0), chance.choice((0.05, 0.3, 1, 5)))
            task = asyncio.create_task(asking)
            leaves_after_s = chance.uniform(0, 0.1) if chance.random() < 0.15 else None
            done, _ = await asyncio.wait({task}, timeout=leaves_after_s)
            if not done:
                task.cancel()
                await asyncio.wait({task})
                self.ends["left"] += 1
            else:
                found = task.result()
                self.ends[found.code or "charged or replayed"] += 1
                if not found.code:
                    self.answers.setdefault(key, set()).add(found.answer["invoice_id"])
            await asyncio.sleep(chance.uniform(0, 0.05))

    async def _told(self, command: dict[str, Any], timeout_s: float = 5.0) -> Outcome:
        """Ask; while the module is being started again there is nobody to ask."""
        try:
            return await outcome(self._module.do(command, timeout_s=timeout_s))
        except AssertionError:
            await asyncio.sleep(0.05)
            return Outcome({}, "no module", 0.0)

    async def _trouble(self, chance: random.Random) -> None:
        while self._goes_on():
            await asyncio.sleep(chance.uniform(0, 0.15))
            rpc = chance.choice((RPC, RPC, INVOICES))
            when: When = "before" if chance.random() < 0.5 else "after"
            latency_s = (chance.uniform(0, _LATENCY_S), chance.uniform(0, _LATENCY_S))
            faults = {
                "refusal": Fault(rpc, status=chance.choice(_REFUSALS), count=1),
                "lost": Fault(rpc, status=chance.choice(_OTHERS), when=when, count=1),
                "dropped": Fault(rpc, drop_connection=True, when=when, count=1),
                "slow": Fault(rpc, latency_before_s=latency_s[0], latency_after_s=latency_s[1], count=2),
            }
            what = chance.choice((*faults, "lost", "slow", "cut", "expire", "dark", "clear", "clear"))
            if what in faults:
                await asyncio.to_thread(self._control.set_fault, faults[what])
            elif what == "dark":
                await asyncio.to_thread(self._control.go_dark)
                await asyncio.sleep(_LATENCY_S)
                await asyncio.to_thread(self._control.clear_faults)
            else:
                does = {"cut": self._control.cut, "expire": self._control.expire_tokens}
                await asyncio.to_thread(does.get(what, self._control.clear_faults))

    async def _operate(self, chance: random.Random) -> None:
        while self._goes_on():
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            what = chance.choice(("reconcile", "reconcile", "reconcile", "remove", "stop", "kill"))
            self.ends[f"operator: {what}"] += 1
            if what == "reconcile":
                found = await self._told({"command": "reconcile_charges"})
                for entry in found.answer.get("still_unknown", ()):
                    task = asyncio.create_task(self._decide(entry))
                    self._decisions.add(task)
            elif what == "remove":
                await self._module.remove()
                await self._module.add(self._block)
            else:
                if what == "stop":
                    await asyncio.to_thread(self._module.terminate, 12)
                await self._again()

    async def _decide(self, entry: dict[str, Any]) -> None:
        """What is still the same unknown attempt when the cloud must have worked, and is not in its ledger, failed."""
        await asyncio.sleep(_WORKED_S)
        key = entry["idempotency_key"]
        now = (await self._told({"command": "get_charge", "idempotency_key": key})).answer
        if any(now.get(name) != entry[name] for name in ("state", "attempts", "sent_at")):
            return
        if key not in keys(await asyncio.to_thread(self._control.stats)):
            decision = {"idempotency_key": key, "outcome": "failed", "note": "not in the ledger"}
            await self._told({"command": "resolve_charge", **decision})

    async def broken(self) -> list[str]:
        """What is not true after the storm."""
        stats = await asyncio.to_thread(self._control.stats)
        ledger = Counter(keys(stats))
        invoices = {str(each["description"]): str(each["invoice_id"]) for each in stats.charges}
        entries = (await self._module.ask("list_charges"))["charges"]
        states = {entry["idempotency_key"]: entry["state"] for entry in entries}
        settled = {entry["idempotency_key"] for entry in (await self._module.ask("reconcile_charges"))["settled"]}
        unknown = {key for key, state in states.items() if state == "unknown"}
        return [
            *(f"{key} was charged {count} times" for key, count in ledger.items() if count > 1),
            *(f"{key} was charged and is {states.get(key)}" for key in ledger if states.get(key) not in _KNOWN),
            *(
                f"{key} is succeeded and was not charged"
                for key in states.keys() - ledger.keys()
                if states[key] == "succeeded"
            ),
            *(f"{key} was not found by its invoice" for key in (unknown & ledger.keys()) ^ settled),
            *(
                f"{key} was answered with {found}"
                for key, found in self.answers.items()
                if found != {invoices.get(key)}
            ),
            *([f"{sum(ledger.values())} charges, {FITS} fit"] if sum(ledger.values()) > FITS else []),
            *([line for line in self._module.log.splitlines() if "defect" in line or "Traceback" in line]),
        ]


_KNOWN = {"succeeded", "unknown"}


async def storm(seconds: float, seed: int) -> tuple[Counter[str], list[str]]:
    """How calls ended, and what broke."""
    with SandboxProcess("--quiet", "--organizations", str(len(ORGS))) as sandbox:
        async with ModuleProcess() as module:
            raging = Storm(module, sandbox, seed, time.monotonic() + seconds)
            await raging.rage()
            return raging.ends, await raging.broken()
