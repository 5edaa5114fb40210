"""The module among callers who never pause and a cloud that is never well for long: nothing is lost, nothing grows.

python tests/soak/soak.py [--seconds 180] [--seed N]

warm-up: trouble --> well --> fresh again, look --> trouble, a long outage --> well --> fresh again, look

The exit code is 1 if an invariant broke; they are listed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(_TESTS)  # in place of this folder, whose names would hide the packages'

from grpclib import GRPCError  # noqa: E402 - see above

from soak.callers import Judge, keep_asking, keep_watching  # noqa: E402 - see above
from soak.questions import ASKERS, learn_invoices  # noqa: E402 - see above
from soak.report import written  # noqa: E402 - see above
from soak.trouble import Trouble  # noqa: E402 - see above
from soak.watched import Snapshot, look  # noqa: E402 - see above
from support.module_process import ModuleProcess  # noqa: E402 - see above
from support.sandbox_process import SandboxProcess  # noqa: E402 - see above

_CALLERS = 30
_WARM_UP_SHARE = 0.3
_OUTAGE_SHARE = 0.2
_LONGEST_OUTAGE_S = 40.0
_BACK_S = 61.0
"""A probe comes 60 s after the last one at most."""
_AT_ONCE = 8
_LOOKS = 8
_MOST_SHOWN = 8
_SETTLING_S = 1.0
_GOODBYE_S = 40.0
"""For up to 30 s asyncio waits for the goodbye of a TLS peer that it closed; one that was silenced says none."""
_IDLE_CPU_SHARE = 0.1
_MORE_MB = 12.0
_MORE_DESCRIPTORS = 3
_MORE_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""asyncio's own pool makes its threads when it first needs so many at once."""


class Soak:
    """One run."""

    def __init__(self, module: ModuleProcess, sandbox: SandboxProcess, seed: int) -> None:
        self._module = module
        self._sandbox = sandbox
        self._seed = seed
        self.judge = Judge()
        self.trouble = Trouble(sandbox, chance_of(seed, "trouble"))
        self.snapshots: list[Snapshot] = []
        self.on_the_way: list[Snapshot] = []
        self.back_after_s: list[float] = []

    async def run(self, seconds: float) -> None:
        """All of it."""
        for asker in ASKERS:
            await self._module.add(asker.attributes(self._sandbox), asker.service)
        await learn_invoices(self._module)
        await self._under_trouble(seconds * _WARM_UP_SHARE, outage_s=0, part="warm-up")
        await self._well()
        outage_s = min(_LONGEST_OUTAGE_S, seconds * _OUTAGE_SHARE)
        await self._under_trouble(seconds * (1 - _WARM_UP_SHARE), outage_s, part="main part")
        await self._well()
        self._compare(*self.snapshots)
        self._read_log()

    async def _under_trouble(self, for_s: float, outage_s: float, part: str) -> None:
        ending = False
        goes_on = lambda: not ending  # noqa: E731 - two conditions that differ in what they look at
        trouble_end_s = time.monotonic() + for_s - outage_s
        users = [
            keep_asking(self._module, self.judge, chance_of(self._seed, part, number), goes_on)
            for number in range(_CALLERS)
        ]
        calls = asyncio.gather(*users, keep_watching(self._module, self.judge, goes_on))
        looking = asyncio.create_task(self._look_now_and_then(for_s / _LOOKS))
        await self.trouble.keep_making(lambda: time.monotonic() < trouble_end_s)
        if outage_s:
            await self.trouble.end()
            await self.trouble.outage(outage_s)
        looking.cancel()
        ending = True
        await calls

    async def _look_now_and_then(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self.on_the_way.append(look(self._module.process.pid))

    async def _well(self) -> None:
        """The faults end: fresh answers come back in time, and what was used is let go of."""
        started_s = time.monotonic()
        await self.trouble.end()
        slots = asyncio.Semaphore(_AT_ONCE)
        questions = [(asker.service, command) for asker in ASKERS for command in asker.all_questions()]
        await asyncio.gather(*(self._fresh_again(*question, started_s, slots) for question in questions))
        self.back_after_s.append(time.monotonic() - started_s)
        await asyncio.sleep(_SETTLING_S)
        before, began_s = look(self._module.process.pid), time.monotonic()
        await asyncio.sleep(_SETTLING_S)
        now = look(self._module.process.pid)
        self.snapshots.append(now)
        busy = (now.cpu_s - before.cpu_s) / (time.monotonic() - began_s)
        if busy > _IDLE_CPU_SHARE:
            self.judge.complain(f"nobody asks, and the module is busy {busy:.0%} of the time")
        stats = await asyncio.to_thread(self._sandbox.control.stats)
        while (stats.in_flight or stats.open_connections > len(ASKERS)) and time.monotonic() < began_s + _GOODBYE_S:
            await asyncio.sleep(0.2)
            stats = await asyncio.to_thread(self._sandbox.control.stats)
        if stats.in_flight or stats.open_connections > len(ASKERS):
            left = f"{stats.in_flight} calls in flight, {stats.open_connections} connections"
            self.judge.complain(f"nobody asks, and the cloud has {left}")

    async def _fresh_again(
        self, service: str, command: dict[str, object], since_s: float, slots: asyncio.Semaphore
    ) -> None:
        seen = "nothing"
        while time.monotonic() < since_s + _BACK_S:
            async with slots:
                try:
                    answer = await self._module.do(command, name=service, timeout_s=10)
                except (GRPCError, asyncio.TimeoutError) as error:
                    seen = str(error)
                else:
                    if answer["stale"] is False:
                        return
                    seen = f"stale: {answer.get('stale_reason')}"
            await asyncio.sleep(0.1)
        self.judge.complain(f"{service} {command}: no fresh answer {_BACK_S:.0f} s after the faults; last {seen}")

    def _compare(self, warm: Snapshot, end: Snapshot) -> None:
        growth = (
            ("MB of memory", end.resident_mb - warm.resident_mb, _MORE_MB),
            ("file descriptors", end.descriptors - warm.descriptors, _MORE_DESCRIPTORS),
            ("threads", end.threads - warm.threads, _MORE_THREADS),
        )
        for what, more, allowed in growth:
            if more > allowed:
                self.judge.complain(f"{more:.0f} more {what} than after the warm-up, allowed are {allowed:.0f}")
                if what == "file descriptors":
                    new = list((Counter(end.files) - Counter(warm.files)).elements())
                    self.judge.complain(f"the new ones, or the first of them: {', '.join(new[:_MOST_SHOWN])}")

    def _read_log(self) -> None:
        if self._module.process.poll() is not None:
            self.judge.complain(f"the module ended with {self._module.process.returncode}")
        for line in self._module.log.splitlines():
            if "ERROR" in line or "Traceback" in line:
                self.judge.complain(f"in the module's log: {line[:300]}")


def chance_of(seed: int, *whose: object) -> random.Random:
    """The same for the same seed, and one for each who draws: how they interleave changes from run to run."""
    return random.Random(f"{seed} {whose}")  # noqa: S311 - no secret


async def _soaked(seconds: float, seed: int) -> int:
    tls = chance_of(seed, "tls").random() < 0.5
    sys.stdout.write(f"soak: {seconds:g} s, seed {seed}, {_CALLERS} callers, {'TLS' if tls else 'plain'}\n")
    sys.stdout.flush()
    with SandboxProcess("--quiet", *(["--tls"] if tls else [])) as sandbox:
        async with ModuleProcess() as module:
            soak = Soak(module, sandbox, seed)
            await soak.run(seconds)
            statuses = {asker.service: await module.status(asker.service) for asker in ASKERS}
            sys.stdout.write(written(soak))
            for name, status in statuses.items():
                counts = ", ".join(f"{key} {value:.0f}" for key, value in status.items() if isinstance(value, float))
                sys.stdout.write(f"  {name}: {counts}\n")
            words = [line for line in module.log.splitlines() if " is away" in line or " is back" in line]
            sys.stdout.write(f"  log: {len(module.log.splitlines())} lines, {len(words)} of them on away and back\n")
    sys.stdout.write("".join(f"BROKEN: {what}\n" for what in soak.judge.broken) or "all invariants hold\n")
    return 1 if soak.judge.broken else 0


def main(arguments: Sequence[str]) -> int:
    """Soaks; answers the exit code."""
    parser = argparse.ArgumentParser(description="Thousands of calls while the cloud is in trouble.")
    parser.add_argument("--seconds", type=float, default=180.0, help="of trouble; starting and settling come on top")
    parser.add_argument("--seed", type=int, help="an earlier run's, to have its trouble again")
    parsed = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1_000_000) if parsed.seed is None else parsed.seed
    return asyncio.run(_soaked(parsed.seconds, seed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
