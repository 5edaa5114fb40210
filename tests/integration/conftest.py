"""A cloud and a module for each file of tests, and services with the attributes that a test asks for."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.answer_schemas import check
from support.charging import CHARGING
from support.module_process import ModuleProcess, Service
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _answers_are_as_help_tells_them() -> Iterator[None]:
    """Every answer of these tests is held to its schema."""
    ModuleProcess.check_answer = staticmethod(check)
    yield
    ModuleProcess.check_answer = None


@pytest.fixture(scope="module")
def cloud() -> Iterator[SandboxProcess]:
    """One sandbox for all tests of a file."""
    with SandboxProcess("--quiet") as running:
        yield running


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    """One plain sandbox for all tests that leave it as they found it."""
    with SandboxProcess() as running:
        yield running


@pytest.fixture
def sandbox(process: SandboxProcess) -> Iterator[SandboxProcess]:
    """The same, without faults and with its counters at zero."""
    process.control.reset_stats()
    yield process
    process.control.clear_faults()


@pytest.fixture
def control(cloud: SandboxProcess) -> Iterator[SandboxControl]:
    """The sandbox's control, its counters at zero and without faults."""
    cloud.control.reset_stats()
    yield cloud.control
    cloud.control.clear_faults()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module() -> AsyncIterator[ModuleProcess]:
    """One module process for all tests of a file."""
    async with ModuleProcess() as running:
        yield running


@pytest.fixture
def attributes(cloud: SandboxProcess, tmp_path: Path) -> dict[str, Any]:
    """A configuration that reads what the default scenario's owner may read."""
    return {
        "app_address": cloud.address,
        "api_key_id": DEFAULT_API_KEY_ID,
        "api_key": DEFAULT_API_KEY,
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "state_dir": str(tmp_path / "state"),
    }


@pytest_asyncio.fixture(loop_scope="module")
async def make(
    module: ModuleProcess,
    attributes: dict[str, Any],
    control: SandboxControl,  # noqa: ARG001 - every service meets a sandbox without faults
) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Makes services whose attributes differ from the usual ones as told; None leaves one out."""
    made: list[Service] = []

    async def make_service(**changes: object) -> Service:
        service = Service(module, f"billing{next(_NUMBERS)}")
        block = {name: value for name, value in {**attributes, **changes}.items() if value is not None}
        await module.validate(block)
        await module.add(block, service.name)
        made.append(service)
        return service

    yield make_service
    for service in made:
        await module.remove(service.name)


@pytest_asyncio.fixture(loop_scope="module")
async def service(make: Callable[..., Awaitable[Service]]) -> Service:
    """A service with the usual attributes, which sees every organization and location."""
    return await make(allowed_org_ids=["*"], allowed_location_ids=["*"])


@pytest.fixture
def charging(attributes: dict[str, Any]) -> dict[str, Any]:
    """A configuration that may charge."""
    return {**attributes, **CHARGING}


@pytest_asyncio.fixture(loop_scope="module")
async def charger(make: Callable[..., Awaitable[Service]], charging: dict[str, Any]) -> Service:
    """A service that may charge, with an empty journal."""
    return await make(**charging)
