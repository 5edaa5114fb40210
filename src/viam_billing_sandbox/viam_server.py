"""Runs the module under a viam-server on this computer, with a simulated cloud and data capture.

python -m viam_billing_sandbox.viam_server ./viam-server [--port 8080]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from viam_billing.version import SENSOR_MODEL
from viam_billing_sandbox.child import Child, ChildError, sandbox_addresses, start_sandbox
from viam_billing_sandbox.demo.configuration import attributes, local_module, service
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST: Final = "127.0.0.1"
_START_S: Final = 300.0
"""As long as viam-server gives a module, whose first start may have to set it up."""
_ASK_S: Final = 1.0
_CAPTURE_HZ: Final = 0.1
_FILE_BYTES: Final = 1
"""A captured file is complete as soon as it is larger, which is with its first reading."""


def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code: 2 for a mistake in the arguments, 1 if nothing starts."""
    parser = argparse.ArgumentParser(
        prog="viam_billing_sandbox.viam_server",
        description="The module under viam-server, with a simulated cloud behind it and data capture.",
    )
    parser.add_argument("viam_server", nargs="?", default="viam-server", help="its path; without one, that of PATH")
    parser.add_argument("--port", type=int, default=8080, help="the machine's TCP port; 0 takes a free one")
    parsed = parser.parse_args(arguments)
    binary = shutil.which(parsed.viam_server)
    if binary is None:
        parser.error(f"{parsed.viam_server} cannot be executed: name a viam-server")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended do not count
            probe.bind((_HOST, parsed.port))
            port = probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        parser.error(f"port {parsed.port} cannot be used ({error}): choose one by --port N, or by make machine PORT=N")
    return asyncio.run(_run(binary, port))


async def _run(binary: str, port: int) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    folder = Path(tempfile.mkdtemp(prefix="vb-server-"))  # short: a socket's path has about 100 characters
    children: list[Child] = []
    running = asyncio.create_task(_serve(binary, port, folder, children))
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    except (ChildError, OSError) as error:
        tails = "\n".join(f"--- {child.name}\n{child.log_tail()}" for child in children)
        sys.stderr.write(f"viam_billing_sandbox.viam_server: error: {error}\n{tails}\n")
        return 1
    finally:
        running.cancel()
        stopping.cancel()
        for child in reversed(children):
            child.terminate()
            child.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


async def _serve(binary: str, port: int, folder: Path, children: list[Child]) -> NoReturn:
    """Starts everything, prints where it is, and never returns.

    Raises:
        ChildError: The sandbox or viam-server does not start, or ends by itself.
    """
    children.append(start_sandbox(folder))
    address, control = await sandbox_addresses(children[0])
    file = folder / "machine.json"
    file.write_text(json.dumps(configuration(port, address, folder / "captured"), indent=2))
    command = (binary, "-config", str(file), "-disable-mdns")
    server = Child("viam-server", command, folder, {"HOME": str(folder)})  # its own files too are gone at the end
    children.append(server)
    await server.until(lambda: _answers(port), _START_S)
    lines = (
        f"sandbox control: {control}",
        f"configuration: {file}",
        f"log: {folder / 'viam-server.log'}",
        f"captured: {folder / 'captured'}",
        f"machine ready: http://localhost:{port}",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    raise ChildError(f"viam-server ended with status {await server.ended()}.")


def configuration(port: int, app_address: str, captured: Path) -> dict[str, object]:
    """Returns a machine's configuration: service, sensor, and a data manager that captures the answers of both."""
    own = {"org_id": DEFAULT_ORG_ID, "location_id": DEFAULT_LOCATION_ID, "budget": {"monthly": 2500}}
    question: dict[str, object] = {"docommand_input": {"get_location_usage": {}}}
    data_manager = {
        "name": "data_manager",
        "api": "rdk:service:data_manager",
        "model": "rdk:builtin:builtin",
        "depends_on": ["billing"],
        "attributes": {
            "capture_dir": str(captured),
            "sync_disabled": True,
            "maximum_capture_file_size_bytes": _FILE_BYTES,
        },
    }
    return {
        "network": {"bind_address": f"localhost:{port}"},
        "modules": [local_module()],
        "services": [
            {**service(attributes(app_address) | own), "service_configs": [_capture("DoCommand", question)]},
            data_manager,
        ],
        "components": [
            {
                "name": "usage",
                "api": "rdk:component:sensor",
                "model": SENSOR_MODEL,
                "attributes": {"service": "billing"},
                "service_configs": [_capture("Readings", {})],
            }
        ],
    }


def _capture(method: str, parameters: object) -> dict[str, object]:
    how = {"method": method, "capture_frequency_hz": _CAPTURE_HZ, "additional_params": parameters}
    return {"type": "data_manager", "attributes": {"capture_methods": [how]}}


def _answers(port: int) -> bool:
    """Whether the service is there, as a question over HTTP finds out."""
    question = f"http://{_HOST}:{port}/api/v1/service/generic/billing/get_status"
    try:
        with urllib.request.urlopen(question, timeout=_ASK_S):
            return True
    except OSError:  # nobody listens yet, or the service is not there yet
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
