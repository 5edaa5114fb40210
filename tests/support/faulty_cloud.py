"""For tests in which the cloud misbehaves: services on a sandbox, every read command, outcomes with their time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from grpclib import GRPCError
from grpclib.exceptions import StreamTerminatedError

from support.module_process import ModuleProcess, Service
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

PAYER_LOCATION: Final = "pier7hl001"
"""A location that Fleet Works owns and Harbor Logistics pays for."""

CACHED_READS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "get_current_month_usage": {},
        "get_org_billing_information": {"org_id": HARBOR_ID},
        "get_invoices_summary": {},
        "get_available_billing_tiers": {},
        "get_location_billing_organization": {},
        "get_location_usage": {"location_id": PAYER_LOCATION},
    }
)
"""The read commands whose answers may come from memory, with parameters."""

KNOWN: Final = "get_current_month_usage"
UNKNOWN: Final = "get_invoices_summary"
"""What a test has the service know before the outage, and what not."""

_NUMBERS: Final = itertools.count()


@dataclass(frozen=True)
class Outcome:
    """How a call ended: with an answer, or with the code and the sentence of an error."""

    answer: Mapping[str, Any]
    code: str
    time_s: float
    text: str = ""

    @property
    def word(self) -> str:
        """`fresh`, `stale because of CODE`, or the error's code."""
        if self.code:
            return self.code
        return f"stale because of {self.answer['stale_reason']}" if self.answer.get("stale") else "fresh"


async def outcome(call: Awaitable[dict[str, Any]]) -> Outcome:
    """Wait for a call; an error that is not of the contract's form has its whole text as its code.

    A call that gets none has `no answer` as its code, and why.
    """
    started_s = time.monotonic()
    try:
        answer = await call
    except GRPCError as error:
        code, colon, text = (error.message or "").partition(": ")
        word = code if colon else f"{error.status.name} {error.message}"
        return Outcome({}, word, time.monotonic() - started_s, text)
    except (asyncio.TimeoutError, StreamTerminatedError, OSError) as error:
        return Outcome({}, f"no answer: {type(error).__name__}", time.monotonic() - started_s)
    return Outcome(answer, "", time.monotonic() - started_s)


def attributes(address: str, state_dir: Path, **changes: object) -> dict[str, Any]:
    """A service that sees all of the default scenario and waits half a second for the cloud; None leaves one out."""
    block: dict[str, Any] = {
        "app_address": address,
        "api_key_id": DEFAULT_API_KEY_ID,
        "api_key": DEFAULT_API_KEY,
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "allowed_org_ids": ["*"],
        "allowed_location_ids": ["*"],
        "state_dir": str(state_dir),
        "timeout_s": 0.5,
        **changes,
    }
    return {name: value for name, value in block.items() if value is not None}


@contextlib.asynccontextmanager
async def service(module: ModuleProcess, block: Mapping[str, Any]) -> AsyncIterator[Service]:
    """A service of its own name, removed in the end unless its process is gone."""
    process = module.process
    made = Service(module, f"billing{next(_NUMBERS)}")
    await module.add(block, made.name)
    try:
        yield made
    finally:
        if module.process is process and process.poll() is None:
            await module.remove(made.name)


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> float:
    """Wait until it holds. Returns the seconds that it took.

    Raises:
        TimeoutError: It did not come to hold.
    """
    started_s = time.monotonic()
    while not await condition():
        if time.monotonic() - started_s > within_s:
            raise TimeoutError(f"it did not come to hold within {within_s} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - started_s


async def ask(billing: Service, command: str = KNOWN) -> Outcome:
    """Ask the cloud now."""
    return await outcome(billing.ask(command, max_age_s=0))


async def back(billing: Service, within_s: float = 5.0) -> float:
    """Ask again and again until the cloud is back. Returns the seconds that it took."""

    async def is_fresh() -> bool:
        return (await ask(billing, UNKNOWN)).word == "fresh"

    return await until(is_fresh, within_s)
