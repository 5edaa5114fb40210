"""The recipes of docs/ways-in.md for who builds machines: two services, and a service of another machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.json_format import ParseDict
from grpclib import GRPCError
from viam.components.sensor import Sensor
from viam.errors import ResourceNotFoundError
from viam.proto.app import robot
from viam.services.generic import Generic

from support.docs_pages import PAGES, blocks
from support.sandbox_caller import HARBOR_ID
from support.shell import PAGE
from support.viam_server import Machine, ViamServer, billing, until
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID

Start = Callable[..., ViamServer]

KEY_ID, KEY = "5e1d0c3b-7a69-4f58-8e47-1d2c3b4a5f60", "the machine's key"
AUTH = {"handlers": [{"type": "api-key", "config": {KEY_ID: KEY, "keys": [KEY_ID]}}]}
USAGE: dict[str, Any] = {"get_location_usage": {}}
CHARGE = {"charge_organization": {"org_id": HARBOR_ID, "subtotal": 12.5, "idempotency_key": "visit-1"}}


def documented(name: str) -> Any:  # noqa: ANN401 - any JSON
    """The page's one JSON block with this name at its top."""
    (found,) = (block.value for block in blocks(PAGE) if block.language == "json" and name in block.value)
    return found


async def do(machine: Machine, name: str, command: dict[str, Any]) -> dict[str, Any]:
    """`do_command` of any service."""
    return dict(await Generic.from_robot(machine.robot, name).do_command(command, timeout=30))


async def test_one_service_reads_and_another_charges(
    start: Start, attributes: dict[str, Any], control: SandboxControl, tmp_path: Path
) -> None:
    """Each refuses what is the other's, and both know what was charged; the attributes are the page's."""
    services = documented("services")["services"]
    keys = {name: attributes[name] for name in ("app_address", "api_key_id", "api_key", "org_id", "location_id")}
    for service in services:
        service["attributes"] |= keys
    assert len({service["attributes"]["state_dir"] for service in services}) == 1
    for service in services:
        service["attributes"]["state_dir"] = str(tmp_path / "state")
    server = start(services=services)
    async with server.machine() as machine:
        await machine.ready()

        async def both() -> object:
            await machine.robot.refresh()  # type: ignore[no-untyped-call] # the SDK's
            return await do(machine, "charging", {"help": {}})

        await until(both, f"the other service answers: {server.log}")
        assert (await do(machine, "billing", USAGE))["get_location_usage"]["month_to_date"] > 0
        for name, command in (("billing", CHARGE), ("charging", USAGE)):
            with pytest.raises(GRPCError, match="command_not_allowed: "):
                await do(machine, name, command)
        assert (await do(machine, "charging", CHARGE))["charge_organization"]["state"] == "succeeded"
        assert (await do(machine, "billing", {"get_status": {}}))["get_status"]["charged_last_24h"] == 12.5
        for name, charges in (("billing", 0), ("charging", 1)):
            assert len((await do(machine, name, {"list_charges": {}}))["list_charges"]["charges"]) == charges
    assert len(control.stats().charges) == 1


def test_the_permissions_are_what_viams_api_takes() -> None:
    """In the machine's configuration, for methods that a generic service has."""
    if not hasattr(robot, "UserPermission"):
        pytest.skip("this version of the SDK does not know permissions of users")
    permissions = documented("auth")["auth"]["user_permissions"]
    for each in permissions:
        assert ParseDict(each, robot.UserPermission()).user.type in ("default", "api-key-id")
    methods = {method for each in permissions for part in each["permissions"] for method in part["allowed_methods"]}
    for service, method in (path[1:].split("/") for path in methods):
        assert descriptor_pool.Default().FindServiceByName(service).FindMethodByName(method).name == method
    reach = {
        each["user"]["type"]: {name for part in each["permissions"] for name in part["resources"]}
        for each in permissions
    }
    assert reach == {"default": {"_machine", "billing"}, "api-key-id": {"_machine", "billing", "charging"}}


@pytest.mark.parametrize("wrong", ["billing", "office:biling"])
async def test_a_service_of_a_remote(start: Start, attributes: dict[str, Any], wrong: str) -> None:
    """Clients name it as if it were there, the sensor with its remote; with a wrong name the sensor is not there."""
    office = start(services=[billing(attributes)], auth=AUTH)
    parts = documented("remotes")
    (remote,), (sensor,) = parts["remotes"], parts["components"]
    remote |= {"address": f"localhost:{office.port}", "insecure": True}
    remote["auth"] = {"entity": KEY_ID, "credentials": {**remote["auth"]["credentials"], "payload": KEY}}
    right = sensor["attributes"]["service"]
    server = start(**parts)

    async def reading() -> Any:  # noqa: ANN401 - of the sensor
        await machine.robot.refresh()  # type: ignore[no-untyped-call] # the SDK's
        return await Sensor.from_robot(machine.robot, sensor["name"]).get_readings()

    async def why() -> str | None:
        state = await machine.state_of(sensor["name"])
        return state[1] if state and f"service:generic/{wrong} not available" in state[1] else None

    async with server.machine() as machine:
        readings = await until(reading, f"the sensor answers: {server.log}")
        assert readings["location_id"] == DEFAULT_LOCATION_ID
        usage = (await machine.ask(USAGE))["get_location_usage"]
        assert usage["month_to_date"] >= readings["month_to_date"]
        sensor["attributes"]["service"] = wrong
        server.configure(**parts)
        assert "dependency billing is not ready yet" in (await until(why, "the status says why")).replace(
            "biling", "billing"
        )
        await machine.robot.refresh()  # type: ignore[no-untyped-call] # the SDK's
        assert sensor["name"] not in {each.name for each in machine.robot.resource_names}
        sensor["attributes"]["service"] = right
        server.configure(**parts)
        if wrong == "billing":
            server.stop()
            server = start(**parts)
    async with server.machine() as machine:
        assert await until(reading, f"the sensor is there again: {server.log}")


async def test_a_client_that_came_before_the_service_asks_again(start: Start, attributes: dict[str, Any]) -> None:
    """Until then the error is the page's, of a service that a remote has by now."""
    (error,) = re.findall(r"`(No generic .+)`", PAGES[PAGE])
    office = start()
    server = start(remotes=[{"name": "office", "address": f"localhost:{office.port}", "insecure": True}])
    async with server.machine() as early:
        office.configure(services=[billing(attributes)])
        async with server.machine() as later:
            await later.ready()
        with pytest.raises(ResourceNotFoundError) as caught:
            await early.ask(USAGE)
        assert caught.value.message == error
        await early.robot.refresh()  # type: ignore[no-untyped-call] # the SDK's
        assert (await early.ask(USAGE))["get_location_usage"]["month_to_date"] > 0
