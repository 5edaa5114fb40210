"""Starts a stand-in machine and prints where it is.

python -m viam_billing_sandbox.machine [--scene NAME] [--page FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

os.environ["GRPC_VERBOSITY"] = "NONE"  # gRPC core writes to stderr by itself

from viam_billing_sandbox.child import RUN_SH, ChildError
from viam_billing_sandbox.machine.control import MachineControl
from viam_billing_sandbox.machine.machine import Machine, Options, tails
from viam_billing_sandbox.machine.scenes import SCENES

if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE_ERROR: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code: 2 for a mistake in the arguments, 1 if nothing starts."""
    parser = argparse.ArgumentParser(
        prog="viam_billing_sandbox.machine",
        description="A machine with the billing module, for SDK clients and browsers, and a simulated cloud behind it.",
        epilog="Scenes: " + "; ".join(f"{name}: {words}" for name, words in SCENES.items()) + ".",
    )
    parser.add_argument("--scene", choices=SCENES, default="steady", help="what there is to see")
    parser.add_argument("--errors", choices=("direct", "webrtc"), default="direct", help="as which way gives them")
    parser.add_argument("--port", type=int, default=0, help="the TCP port; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="the control's TCP port; 0 takes a free one")
    parser.add_argument("--page", type=Path, help="a folder of static files to serve")
    parser.add_argument("--attributes", type=_object, default={}, help="JSON, over the attributes of the scene")
    parser.add_argument("--direct", action="store_true", help="start the module with this Python, not through run.sh")
    parsed = parser.parse_args(arguments)
    if parsed.page is not None and not parsed.page.is_dir():
        parser.error(f"--page {parsed.page}: no folder")
    options = Options(
        scene=parsed.scene,
        errors=parsed.errors,
        port=parsed.port,
        page=parsed.page,
        attributes=parsed.attributes,
        through_run_sh=RUN_SH.exists() and not parsed.direct,
    )
    return asyncio.run(_run(options, parsed.control_port))


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - argparse makes an error of a ValueError
    return value


async def _run(options: Options, control_port: int) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    stopping = asyncio.create_task(stopped.wait())
    machine = Machine(options)
    starting = asyncio.create_task(_start(machine, options, control_port))
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return 0
        control = starting.result()
        await stopping
        control.close()
    except (ChildError, OSError) as error:
        sys.stderr.write(f"viam_billing_sandbox.machine: error: {error}\n{tails(machine)}\n")
        return 1
    finally:
        await machine.close()
    return 0


async def _start(machine: Machine, options: Options, control_port: int) -> asyncio.Server:
    control = await MachineControl(machine).listen(control_port)
    await machine.start()
    lines = [
        f"scene: {options.scene} ({SCENES[options.scene]})",
        f"logs: {machine.folder}",
        f"sandbox: {machine.sandbox_address}",
        f"sandbox control: {machine.sandbox_control}",
        f"machine control: 127.0.0.1:{control.sockets[0].getsockname()[1]}",
        *([] if options.page is None else [f"page: {machine.address}/start"]),
        f"machine ready: {machine.address}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return control


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
