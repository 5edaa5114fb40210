"""Starts the module from a finished archive on a bare machine, and makes requests that use each of its parts.

unpacked in a folder with spaces, another working directory, an environment with nothing in it
    --> Ready --> ValidateConfig, a bad one and a good one --> AddResource --> help
    --> questions to a cloud that is not there: the client, its retries, the database --> SIGTERM
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from grpclib import GRPCError
from grpclib.client import Channel
from viam.gen.app.v1 import robot_pb2
from viam.gen.common.v1 import common_pb2
from viam.gen.module.v1 import module_grpc, module_pb2
from viam.gen.service.generic.v1 import generic_grpc

Talk = Callable[[Channel], Awaitable[None]]

START_S = 60.0
CALL_S = 30.0
STOP_S = 5.0
ASKED = ("get_location_usage", "get_invoice_pdf", "send_payment_required_email")
PARAMETERS = {
    "get_invoice_pdf": {"invoice_id": "an-invoice"},
    "send_payment_required_email": {"customer_org_id": "an-org"},
}


class Failed(Exception):  # noqa: N818 - its message is for the person who builds
    """The module did not behave as expected."""


def expect(holds: object, what: str) -> None:
    """Raise Failed with the text unless the condition holds."""
    if not holds:
        raise Failed(what)


def struct(values: Mapping[str, Any]) -> Struct:
    """Return a Struct of JSON values."""
    message = Struct()
    message.update(dict(values))
    return message


class Caller:
    """Calls the module as viam-server does. Each method raises GRPCError when the module refuses."""

    def __init__(self, channel: Channel, api: str, model: str) -> None:
        self._module = module_grpc.ModuleServiceStub(channel)
        self._generic = generic_grpc.GenericServiceStub(channel)
        self._api, self._model = api, model

    async def ready(self) -> set[str]:
        """Return the models that the module serves."""
        answer = await self._module.Ready(module_pb2.ReadyRequest(parent_address=""), timeout=CALL_S)
        return {model for handler in answer.handlermap.handlers for model in handler.models}

    def _config(self, attributes: Mapping[str, Any]) -> robot_pb2.ComponentConfig:
        return robot_pb2.ComponentConfig(
            name="billing", api=self._api, model=self._model, attributes=struct(attributes)
        )

    async def validate(self, attributes: Mapping[str, Any]) -> None:
        """Ask the module whether a service may have these attributes."""
        request = module_pb2.ValidateConfigRequest(config=self._config(attributes))
        await self._module.ValidateConfig(request, timeout=CALL_S)

    async def add(self, attributes: Mapping[str, Any]) -> None:
        """Add the service with these attributes."""
        await self._module.AddResource(module_pb2.AddResourceRequest(config=self._config(attributes)), timeout=CALL_S)

    async def ask(self, command: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a command."""
        request = common_pb2.DoCommandRequest(name="billing", command=struct({command: parameters}))
        answer = await self._generic.DoCommand(request, timeout=CALL_S)
        return dict(MessageToDict(answer.result)[command])


async def refusal(command: str, caller: Caller) -> str:
    """Return the message with which a command is refused."""
    try:
        await caller.ask(command, PARAMETERS.get(command, {}))
    except GRPCError as error:
        return str(error.message)
    return "an answer"


async def examine(channel: Channel, meta: Mapping[str, Any], version: str, state: Path) -> None:
    """Raise Failed at the first difference from what is expected."""
    model = meta["models"][0]
    caller = Caller(channel, model["api"], model["model"])
    served = await caller.ready()
    expect({model["model"] for model in meta["models"]} <= served, f"it serves only {sorted(served)}.")
    with socket.socket() as unused:  # bound and never listening, so that connections are refused
        unused.bind(("127.0.0.1", 0))
        attributes = {
            "app_address": f"http://127.0.0.1:{unused.getsockname()[1]}",
            "api_key_id": "00000000-0000-0000-0000-000000000000",
            "api_key": "no-key-at-all",
            "org_id": "own-org",
            "location_id": "own-location",
            "allowed_org_ids": ["*"],
            "allowed_commands": [*ASKED],
            "state_dir": str(state),
        }
        try:
            await caller.validate({**attributes, "no_such_attribute": 1})
        except GRPCError as error:
            expect("no_such_attribute" in str(error.message), f"ValidateConfig refuses with: {error.message}")
        else:
            raise Failed("ValidateConfig takes an attribute that does not exist.")
        await caller.validate(attributes)
        await caller.add(attributes)
        told = (await caller.ask("help", {}))["version"]
        expect(told == version, f"it says that its version is {told}, version.py says {version}.")
        for command in ASKED:
            said = await refusal(command, caller)
            expect(said.startswith("cloud_unreachable: "), f"{command} without a cloud ends in: {said}")
    expect((state / "journal.db").is_file(), "it wrote no database into its state_dir.")


async def connected(process: subprocess.Popen[bytes], address: str) -> Channel:
    """Return a channel to the module; raise Failed if the module ends, or does not listen in time."""
    deadline = time.monotonic() + START_S
    while True:
        channel = Channel(path=address)
        try:
            await channel.__connect__()
        except OSError:
            channel.close()
            expect(process.poll() is None, f"it ended at its start with status {process.returncode}.")
            expect(time.monotonic() < deadline, f"it does not listen after {START_S:.0f} s.")
            await asyncio.sleep(0.02)
        else:
            return channel


async def conversation(process: subprocess.Popen[bytes], address: str, talk: Talk) -> None:
    """Connect to the module, talk, and close the channel."""
    channel = await connected(process, address)
    try:
        await talk(channel)
    finally:
        channel.close()


def smoke(archive: Path, version: str) -> None:
    """Raise Failed, GRPCError or subprocess.TimeoutExpired unless the archive's module works."""
    with tempfile.TemporaryDirectory(prefix="vb") as folder:
        machine = Path(folder, "a machine's folder")
        with tarfile.open(archive, "r:gz") as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(machine)  # noqa: S202 - check_archive.py has checked the archive
        meta = json.loads((machine / "meta.json").read_text())
        address, log, state = f"{folder}/m.sock", Path(folder, "log.txt"), Path(folder, "state")
        elsewhere = Path(folder, "elsewhere")
        elsewhere.mkdir()
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - the executable was just built
                [machine / meta["entrypoint"], address],
                env={"VIAM_NO_MODULE_PARENT": "true"},
                cwd=elsewhere,
                stdout=output,
                stderr=output,
            )
        try:
            asyncio.run(conversation(process, address, lambda channel: examine(channel, meta, version, state)))
            process.send_signal(signal.SIGTERM)
            status = process.wait(STOP_S)
            expect(status == 0, f"it ends with status {status} on SIGTERM.")
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace"))
            raise
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    try:
        smoke(Path(sys.argv[1]), sys.argv[2])
    except Failed as error:
        raise SystemExit(f"viam-billing build: the archive's module does not work: {error}") from None
    except (GRPCError, OSError, asyncio.TimeoutError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"viam-billing build: the archive's module does not work: {error!r}") from None
