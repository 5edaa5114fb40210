"""The end of the module, or of a service, while a charge is under way."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from support.charging import RPC, asked, charge, keys, sent, state_of
from support.faulty_cloud import outcome
from support.module_process import ModuleProcess
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import Fault, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAITS_S: Final = 8.0
AGAIN_S: Final = 3.0
"""When viam-server sends the second signal."""
MARGIN_S: Final = 2.0
"""For closing; viam-server kills two seconds after the wait."""


@pytest_asyncio.fixture(loop_scope="module")
async def own(charging: dict[str, Any]) -> AsyncIterator[ModuleProcess]:
    """A module process for this test alone, with a service that charges."""
    async with ModuleProcess() as running:
        await running.add(charging)
        yield running


async def again(module: ModuleProcess, charging: dict[str, Any]) -> None:
    """Start the module anew."""
    await module.restart()
    await module.add(charging)


async def test_sigterm_waits_for_the_answer(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """The caller gets it, and it is on the disk; a charge that waits for its turn is not begun, nor a new one."""
    control.set_fault(Fault(RPC, latency_after_s=3.0))
    first = asyncio.create_task(outcome(own.do(charge("a"))))
    await sent(control)
    waiting = asyncio.create_task(outcome(own.do(charge("b"))))
    await asked(own, 2)
    own.process.send_signal(signal.SIGTERM)
    assert (await waiting).code == "cloud_unreachable"
    new = await outcome(own.do(charge("c", NORTHWIND_ID)))
    assert new.code == "cloud_unreachable"
    found = await first
    assert found.answer["state"] == "succeeded"
    assert await asyncio.to_thread(own.process.wait, 5) == 0
    control.clear_faults()
    await again(own, charging)
    assert await state_of(own, "a") == "succeeded"
    assert [e["idempotency_key"] for e in (await own.ask("list_charges"))["charges"]] == ["a"]
    assert keys(control.stats()) == ["a"]


async def test_a_second_sigterm_changes_nothing(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """viam-server sends one to the whole group after three seconds; the answer after it still counts."""
    control.set_fault(Fault(RPC, latency_after_s=5.0, count=1))
    call = asyncio.create_task(outcome(own.do(charge("a"))))
    await sent(control)
    own.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(AGAIN_S)
    own.process.send_signal(signal.SIGTERM)
    assert (await call).answer["state"] == "succeeded"
    assert await asyncio.to_thread(own.process.wait, 5) == 0
    await again(own, charging)
    assert await state_of(own, "a") == "succeeded"


async def test_a_silent_cloud_is_waited_for_eight_seconds(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """Then the module ends all the same, its caller is told that nobody knows, and so does the next start."""
    control.set_fault(Fault(RPC, never_answer=True, when="after", count=1))
    call = asyncio.create_task(outcome(own.do(charge("a"))))
    await sent(control)
    time_s = await asyncio.to_thread(own.terminate, WAITS_S + MARGIN_S)
    assert WAITS_S - 0.5 < time_s < WAITS_S + MARGIN_S
    assert (await call).code in {"charge_outcome_unknown", "no answer: StreamTerminatedError"}
    await again(own, charging)
    assert await state_of(own, "a") == "unknown"
    assert (await own.status())["unknown_charges"] == 1
    assert [e["idempotency_key"] for e in (await own.ask("reconcile_charges"))["settled"]] == ["a"]
    assert keys(control.stats()) == ["a"]


async def test_sigterm_without_a_charge_waits_for_nothing(own: ModuleProcess, control: SandboxControl) -> None:
    """Also after charges, and with one that is unknown."""
    await own.do(charge("a"))
    control.set_fault(Fault(RPC, status="INTERNAL", count=1))
    await outcome(own.do(charge("b")))
    assert await asyncio.to_thread(own.terminate, WAITS_S) < WAITS_S / 2


async def test_a_service_that_is_removed_ends_its_charge(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """viam-server changes a configuration by removing and adding: the new service has the outcome."""
    control.set_fault(Fault(RPC, latency_after_s=3.0, count=1))
    call = asyncio.create_task(outcome(own.do(charge("a"))))
    await sent(control)
    waiting = asyncio.create_task(outcome(own.do(charge("b"))))
    await asked(own, 2)
    await own.remove()
    assert control.stats().in_flight == 1
    assert (await waiting).code == "cloud_unreachable"
    await own.add(charging)
    answer = await own.do(charge("a"))
    assert (answer["state"], answer["replayed"]) == ("succeeded", True)
    await call
    assert (await own.do(charge("b")))["state"] == "succeeded"
    assert keys(control.stats()) == ["a", "b"]


async def test_a_service_that_is_removed_for_good_ends_its_charge(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """Nobody is left to ask, and the outcome is written; then the folder is free for another process."""
    async with ModuleProcess() as other:
        await other.add(charging)
        control.set_fault(Fault(RPC, latency_after_s=3.0, count=1))
        call = asyncio.create_task(outcome(own.do(charge("a"))))
        await sent(control)
        await own.remove()
        assert (await outcome(other.do(charge("x", NORTHWIND_ID)))).code == "state_unavailable"
        await call
        deadline_s = time.monotonic() + 5
        while (found := await outcome(other.do(charge("x", NORTHWIND_ID)))).code == "state_unavailable":
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)
        assert found.answer["state"] == "succeeded"
        assert (await other.do(charge("a")))["replayed"] is True
    assert keys(control.stats()) == ["a", "x"]


async def test_services_that_come_and_go_leave_the_folder_free(
    own: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """However fast: the lock is not kept by one that is gone."""
    for _ in range(10):
        await own.remove()
        await own.add(charging)
    assert (await own.do(charge("a", HARBOR_ID)))["state"] == "succeeded"
    await own.remove()
    async with ModuleProcess() as other:
        await other.add(charging)
        assert (await other.do(charge("a", HARBOR_ID)))["replayed"] is True
    assert keys(control.stats()) == ["a"]
