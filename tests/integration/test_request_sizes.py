"""Requests that are large, or no requests: refused in the contract's words before they cost anything."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import pytest
from google.protobuf.struct_pb2 import Struct
from viam.gen.app.v1 import robot_pb2
from viam.gen.common.v1 import common_pb2
from viam.gen.module.v1 import module_pb2

from support.module_process import API, ModuleProcess, Service, refused
from support.raw_request import DO_COMMAND, compressed, request, sent
from viam_billing.version import BILLING_MODEL
from viam_billing_sandbox.server.grpc import framed

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 2**20
STATUS = "/viam.service.generic.v1.GenericService/GetStatus"
READINGS = "/viam.component.sensor.v1.SensorService/GetReadings"
ARM = "/viam.component.arm.v1.ArmService/DoCommand"
ADD = "/viam.module.v1.ModuleService/AddResource"


def core(module: ModuleProcess) -> grpc.aio.Channel:
    """A connection of gRPC core, which hears a refusal while it still sends, as viam-server does."""
    return grpc.aio.insecure_channel(f"unix:{module.socket}", (("grpc.max_send_message_length", -1),))


async def refused_by_core(channel: grpc.aio.Channel, message: bytes, path: str = DO_COMMAND) -> str:
    """The words of a refusal."""
    send: Any = channel.unary_unary(path)  # its type knows no bytes
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(message, timeout=30)
    return str(caught.value.details())


@pytest.mark.parametrize("path", [DO_COMMAND, STATUS, READINGS, ARM, ADD])
async def test_a_request_of_32_mib_is_not_read(module: ModuleProcess, path: str) -> None:
    """Whatever the RPC, and though it is no protobuf. The connection and its other callers live on."""
    async with core(module) as channel:
        large = asyncio.create_task(refused_by_core(channel, 32 * MIB * b"\xff", path))
        small = await refused_by_core(channel, request({"help": {}}, "nothing"))
        assert "nothing" in small
        assert (await large).startswith("invalid_request: the request has more than ")
        assert "nothing" in await refused_by_core(channel, request({"help": {}}, "nothing"))


async def test_only_the_announced_size_counts(module: ModuleProcess) -> None:
    """A client that announces 4 GiB is refused, before it has sent any."""
    channel = module.channel
    assert "256 KiB" in (await refused(sent(channel, framed(b"", announced_bytes=2**32 - 1)))).text


async def test_a_request_of_256_kib_is_read(service: Service, module: ModuleProcess) -> None:
    """One byte more is too much, the resource's name included."""
    longest = 256 * 1024 - len(request({"help": {"name": "x" * 200_000}}, service.name)) + 200_000
    async with core(module) as channel:
        for size, words in ((longest, "name"), (longest + 1, "the request has more than 256 KiB")):
            body = request({"help": {"name": "x" * size}}, service.name)
            assert (await refused_by_core(channel, body)).startswith(f"invalid_request: {words}")


@pytest.mark.parametrize(
    "body",
    [
        compressed(request({"help": {}})),
        framed(request({"help": {}}), announced_bytes=1000),
        framed(b"\xff" * 16),
        b"",
        b"\x00\x00",
        framed(b"\x0a\x02\xff\xfe"),
    ],
    ids=["compressed", "cut off", "no protobuf", "nothing", "no prefix", "no UTF-8"],
)
@pytest.mark.parametrize("path", [DO_COMMAND, STATUS, ARM])
async def test_what_cannot_be_read_is_invalid(module: ModuleProcess, path: str, body: bytes) -> None:
    """In the contract's words, which name no file of the source."""
    assert (await refused(sent(module.channel, body, path))).code == "invalid_request"


@pytest.mark.parametrize("path", [DO_COMMAND, STATUS])
@pytest.mark.parametrize("name", ["n" * 257, "n" * 15_000, "two\nlines", "\x00", "\u202e"])
async def test_an_odd_name_of_a_resource_is_refused_without_it(module: ModuleProcess, path: str, name: str) -> None:
    """The SDK's own error would repeat it: a long one ends the caller's connection, another one fakes a line."""
    message = common_pb2.GetStatusRequest(name=name).SerializeToString()
    refusal = await refused(sent(module.channel, framed(message), path))
    assert (refusal.code, name in refusal.text) == ("invalid_request", False)


@pytest.mark.parametrize("name", [f"a:b:{'n' * 900_000}", "two\nlines", "\u202e"], ids=["long", "lines", "bidi"])
@pytest.mark.parametrize("place", ["name", "api", "model", "dependencies"])
async def test_an_odd_name_in_a_configuration_is_refused_too(module: ModuleProcess, place: str, name: str) -> None:
    """A long one stopped the event loop for minutes, while the SDK's error was made ready for its way."""
    config: dict[str, Any] = {"name": "odd", "api": API, "model": BILLING_MODEL, place: name}
    dependencies = config.pop("dependencies", "rdk:service:generic/other")
    message = module_pb2.AddResourceRequest(config=robot_pb2.ComponentConfig(**config), dependencies=[dependencies])
    refusal = await refused(sent(module.channel, framed(message.SerializeToString()), ADD))
    assert (refusal.code, name in refusal.text) == ("invalid_request", False)


async def test_a_flood_of_unknown_parameters_is_counted(module: ModuleProcess, service: Service) -> None:
    """Ten are named."""
    command = Struct()
    for number in range(15_000):
        command.fields["charge_organization"].struct_value.fields[f"p{number:05}"].SetInParent()
    refusal = await refused(sent(module.channel, framed(request(command, service.name))))
    assert refusal.code == "invalid_request"
    assert "15000 unknown parameters" in refusal.text
    assert "p00000" in refusal.text


async def test_more_than_20_000_values_are_refused(module: ModuleProcess, service: Service) -> None:
    command = Struct()
    for _ in range(20_001):
        command.fields["help"].struct_value.fields["a"].list_value.values.add()
    refusal = await refused(sent(module.channel, framed(request(command, service.name))))
    assert "20,000 values" in refusal.text


async def test_others_are_answered_while_large_requests_are_refused(module: ModuleProcess, service: Service) -> None:
    async with core(module) as channel:
        floods = [asyncio.create_task(refused_by_core(channel, 8 * MIB * b"x")) for _ in range(8)]
        assert (await service.ask("help", name="help"))["version"]
        assert {(await flood).partition(":")[0] for flood in floods} == {"invalid_request"}


async def test_10_000_locations_are_the_most(service: Service) -> None:
    refusal = await refused(service.ask("get_fleet_usage", location_ids=["a"] * 10_001))
    assert refusal.code == "invalid_request"
    assert "10,000" in refusal.text
