"""The sensor's model as viam-server learns of it, its attributes and its dependency."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError, Status
from viam.gen.module.v1 import module_grpc, module_pb2

from support.parent import Machine
from viam_billing.version import SENSOR_MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine() -> AsyncIterator[Machine]:
    """One machine for all tests of the file."""
    async with Machine() as running:
        yield running


async def test_viam_server_is_told_of_the_model(machine: Machine) -> None:
    """In the answer to Ready, with the service that reads a sensor."""
    request = module_pb2.ReadyRequest(parent_address=machine.parent.address)
    response = await module_grpc.ModuleServiceStub(machine.module.channel).Ready(request, timeout=10)
    told = {handler.subtype.subtype.subtype: handler for handler in response.handlermap.handlers}
    assert list(told["sensor"].models) == [SENSOR_MODEL]
    assert told["sensor"].subtype.proto_service == "viam.component.sensor.v1.SensorService"


async def test_the_service_is_a_required_dependency_by_its_full_name(machine: Machine) -> None:
    """The short one could be another resource's too."""
    assert await machine.validate_sensor({"service": "billing"}) == ["rdk:service:generic/billing"]
    assert await machine.validate_sensor({"service": "office:billing"}) == ["rdk:service:generic/office:billing"]


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({}, ["service: found nothing, expected the name of a generic service"]),
        ({"service": ""}, ['service: found "", expected the name of a generic service']),
        ({"service": "rdk:service:generic/billing"}, ["expected the name of a generic service"]),
        (
            {"service": 1, "locaton": "x", "location_id": None},
            [
                "service: found 1, expected the name of a generic service",
                '"locaton": found an unknown attribute, expected location_id (a name close to it)',
                "location_id: found null, expected a non-empty text",
            ],
        ),
    ],
)
async def test_wrong_attributes_are_named_all_at_once(
    machine: Machine, attributes: Mapping[str, Any], named: list[str]
) -> None:
    """With what was found and what is expected."""
    with pytest.raises(GRPCError) as caught:
        await machine.validate_sensor(attributes)
    assert caught.value.status is Status.INVALID_ARGUMENT
    message = caught.value.message or ""
    assert "invalid configuration: " in message
    assert [words for words in named if words not in message] == []
    assert message.count("found ") == len(named)
