"""A cloud that accepts connections and stays silent, TCP or TLS: who waits, and what it takes to hear it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.faulty_cloud import KNOWN, UNKNOWN, ask, attributes, outcome, service, until
from support.module_process import ModuleProcess, Service
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY
from support.sandbox_process import SandboxProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 2.0


@pytest.fixture(scope="module", params=["tcp", "tls"])
def cloud(request: pytest.FixtureRequest) -> Iterator[SandboxProcess]:
    """One sandbox for all tests of the file, once plain and once behind TLS."""
    with SandboxProcess("--quiet", *(["--tls"] if request.param == "tls" else [])) as running:
        yield running


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


def is_silent(cloud: SandboxProcess) -> None:
    """New connections never hear a word, with TLS not even a handshake; open ones are gone."""
    cloud.control.connections("silent")
    cloud.control.cut()


async def test_a_silent_cloud_makes_the_first_caller_wait_only(billing: Service, cloud: SandboxProcess) -> None:
    """After its whole time the cloud counts as away."""
    is_silent(cloud)
    first = await ask(billing)
    second, third = await ask(billing), await ask(billing, UNKNOWN)
    assert (first.word, second.word, third.code) == (
        "stale because of cloud_timeout",
        "stale because of cloud_unreachable",
        "cloud_unreachable",
    )
    assert 2 * max(second.time_s, third.time_s) < first.time_s < 2 * TIMEOUT_S


async def test_a_cloud_silent_from_the_start_makes_the_first_caller_wait_only(
    module: ModuleProcess, block: dict[str, Any], cloud: SandboxProcess
) -> None:
    """There the login is what gets no answer."""
    is_silent(cloud)
    async with service(module, block) as billing:
        found = [await ask(billing) for _ in range(2)]
    assert found[0].code == "cloud_timeout"
    # On a busy machine the second caller may still meet the end of the first one's question.
    assert found[1].code in {"cloud_unreachable", "cloud_timeout"}
    assert 2 * found[1].time_s < found[0].time_s


@pytest.mark.parametrize("logged_in", [True, False], ids=["logged in", "not logged in"])
async def test_after_a_silence_a_new_connection_is_made(
    module: ModuleProcess, block: dict[str, Any], cloud: SandboxProcess, *, logged_in: bool
) -> None:
    """The silent one never speaks again: neither a call nor a login may wait on it when the cloud is back."""
    async with service(module, block) as billing:
        if logged_in:
            await ask(billing)
        is_silent(cloud)
        await ask(billing)
        cloud.control.connections("normal")
        words = []

        async def is_fresh() -> bool:
            words.append((await ask(billing, UNKNOWN)).word)
            return words[-1] == "fresh"

        await until(is_fresh)
    assert set(words) == {"cloud_unreachable", "fresh"}  # a probe without an answer would be a cloud_timeout


async def test_others_are_served_while_tls_is_silent(
    module: ModuleProcess, billing: Service, block: dict[str, Any], cloud: SandboxProcess
) -> None:
    """The event loop is never blocked: cached reads are answered all the while that another service waits."""
    cloud.control.connections("silent")
    other = {**block, "api_key_id": HARBOR_KEY[0], "api_key": HARBOR_KEY[1], "org_id": HARBOR_ID}
    async with service(module, other) as waiting:
        stuck = asyncio.create_task(ask(waiting))
        times = []
        while not stuck.done():
            times.append((await outcome(billing.ask(KNOWN))).time_s)
        waited = await stuck
    assert waited.code == "cloud_timeout"
    assert len(times) > 50
    assert 5 * max(times) < waited.time_s
