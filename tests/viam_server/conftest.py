"""A viam-server for each file of tests, with the module once as this folder and once as the archive."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.module_process import CHECKOUT
from support.sandbox_process import SandboxProcess
from support.viam_server import ViamServer, billing
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

NAMED = os.environ.get("VIAM_SERVER", "")
ARCHIVE = CHECKOUT / "dist" / "archive.tar.gz"


@pytest.fixture(scope="session")
def binary() -> Path:
    """The viam-server to run."""
    found = shutil.which(NAMED or "viam-server")
    if found:
        return Path(found).resolve()
    assert not NAMED, f"VIAM_SERVER is {NAMED}, which cannot be executed"
    pytest.skip("no viam-server: name one in VIAM_SERVER, see docs/development.md")


@pytest.fixture(scope="session", params=["folder", "archive"])
def executable(request: pytest.FixtureRequest, binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - nothing is unpacked where nothing is run
    """What the machine's configuration names: run.sh of this checkout, or the entrypoint of the archive."""
    if request.param == "folder":
        return CHECKOUT / "run.sh"
    if not ARCHIVE.is_file():
        pytest.skip("no archive: `make build` makes one")
    folder = tmp_path_factory.mktemp("a machine's packages")
    with tarfile.open(ARCHIVE) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # the first releases of 3.10 lack it
        tar.extractall(folder)  # noqa: S202 - this project's own
    return folder / str(json.loads((folder / "meta.json").read_text())["entrypoint"])


@pytest.fixture(scope="module")
def cloud(binary: Path) -> Iterator[SandboxProcess]:  # noqa: ARG001 - no cloud where no machine is
    """One sandbox for all tests of a file."""
    with SandboxProcess("--quiet") as running:
        yield running


@pytest.fixture
def control(cloud: SandboxProcess) -> Iterator[SandboxControl]:
    """The sandbox's control, its counters at zero and without faults."""
    cloud.control.reset_stats()
    yield cloud.control
    cloud.control.clear_faults()


@pytest.fixture(scope="module")
def attributes(cloud: SandboxProcess) -> dict[str, Any]:
    """A configuration that may read everything; `state_dir` is the one that viam-server gives."""
    return {
        "app_address": cloud.address,
        "api_key_id": DEFAULT_API_KEY_ID,
        "api_key": DEFAULT_API_KEY,
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "budget": {"monthly": 5000},
    }


@pytest.fixture(scope="module")
def server(binary: Path, executable: Path, attributes: dict[str, Any]) -> Iterator[ViamServer]:
    """One machine for all tests of a file that only ask."""
    with ViamServer(binary, executable, services=[billing(attributes)]) as running:
        yield running


@pytest.fixture
def start(binary: Path, executable: Path) -> Iterator[Callable[..., ViamServer]]:
    """Starts machines for one test, each with the parts of a configuration that it is given."""
    started: list[ViamServer] = []

    def start_one(**parts: object) -> ViamServer:
        started.append(ViamServer(binary, executable, **parts))
        return started[-1]

    yield start_one
    for server in started:
        server.__exit__()
