"""Runs one journal and one cloud through a list of kills."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

from crash.boundaries import BOUNDARIES, RPC
from crash.judge import Judge
from crash.victims import Kill, Killable, Victim
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_ORG_ID

AMOUNT = 12.5
"""The same for all charges: only that it is new tells a charge's invoice from others of its organization."""
ORGS = (DEFAULT_ORG_ID, *(f"00000000-0000-0000-0000-{number:012x}" for number in range(1, 6)))
CROWD = ((0, 1), (0, 1), (1, 2), (2, 1))
"""Several charges under way: each one's organization, counted from the first, and its number of callers."""

_LATEST_S = 0.03


def plan(count: int, seed: int) -> list[Kill]:
    """So many kills, every boundary in turn, those between the cloud's work and its note three times as often.

    Every other round comes after a delay, so that it falls wherever the module has got to by then.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    weighted = [boundary for boundary in BOUNDARIES for _ in range(3 if boundary.unnoted else 1)]
    rounds = []
    for number in itertools.count():
        chance.shuffle(weighted)
        rounds += [Kill(boundary, chance.uniform(0, _LATEST_S) if number % 2 else 0.0) for boundary in weighted]
        if len(rounds) >= count:
            return rounds[:count]
    raise AssertionError("the rounds have no end")


def attributes(sandbox: SandboxProcess, state_dir: str, per_day: float) -> dict[str, Any]:
    """A service that charges."""
    return {
        "app_address": sandbox.address,
        "api_key_id": DEFAULT_API_KEY_ID,
        "api_key": DEFAULT_API_KEY,
        "org_id": DEFAULT_ORG_ID,
        "state_dir": state_dir,
        "allowed_commands": ["read", "charge", "resolve_charge"],
        "allowed_org_ids": list(ORGS),
        "charge_limits": {"per_charge": 2 * AMOUNT, "per_day": per_day},
    }


async def endure(kills: list[Kill], name: str, *, crowd_every: int = 3) -> Judge:
    """Kill the module at each of them; every `crowd_every`th time with several charges under way."""
    batches = [
        _victims(f"{name}-{number}", number, crowd=not (number + 1) % crowd_every) for number in range(len(kills))
    ]
    all_but_one = AMOUNT * len({victim.key for batch in batches for victim in batch})
    with SandboxProcess("--quiet", "--organizations", str(len(ORGS))) as sandbox:
        async with Killable() as module:
            block = attributes(sandbox, str(module.folder / "state"), all_but_one + AMOUNT)
            judge = Judge(module, sandbox.control)
            module.kill()
            for number, kill in enumerate([*kills, None]):
                module.kill_at = kill  # not before it is armed: each start is the one after the kill before, too
                await module.restart()
                await module.add(block)
                if number:
                    await judge.after(kills[number - 1], batches[number - 1])
                if kill is not None:
                    await _killed(module, sandbox.control, kill, batches[number])
                    sandbox.control.clear_faults()
            await judge.at_the_end(Victim(f"{name}-last", ORGS[0], AMOUNT))
            return judge


def _victims(name: str, number: int, *, crowd: bool) -> list[Victim]:
    """One for each caller; callers of one key share it."""
    found: list[Victim] = []
    for place, (org, callers) in enumerate(CROWD if crowd else CROWD[:1]):
        victim = Victim(f"{name}-{place}", ORGS[(number + org) % len(ORGS)], AMOUNT)
        found += [victim] * callers
    return found


async def _killed(module: Killable, control: SandboxControl, kill: Kill, callers: list[Victim]) -> None:
    fault = kill.boundary.holds
    if fault is None:
        await module.arm()
        calls = [asyncio.create_task(module.charge(victim)) for victim in callers]
        await module.died()
    else:
        count = "finished" if kill.boundary.worked else "calls"
        before = getattr(control.stats(), count).get(RPC, 0)
        control.set_fault(fault)
        calls = [asyncio.create_task(module.charge(victim)) for victim in callers]
        await asyncio.to_thread(control.wait_for, lambda now: getattr(now, count).get(RPC, 0) > before)
        await asyncio.sleep(kill.delay_s)
        module.kill()
    await asyncio.gather(*calls)
