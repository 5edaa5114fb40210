"""The cloud goes away and comes back: who waits, who is told at once, how soon it is normal again, what is logged."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.faulty_cloud import KNOWN, UNKNOWN, ask, attributes, back, service
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 1.0
LONG_S = 20.0
"""A time for reads beside which a busy machine's `at once` is short."""


@pytest.fixture
def block(cloud: SandboxProcess, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A service's attributes; the sandbox is without faults before and after."""
    cloud.control.clear_faults()
    cloud.control.reset_stats()
    yield attributes(cloud.address, tmp_path / "state", timeout_s=TIMEOUT_S)
    cloud.control.clear_faults()


@pytest_asyncio.fixture(loop_scope="module")
async def billing(module: ModuleProcess, block: dict[str, Any]) -> AsyncIterator[Service]:
    """A service that knows the usage and nothing else."""
    async with service(module, block) as made:
        await made.ask(KNOWN)
        yield made


async def test_while_it_is_away_nobody_waits(
    module: ModuleProcess, block: dict[str, Any], cloud: SandboxProcess
) -> None:
    """The last known answer and the error come at once, without a call each."""
    async with service(module, {**block, "timeout_s": LONG_S}) as billing:
        await billing.ask(KNOWN)
        cloud.control.go_dark()
        await ask(billing)
        found = await asyncio.gather(*(ask(billing, name) for name in [KNOWN, UNKNOWN] * 20))
        assert {one.word for one in found} == {"stale because of cloud_unreachable", "cloud_unreachable"}
        assert max(one.time_s for one in found) < LONG_S / 4
        assert (await billing.status())["connected"] is False


async def probe_in_s(billing: Service) -> int | None:
    """When the cloud is to be tried again, by the words of an error; None if this call was what tried it."""
    refusal = await refused(billing.ask(UNKNOWN, max_age_s=0))
    assert refusal.code == "cloud_unreachable"
    found = re.search(r"tries it again in (\d+) s", refusal.text)
    return int(found[1]) if found else None


async def test_the_first_probe_comes_after_a_second(billing: Service, cloud: SandboxProcess) -> None:
    """At most: an outage that is over by then is over for the robot too, for all questions after the first answer."""
    cloud.control.go_dark()
    await ask(billing)
    assert (await probe_in_s(billing) or 0) <= 1
    cloud.control.clear_faults()
    assert await back(billing) < 5
    assert [(await ask(billing, name)).word for name in (KNOWN, UNKNOWN)] == ["fresh", "fresh"]
    assert (await billing.status())["connected"] is True


async def test_the_second_probe_comes_two_seconds_later(billing: Service, cloud: SandboxProcess) -> None:
    """The pause doubles, and no more than that, however often the first probe tried."""
    cloud.control.go_dark()
    await ask(billing)
    while await probe_in_s(billing) is not None:
        pass
    assert (await probe_in_s(billing) or 0) <= 2  # each try that doubled the pause would make it eight
    cloud.control.clear_faults()
    await back(billing, within_s=10)


async def test_a_dark_cloud_is_asked_rarely(billing: Service, cloud: SandboxProcess) -> None:
    """Of all questions only probes ask it: with 1, 2 and 4 s of pause, three in the first seven seconds."""
    cloud.control.set_fault(Fault("*", never_answer=True))
    await ask(billing)
    cloud.control.reset_stats()
    asked_until_s = time.monotonic() + 2.5
    while time.monotonic() < asked_until_s:
        await asyncio.gather(*(ask(billing) for _ in range(10)))
    assert 1 <= sum(cloud.control.stats().calls.values()) <= 3


async def test_the_log_has_one_line_for_each_turn(
    module: ModuleProcess, billing: Service, cloud: SandboxProcess
) -> None:
    """When it goes away and when it is back, at none of the calls between."""
    before = len(module.log.splitlines())
    cloud.control.go_dark()
    for _ in range(20):
        await ask(billing)
    cloud.control.clear_faults()
    await back(billing)
    lines = [line for line in module.log.splitlines()[before:] if line.strip()]
    assert len(lines) == 2, lines
    assert f"{cloud.address} is away" in lines[0]
    assert f"{cloud.address} is back" in lines[1]


async def test_a_restarted_cloud_is_used_again(billing: Service, cloud: SandboxProcess) -> None:
    """It was killed and knows none of the tokens; the module logs in anew by itself."""
    cloud.kill()
    assert (await ask(billing)).word == "stale because of cloud_unreachable"
    cloud.start()
    await back(billing)


async def test_a_cloud_that_restarts_between_calls_is_not_noticed(billing: Service, cloud: SandboxProcess) -> None:
    """Connection and token are gone; the next read gets a fresh answer all the same."""
    cloud.kill()
    cloud.start()
    assert (await ask(billing)).word == "fresh"


async def test_cut_connections_are_replaced(billing: Service, cloud: SandboxProcess) -> None:
    """In the middle of calls, and without a new login."""
    cloud.control.set_fault(Fault("GetInvoicesSummary", latency_before_s=0.3))
    logins = cloud.control.stats().logins
    calls = [asyncio.create_task(ask(billing, UNKNOWN)) for _ in range(5)]
    await asyncio.to_thread(cloud.control.wait_for, lambda stats: stats.in_flight >= 1)
    cloud.control.cut()
    assert {one.word for one in await asyncio.gather(*calls)} == {"fresh"}
    stats = cloud.control.stats()
    assert (stats.open_connections, stats.logins) == (1, logins)


async def test_a_missing_socket_blocks_nobody(
    module: ModuleProcess, billing: Service, block: dict[str, Any], tmp_path: Path
) -> None:
    """The SDK would look it up as a host's name; here it is an error at once."""
    async with service(module, {**block, "app_address": str(tmp_path / "no.sock"), "timeout_s": LONG_S}) as other:
        found = await ask(other)
    assert (found.code, found.time_s < LONG_S / 4) == ("cloud_unreachable", True)
    assert (await ask(billing)).word == "fresh"
