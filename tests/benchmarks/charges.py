"""Charges: what the module adds to the cloud's own time, and a crowd of callers who all want to charge."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpclib import GRPCError
from viam.gen.app.v1 import billing_pb2

from benchmarks.figures import Bar, Figure, percentile, shown
from benchmarks.load import Ask, Size, latencies_s
from benchmarks.processes import Asked, attributes
from support.charging import charge
from support.module_process import ModuleProcess
from support.sandbox_caller import Caller, calling
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

_TRANSACTIONS = 5
_PLUS_MS = 5.0
_WARM_UP = 3
_ORGS, _CALLERS = 20, 10
_AMOUNT = 3.25
_CALL_S = 120.0


def _charging(sandbox: SandboxProcess, module: ModuleProcess, orgs: list[str], per_day: float) -> dict[str, object]:
    limits = {"per_charge": 100, "per_day": per_day}
    return attributes(
        sandbox,
        allowed_commands=["charge"],
        allowed_org_ids=orgs,
        charge_limits=limits,
        state_dir=str(module.folder / "state"),
    )


async def on_top(size: Size) -> list[Figure]:
    """A charge through the module, the cloud's two calls by the bare stubs, and a bare synced transaction, in turn."""
    sides: dict[str, list[float]] = {"module": [], "cloud": [], "transaction": []}
    with SandboxProcess("--quiet") as sandbox:
        async with ModuleProcess() as module, calling(sandbox) as bare:
            await module.add(_charging(sandbox, module, [DEFAULT_ORG_ID], 1_000_000))
            cloud_alone = functools.partial(_cloud_alone, bare)
            with _transactions(module.folder) as write:
                for number in range(_WARM_UP + size.rounds * size.few_calls):
                    through_module = Asked(module, "billing", charge(f"k{number}", DEFAULT_ORG_ID, _AMOUNT))
                    asks: dict[str, Ask] = {"module": through_module, "cloud": cloud_alone, "transaction": write}
                    for name, ask in asks.items():
                        (took_s,) = await latencies_s(ask, 1)
                        if number >= _WARM_UP:
                            sides[name].append(took_s * 1e3)
    ours, cloud, transaction = (percentile(times, 0.5) for times in sides.values())
    allowed = _TRANSACTIONS * transaction + _PLUS_MS
    how = (
        f"{shown(ours, 'ms')} less {shown(cloud, 'ms')} of the cloud; "
        f"allowed are {_TRANSACTIONS} synced transactions of {shown(transaction, 'ms')} and {_PLUS_MS:g} ms"
    )
    what = "a charge, p50, on top of the cloud's own time"
    return [Figure("charge_on_top", what, ours - cloud, "ms", Bar(at_most=allowed), how, {"of_unit": "ms", **sides})]


async def _cloud_alone(bare: Caller) -> None:
    invoices = billing_pb2.GetInvoicesSummaryRequest(org_id=DEFAULT_ORG_ID)
    request = billing_pb2.ChargeOrganizationRequest(org_id_to_charge=DEFAULT_ORG_ID, subtotal=_AMOUNT)
    await bare.billing.GetInvoicesSummary(invoices, metadata=bare.metadata)
    await bare.billing.ChargeOrganization(request, metadata=bare.metadata)


@contextlib.contextmanager
def _transactions(folder: Path) -> Iterator[Ask]:
    """One row in one transaction that is on the disk when it is over, on the journal's own disk."""
    with contextlib.closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as db:
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE t (a TEXT)"):
            db.execute(statement)

        async def write() -> None:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO t VALUES (?)", ("a row about as long as what a charge writes" * 5,))
            db.execute("COMMIT")

        yield write


async def crowd(size: Size) -> list[Figure]:
    """Ten callers for each of many keys of 20 organizations at once, where the day has room for some of the keys."""
    keys, fit = size.charged
    with SandboxProcess("--quiet", "--organizations", str(_ORGS)) as sandbox:
        async with ModuleProcess() as module:
            orgs = [DEFAULT_ORG_ID, *(f"00000000-0000-0000-0000-{number:012x}" for number in range(1, _ORGS))]
            await module.add(_charging(sandbox, module, orgs, fit * _AMOUNT))
            commands = [charge(f"k{number}", orgs[number % _ORGS], _AMOUNT) for number in range(keys)]
            started_s = time.perf_counter()
            ends = await asyncio.gather(*(_end(module, command) for command in commands for _ in range(_CALLERS)))
            took_s = time.perf_counter() - started_s
            stats = sandbox.control.stats()
    per_key = Counter(str(each["description"]) for each in stats.charges)
    found = Counter(ends)
    expected = {"first": fit, "replayed": fit * (_CALLERS - 1), "charge_limit_exceeded": (keys - fit) * _CALLERS}
    if found != expected:
        raise RuntimeError(f"the callers got {dict(found)} in place of {expected}")
    what = f"{keys} charges of {_ORGS} organizations at once, {_CALLERS} callers per key"
    how = f"{keys * _CALLERS} calls in {took_s:.1f} s"
    once, full = Bar(at_most=1, at_least=1), Bar(at_most=fit, at_least=fit)
    return [
        Figure("charges_per_key", f"{what}: charges of one key, at most", max(per_key.values()), "", once, how),
        Figure("charges_in_limit", f"the same, room for {fit}: keys charged", len(stats.charges), "", full),
    ]


async def _end(module: ModuleProcess, command: dict[str, Any]) -> str:
    try:
        answer = await module.do(command, timeout_s=_CALL_S)
    except GRPCError as error:
        return (error.message or "").partition(":")[0]
    return "replayed" if answer["replayed"] else "first"
