"""A stand-in machine: SDK clients, errors of both kinds, a module and a machine that go and come back."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpclib import GRPCError, Status
from viam.components.sensor import Sensor
from viam.gen.common.v1 import common_pb2
from viam.gen.robot.v1 import robot_pb2
from viam.gen.service.generic.v1.generic_grpc import GenericServiceStub
from viam.services.generic import Generic

from support.conditions import holds
from support.machine_process import MachineProcess, call, do
from support.module_process import PACKAGED
from support.module_process import struct as to_struct
from viam_billing.version import VERSION
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.skipif(PACKAGED, reason="the stand-in machine runs from the source tree")

ROBOT = "/viam.robot.v1.RobotService"
EMPTY = b""


@pytest.fixture(scope="module")
def machine() -> Iterator[MachineProcess]:
    """One machine for the tests of this file."""
    with MachineProcess("--direct") as running:
        yield running


@pytest.fixture
def web(machine: MachineProcess) -> Iterator[http.client.HTTPConnection]:
    """A connection as a browser has it."""
    with machine.http() as connection:
        yield connection


async def test_the_sdk_finds_the_service_and_the_sensor(machine: MachineProcess) -> None:
    async with machine.robot() as robot:
        assert {(each.subtype, each.name) for each in robot.resource_names} == {
            ("generic", "billing"),
            ("sensor", "usage"),
        }
        billing = Generic.from_robot(robot, "billing")
        usage = (await billing.do_command({"get_location_usage": {}}))["get_location_usage"]
        assert isinstance(usage, dict)
        assert usage["location_id"] == DEFAULT_LOCATION_ID
        status = await billing.get_status()
        assert status["version"] == VERSION
        readings = await Sensor.from_robot(robot, "usage").get_readings()
        assert readings["month_to_date"] == usage["month_to_date"]


async def test_the_sdk_hears_about_the_machine(machine: MachineProcess) -> None:
    async with machine.robot() as robot:
        assert (await robot.get_version()).version == VERSION
        assert await robot.get_operations() == []
        assert (await robot.get_cloud_metadata()).primary_org_id == DEFAULT_ORG_ID
        status = await robot.get_machine_status()
        assert {each.name.name for each in status.resources} == {"billing", "usage"}
        assert {each.state for each in status.resources} == {robot_pb2.ResourceStatus.STATE_READY}


async def test_a_name_that_does_not_exist_is_refused_as_by_viam_server(machine: MachineProcess) -> None:
    async with machine.robot() as robot:
        request = common_pb2.DoCommandRequest(name="other", command=to_struct({"help": {}}))
        with pytest.raises(GRPCError) as caught:
            await GenericServiceStub(robot._channel).DoCommand(request)  # noqa: SLF001 - from_robot refuses by itself
    assert caught.value.status is Status.UNKNOWN
    assert caught.value.message == "no node found with api rdk:service:generic and name other"


def test_a_session_lives_as_long_as_its_heartbeats(web: http.client.HTTPConnection) -> None:
    status, _, message = call(web, f"{ROBOT}/StartSession", EMPTY)
    session = robot_pb2.StartSessionResponse.FromString(message or b"")
    assert status == 0
    assert session.heartbeat_window.ToTimedelta().total_seconds() == 2
    beat = robot_pb2.SendSessionHeartbeatRequest(id=session.id).SerializeToString()
    assert call(web, f"{ROBOT}/SendSessionHeartbeat", beat)[0] == 0
    unknown = robot_pb2.SendSessionHeartbeatRequest(id="other").SerializeToString()
    assert call(web, f"{ROBOT}/SendSessionHeartbeat", unknown)[:2] == (Status.INVALID_ARGUMENT.value, "SESSION_EXPIRED")


def test_errors_are_those_of_the_way_that_is_chosen(machine: MachineProcess, web: http.client.HTTPConnection) -> None:
    """Over WebRTC every status is lost; the words stay, also those that are not ASCII."""
    status, words, _ = do(web, {"hälp": {}})
    assert status == Status.INVALID_ARGUMENT.value
    assert words.startswith("unknown_command: ")
    machine.control.call("Errors", {"style": "webrtc"})
    try:
        assert do(web, {"hälp": {}})[:2] == (Status.UNKNOWN.value, words)
    finally:
        machine.control.call("Errors", {"style": "direct"})


async def test_the_sensor_works_while_callers_lose_the_status(machine: MachineProcess) -> None:
    """The module calls the machine directly, whatever its clients do."""
    machine.control.call("Errors", {"style": "webrtc"})
    try:
        async with machine.robot() as robot:
            assert "outstanding_balance" in await Sensor.from_robot(robot, "usage").get_readings()
            with pytest.raises(GRPCError) as caught:
                await Generic.from_robot(robot, "billing").do_command({"get_charge": {"idempotency_key": "none"}})
    finally:
        machine.control.call("Errors", {"style": "direct"})
    assert caught.value.status is Status.UNKNOWN
    assert str(caught.value.message).startswith("not_found: ")


async def test_a_module_that_is_killed_comes_back(machine: MachineProcess, web: http.client.HTTPConnection) -> None:
    before = machine.module_pid
    machine.control.call("KillModule")
    await holds(lambda: machine.module_pid not in (None, before))
    assert do(web, {"get_location_usage": {}})[0] == 0
    async with machine.robot() as robot:
        assert "month_to_date" in await Sensor.from_robot(robot, "usage").get_readings()


def test_while_the_module_is_away_it_is_not_connected(machine: MachineProcess, web: http.client.HTTPConnection) -> None:
    """The words and the status of viam-server."""
    machine.control.call("StopModule")
    try:
        assert do(web, {"help": {}})[:2] == (Status.UNKNOWN.value, "not connected")
        _, _, message = call(web, f"{ROBOT}/GetMachineStatus", EMPTY)
        states = {each.state for each in robot_pb2.GetMachineStatusResponse.FromString(message or b"").resources}
        assert states == {robot_pb2.ResourceStatus.STATE_UNHEALTHY}
    finally:
        machine.control.call("StartModule")
    assert do(web, {"help": {}})[0] == 0


async def test_a_machine_that_is_switched_off_comes_back_at_its_port(machine: MachineProcess) -> None:
    with machine.http() as connection:
        assert do(connection, {"help": {}})[0] == 0
        machine.control.call("StopMachine")
        try:
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                do(connection, {"help": {}})
            with machine.http() as other, pytest.raises(ConnectionRefusedError):
                do(other, {"help": {}})
        finally:
            machine.control.call("StartMachine")
    async with machine.robot() as robot:
        answer = await Generic.from_robot(robot, "billing").do_command({"list_charges": {}})
    assert answer["list_charges"], "what it knew before is there"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_a_machine(number: signal.Signals) -> None:
    """Here the module is started through run.sh, as by viam-server."""
    machine = MachineProcess()
    folder, module_pid = Path(machine.printed["logs"]), machine.module_pid
    configured = json.loads((folder / "machine.json").read_text())
    assert [(part, each["name"]) for part in configured for each in configured[part]] == [
        ("services", "billing"),
        ("components", "usage"),
    ]
    assert module_pid is not None
    cloud = int(machine.printed["sandbox"].rpartition(":")[2])
    assert machine.end(number) == (0, "")
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(module_pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", cloud))


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A machine that is expected to end by itself."""
    command = [sys.executable, "-m", "viam_billing_sandbox.machine", "--direct", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)  # noqa: S603 - this project's own


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--scene", "other"), 2, "invalid choice"),
        (("--attributes", "[]"), 2, "--attributes"),
        (("--page", "no/such/folder"), 2, "no folder"),
        (("--attributes", '{"budgett": 1}'), 1, "budgett"),
    ],
)
def test_a_machine_that_cannot_start_says_why(arguments: tuple[str, ...], status: int, words: str) -> None:
    ended = started(*arguments)
    assert ended.returncode == status
    assert words in ended.stderr
    assert ended.stdout == ""


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [
            sys.executable,
            "-m",
            "viam_billing_sandbox.machine",
            "--direct",
            "--port",
            str(taken.getsockname()[1]),
        ]
        ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)  # noqa: S603 - this project's own
    assert ended.returncode == 1
    assert "address already in use" in ended.stderr
