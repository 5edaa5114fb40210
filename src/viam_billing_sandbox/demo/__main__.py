"""Runs the demonstration, question by question.

python -m viam_billing_sandbox.demo [--keep]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from grpclib.exceptions import GRPCError

from viam_billing.version import MODULE_ID, VERSION
from viam_billing_sandbox import scenario_file
from viam_billing_sandbox.child import RUN_SH, ChildError, sandbox_addresses
from viam_billing_sandbox.demo import charge, fleet
from viam_billing_sandbox.demo.configuration import (
    LOCATION_ID,
    ORG_ID,
    OTHER_ORG_ID,
    PYTHON,
    SERVICE,
    attributes,
    how_to_configure,
    how_to_try,
)
from viam_billing_sandbox.demo.machine import Machine
from viam_billing_sandbox.demo.view import OutputClosedError, View
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID, DEFAULT_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viam_billing_sandbox.child import Child
    from viam_billing_sandbox.scenario import Scenario

PERMITTED_SERVICE: Final = "billing-with-change"

_STOPPED_BY: Final = 128
"""The exit code of a process that a signal ends is this plus the signal's number, as in a shell."""
_CHANGE: Final = "update_location_billing_organization"


def main(arguments: Sequence[str]) -> int:
    """Runs the demonstration. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="viam_billing_sandbox.demo", description="Shows the module at work against a simulated cloud."
    )
    parser.add_argument("--keep", action="store_true", help="leave sandbox and module running until Ctrl-C")
    parser.add_argument(
        "--direct", action="store_true", help="start the module with this Python, not through the checkout's run.sh"
    )
    parsed = parser.parse_args(arguments)
    return asyncio.run(_run(keep=parsed.keep, through_run_sh=RUN_SH.exists() and not parsed.direct))


async def _run(*, keep: bool, through_run_sh: bool) -> int:
    """Shows everything and ends both processes, whatever happens."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(number: int) -> None:
        if not stopped.done():
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    scenario = scenario_file.load(DEFAULT_PATH, utc_now())
    organizations = {each.id: each.name for each in scenario.organizations.values()}
    view = View(organizations | {each.id: each.name for each in scenario.locations.values()})
    machine = Machine()
    showing = asyncio.create_task(_show(machine, view, scenario, through_run_sh=through_run_sh, keep=keep))
    either: set[asyncio.Future[Any]] = {showing, stopped}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not showing.done():
            showing.cancel()
            view.text(f"Stopped by {signal.Signals(stopped.result()).name}.")
            return _STOPPED_BY + stopped.result()
        showing.result()
        if keep:
            await stopped
    except OutputClosedError:
        return 1
    except Exception as error:  # noqa: BLE001 - the user gets a sentence and the logs for every error
        view.failure(_words(error), {child.name: child.log_tail() for child in machine.children})
        return 1
    else:
        return 0
    finally:
        machine.close()


def _words(error: Exception) -> str:
    if isinstance(error, GRPCError):
        return f"the module refused: {error.message}"
    return str(error) if isinstance(error, ChildError) else f"{type(error).__name__}: {error}"


async def _show(machine: Machine, view: View, scenario: Scenario, *, through_run_sh: bool, keep: bool) -> None:
    view.heading(f"{MODULE_ID} {VERSION}: what it answers")
    view.text("No account is needed and nothing leaves this computer: the cloud asked here is a simulated one.")
    sandbox = machine.start_sandbox()
    address, control = await sandbox_addresses(sandbox)
    view.facts([("sandbox", f"{address} (process {sandbox.pid}), a Viam cloud with made-up customers")])
    module = machine.start_module(through_run_sh=through_run_sh)
    how = "through run.sh" if through_run_sh else "with this Python"
    view.facts([("module", f"started {how} (process {module.pid}), spoken to as viam-server does")])
    await _configure(machine, view, module, address)
    await _reads(machine, view)
    await _refusals(machine, view, address)
    await fleet.show(machine, view, address, scenario.organizations[DEFAULT_ORG_ID])
    await charge.show(machine, view, address, control)
    view.question("How is the service that charged doing? (GetStatus: it answers from memory)")
    view.status(await machine.status(charge.SERVICE))
    how_to_configure(view)
    how_to_try(view)
    if keep:
        _kept(machine, view, address, control)


async def _configure(machine: Machine, view: View, module: Child, address: str) -> None:
    models = await machine.ready(module)
    values = attributes(address)
    await machine.validate(SERVICE, values)
    await machine.add(SERVICE, values)
    view.facts([("models", ", ".join(models))])
    view.block(f'attributes of the service "{SERVICE}", as the module has accepted them', values)


async def _reads(machine: Machine, view: View) -> None:
    request: dict[str, object] = {"get_location_billing_organization": {}}
    view.question("Who pays for this machine's location?")
    view.request(request)
    view.payer(await machine.answer(request, SERVICE))

    request = {"get_location_usage": {}}
    view.question("What has that organization cost this month, and what will its whole month come to?")
    view.request(request)
    view.usage(await machine.answer(request, SERVICE))

    request = {"get_invoices_summary": {"limit": 6}}
    view.question("Which invoices are there, and is one of them overdue?")
    view.request(request)
    answer = await machine.answer(request, SERVICE)
    view.invoices(answer)

    unpaid = [invoice["id"] for invoice in answer["invoices"] if invoice["status"] == "outstanding"]
    chosen: str = unpaid[0] if unpaid else answer["invoices"][0]["id"]
    request = {"get_invoice_pdf": {"invoice_id": chosen, "save_as": f"{chosen}.pdf"}}
    view.question("Can I have that invoice as a PDF?")
    view.request(request)
    _pdf(view, await machine.answer(request, SERVICE), machine.folder)


def _pdf(view: View, answer: Mapping[str, Any], folder: Path) -> None:
    same = hashlib.sha256(Path(answer["path"]).read_bytes()).hexdigest() == answer["sha256"]
    view.facts(
        [
            ("path", answer["path"]),
            ("size", f"{answer['size_bytes']:.0f} bytes"),
            ("sha256", answer["sha256"]),
            ("checked", "the file has this sha256" if same else "the file has another sha256"),
            ("kept", f"until the demonstration ends, as everything in {folder}"),
        ]
    )


async def _refusals(machine: Machine, view: View, address: str) -> None:
    change = {"location_id": LOCATION_ID, "billing_organization_id": OTHER_ORG_ID}
    view.question("May anybody who reaches the machine have another organization pay?")
    view.request({_CHANGE: change})
    view.refusal(await machine.refusal({_CHANGE: change}, SERVICE))

    permission: dict[str, object] = {
        "allowed_commands": ["read", _CHANGE],
        "allowed_org_ids": [ORG_ID, OTHER_ORG_ID],
    }
    await machine.add(PERMITTED_SERVICE, {**attributes(address), **permission})
    view.question("And with permission? A dry run checks everything and sends nothing.")
    view.block(f'attributes added for another service, "{PERMITTED_SERVICE}"', permission)
    view.space()
    request: dict[str, object] = {_CHANGE: {**change, "dry_run": True}}
    view.request(request)
    view.block("answer", await machine.answer(request, PERMITTED_SERVICE))

    request = {"get_location_usage": {"locatoin_id": LOCATION_ID}}
    view.question("What if a parameter is misspelt?")
    view.request(request)
    view.refusal(await machine.refusal(request, SERVICE))


def _kept(machine: Machine, view: View, address: str, control: str) -> None:
    view.heading("Sandbox and module go on running; Ctrl-C ends both")
    view.facts(
        [
            ("sandbox", address),
            ("control", control),
            ("module", str(machine.socket)),
            ("logs", str(machine.folder)),
        ]
    )
    view.text("What the sandbox has been asked so far:")
    view.command(f"{PYTHON} -m viam_billing_sandbox.control {control} stats")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
