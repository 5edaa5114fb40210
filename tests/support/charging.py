"""What tests that charge share: attributes, charges by key, the cloud's ledger, and a journal to change by hand."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from support.faulty_cloud import until
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import SandboxControl, Stats
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

RPC: Final = "ChargeOrganization"
INVOICES: Final = "GetInvoicesSummary"
ALDER_ID: Final = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"
ORGS: Final = (HARBOR_ID, NORTHWIND_ID, ALDER_ID, DEFAULT_ORG_ID)

CHARGING: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "allowed_commands": ["read", "charge", "resolve_charge"],
        "allowed_org_ids": list(ORGS),
        "charge_limits": {"per_charge": 500, "per_day": 1000},
        "timeout_s": 2,
    }
)
"""Attributes of a service that may charge all of the default scenario."""


class Asked(Protocol):
    """A service, or a process with one."""

    async def do(self, command: Mapping[str, Any], *, timeout_s: float = 30) -> dict[str, Any]:
        """DoCommand."""

    async def ask(self, command: str, /, **parameters: object) -> dict[str, Any]:
        """DoCommand in the flat spelling."""


def charge(key: str, org_id: str = HARBOR_ID, subtotal: float = 12.5, **more: object) -> dict[str, Any]:
    """A charge whose key stands in its description, so that the ledger tells it."""
    return {
        "command": "charge_organization",
        "org_id_to_charge": org_id,
        "subtotal": subtotal,
        "description": key,
        "idempotency_key": key,
        **more,
    }


def keys(stats: Stats) -> list[str]:
    """The keys that the cloud has charged, in its order."""
    return [str(each["description"]) for each in stats.charges]


async def sent(control: SandboxControl, count: int = 1, rpc: str = RPC) -> Stats:
    """Wait until the cloud has so many of these calls."""
    return await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(rpc, 0) >= count)


async def state_of(service: Asked, key: str) -> str:
    """The state of a key's charge."""
    state: str = (await service.ask("get_charge", idempotency_key=key))["state"]
    return state


async def asked(service: Asked, count: int) -> None:
    """Wait until the audit log has so many attempts: the last one has reached the module."""

    async def has_them() -> bool:
        return len((await service.ask("get_audit_log"))["entries"]) >= count

    await until(has_them, within_s=10)


def change_journal(state_dir: str, statement: str, *values: object) -> None:
    """Change a journal that no module has open."""
    with contextlib.closing(sqlite3.connect(Path(state_dir) / "journal.db")) as db:
        db.execute(statement, values)
        db.commit()


def read_journal(state_dir: str, question: str) -> tuple[Any, ...]:
    """The first row that a journal answers, which no module has open."""
    with contextlib.closing(sqlite3.connect(Path(state_dir) / "journal.db")) as db:
        row: tuple[Any, ...] = db.execute(question).fetchone()
        return row
