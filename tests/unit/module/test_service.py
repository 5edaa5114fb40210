"""The module's RPC handler beside the SDK's own, which it stands in for."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from grpclib import GRPCError, Status
from typing_extensions import override
from viam.components.sensor import Sensor
from viam.proto.common import DoCommandResponse
from viam.resource.manager import ResourceManager
from viam.services.generic.service import GenericRPCService

from support.fake_parts import FakeClient
from support.fake_stream import FakeStream
from unit.cloud_fakes import Made, NoParameters, made, make_context
from viam_billing.cache.readings import Call
from viam_billing.commands import EFFECTS
from viam_billing.commands.context import Command, Context
from viam_billing.module.container import Container
from viam_billing.module.service import BillingRPCService, BillingService
from viam_billing.module.shared import Shared
from viam_billing.settings.attributes import parse_attributes

ANSWER: Mapping[str, Any] = {
    "text": "Grüße \u0000 \U0001f69a",
    "empty": "",
    "yes": True,
    "no": False,
    "null": None,
    "whole": 12,
    "large": 2**53,
    "cents": 12.34,
    "minus": -0.0,
    "endless": math.inf,
    "list": ["a", 1, None, False, [], [[2.5]], {"b": {}}],
    "object": {"a.b": {"c": [1, 2]}, "": "nameless"},
}


class FakeSensor(Sensor):
    """A component."""

    @override
    async def get_readings(self, **_: Any) -> Mapping[str, Any]:
        return {}


async def run(parameters: NoParameters, context: Context, call: Call) -> Made:  # noqa: ARG001 - the signature of every command
    """Answer with every kind of value."""
    return made(dict(ANSWER))


@pytest.fixture
async def resources() -> AsyncIterator[ResourceManager]:
    """A service with one command, whose answer has every kind of value."""
    container = Container(parse_attributes({}, {}, EFFECTS), Shared())
    service = BillingService("billing", container)
    service.context = make_context(FakeClient(), commands={"do": Command("do", "read", "Does.", NoParameters, run)})
    yield ResourceManager([service])
    await service.close()


async def sent(handler: GenericRPCService, command: dict[str, Any]) -> list[DoCommandResponse]:
    """What a handler sends."""
    stream = FakeStream(command)
    await handler.DoCommand(stream)
    return stream.sent


@pytest.mark.parametrize("command", [{"do": {}}, {"command": "do"}], ids=["nested", "flat"])
async def test_an_answer_is_the_message_that_the_sdk_would_send(
    resources: ResourceManager, command: dict[str, Any]
) -> None:
    """The same fields with the same kinds of values, in one message."""
    own = await sent(BillingRPCService(resources), command)
    assert own == await sent(GenericRPCService(resources), command)
    assert len(own) == 1
    assert "text" in str(own[0])


async def test_a_component_of_the_same_name_is_not_taken_for_the_service(resources: ResourceManager) -> None:
    """The SDK's handler would take what was added first."""
    service = resources.get_resource(BillingService, BillingService.get_resource_name("billing"))
    both = ResourceManager([FakeSensor("billing"), service])
    assert len(await sent(BillingRPCService(both), {"do": {}})) == 1
    with pytest.raises(GRPCError) as caught:
        BillingRPCService(ResourceManager([FakeSensor("billing")])).get_resource("billing")
    assert caught.value.status is Status.NOT_FOUND


@pytest.mark.parametrize("rows", [1, 20, 100])
async def test_an_answer_of_more_than_16_mib_is_refused(resources: ResourceManager, rows: int) -> None:
    """Whatever the command, and however few its rows: over some connections it would be dropped without a word."""

    async def long(parameters: NoParameters, context: Context, call: Call) -> Made:  # noqa: ARG001 - the signature of every command
        return made({"rows": ["x" * (18_000_000 // rows)] * rows})

    service = resources.get_resource(BillingService, BillingService.get_resource_name("billing"))
    service.context = make_context(FakeClient(), commands={"do": Command("do", "read", "Does.", NoParameters, long)})
    with pytest.raises(GRPCError, match=r"result_too_large.*location_ids") as caught:
        await sent(BillingRPCService(resources), {"do": {}})
    assert caught.value.status is Status.FAILED_PRECONDITION


async def test_a_defect_in_an_answer_is_an_internal_error(resources: ResourceManager) -> None:
    """As is any other: a value that no Struct can hold must not reach the caller as a traceback."""

    async def odd(parameters: NoParameters, context: Context, call: Call) -> Made:  # noqa: ARG001 - the signature of every command
        return made({"set": {1}})

    service = resources.get_resource(BillingService, BillingService.get_resource_name("billing"))
    service.context = make_context(FakeClient(), commands={"do": Command("do", "read", "Does.", NoParameters, odd)})
    with pytest.raises(GRPCError, match="internal_error: ") as caught:
        await sent(BillingRPCService(resources), {"do": {}})
    assert caught.value.status is Status.INTERNAL
