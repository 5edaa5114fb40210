"""SIGTERM while calls are in flight: the module ends within two seconds and leaves nothing behind."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from support.faulty_cloud import Outcome, attributes, outcome
from support.module_process import ModuleProcess
from support.sandbox_caller import NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

END_S: Final = 2.0
HANGING_LOOKUP: Final = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (node != NULL && strstr(node, "hangs.example") != NULL)
        sleep(60);
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, found);
}
"""


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, tmp_path: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service's attributes; its reads have more time than the module has to end."""
    return attributes(cloud.address, tmp_path / "state", timeout_s=20, allowed_commands=["read", "change"])


@pytest_asyncio.fixture(loop_scope="module")
async def own() -> AsyncIterator[ModuleProcess]:
    """A module process for this test alone."""
    async with ModuleProcess() as running:
        yield running


def left_behind(module: ModuleProcess) -> list[str]:
    """The command lines of processes that name the module's socket."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)  # noqa: S607 - wherever it is
    return [line for line in listing.stdout.splitlines() if str(module.socket) in line]


async def ended(module: ModuleProcess, *calls: asyncio.Task[Outcome]) -> float:
    """Stop the module as viam-server does. Returns the seconds it took; all its callers are told by then."""
    time_s = await asyncio.to_thread(module.terminate, 10)
    await asyncio.wait_for(asyncio.gather(*calls), 5)
    return time_s


async def test_reads_a_download_and_a_change_hold_nothing_up(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """The cloud answers none of them; no process, no half of a file is left."""
    await own.add(block)
    invoice = (await own.ask("get_invoices_summary"))["invoices"][0]["id"]
    names = {"location_id": DEFAULT_LOCATION_ID, "billing_organization_id": NORTHWIND_ID}
    for rpc in ("GetCurrentMonthUsage", "GetInvoicePdf", "UpdateLocationBillingOrganization"):
        control.set_fault(Fault(rpc, never_answer=True))
    calls = [
        *(own.ask("get_current_month_usage", max_age_s=0) for _ in range(5)),
        own.ask("get_invoice_pdf", invoice_id=invoice, save_as="invoice.pdf"),
        own.ask("update_location_billing_organization", **names),
    ]
    tasks = [asyncio.create_task(outcome(call)) for call in calls]
    await asyncio.to_thread(control.wait_for, lambda stats: stats.in_flight >= 3)
    assert await ended(own, *tasks) < END_S
    assert own.process.returncode == 0
    assert left_behind(own) == []
    state_dir = Path(block["state_dir"])
    assert [path for name in ("invoices", "incoming") for path in (state_dir / name).iterdir()] == []


async def test_it_ends_while_a_cached_read_is_repeated(own: ModuleProcess, block: dict[str, Any]) -> None:
    """Callers that never pause do not keep it alive."""
    await own.add(block)
    going = True

    async def ask_for_ever() -> Outcome:
        while going:
            found = await outcome(own.ask("get_current_month_usage"))
            if found.code:
                return found
        return found

    tasks = [asyncio.create_task(ask_for_ever()) for _ in range(4)]
    await asyncio.sleep(0)
    await own.ask("get_current_month_usage")
    time_s = await ended(own, *tasks)
    going = False
    assert time_s < END_S
    assert left_behind(own) == []


async def test_what_was_answered_is_on_disk(own: ModuleProcess, block: dict[str, Any], control: SandboxControl) -> None:
    """The last answer before the end is known after the next start, without a network."""
    await own.add(block)
    await own.ask("get_current_month_usage")
    assert await ended(own) < END_S
    control.go_dark()
    await own.restart()
    await own.add(block)
    assert (await own.ask("get_current_month_usage", max_age_s=0))["stale"] is True


@pytest.mark.parametrize("arguments", [(), ("--tls",)], ids=["tcp", "tls"])
async def test_a_silent_cloud_holds_nothing_up(
    own: ModuleProcess, block: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    """It has accepted the connection and says no word, so that the login, or its handshake, hangs."""
    with SandboxProcess("--quiet", *arguments) as silent:
        silent.control.connections("silent")
        await own.add({**block, "app_address": silent.address})
        tasks = [asyncio.create_task(outcome(own.ask("get_current_month_usage"))) for _ in range(3)]
        await asyncio.to_thread(silent.control.wait_for, lambda stats: stats.open_connections >= 1)
        assert await ended(own, *tasks) < END_S
        await asyncio.to_thread(silent.control.wait_for, lambda stats: stats.open_connections == 0)
    assert left_behind(own) == []


@pytest.fixture(scope="module")
def hanging_lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment in which the look-up of some hosts takes a minute, as with a name server that is not there."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and a linker that preloads")
    folder = tmp_path_factory.mktemp("lookup")
    source, library = folder / "lookup.c", folder / "lookup.so"
    source.write_text(HANGING_LOOKUP)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)  # noqa: S603 - see above
    yield {"LD_PRELOAD": str(library)}
    library.unlink()


async def test_a_look_up_that_hangs_holds_nothing_up(block: dict[str, Any], hanging_lookup: dict[str, str]) -> None:
    """Not other services, not the caller beyond its time, not the end; although many threads are stuck in it."""
    async with ModuleProcess(environment=hanging_lookup) as module:
        await module.add(block)
        await module.ask("get_current_month_usage")
        stuck = []
        for number in range(8):
            address = f"https://n{number}.hangs.example"
            await module.add({**block, "app_address": address, "timeout_s": 1 if number == 7 else 20}, f"n{number}")
            call = module.do({"command": "get_current_month_usage"}, name=f"n{number}")
            stuck.append(asyncio.create_task(outcome(call)))
        assert (await stuck[-1]).code == "cloud_timeout"
        assert (await module.ask("get_current_month_usage"))["stale"] is False
        assert not any(call.done() for call in stuck[:-1])
        assert await ended(module, *stuck) < END_S
        assert left_behind(module) == []
