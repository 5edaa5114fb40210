"""Which machine is asked: options, the environment, profiles, several at once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.cli_process import Done, run
from support.fake_robot import FakeRobot, failing, fake_robot

KEY = "key-of-the-profile"
KEY_ID = "5d1c7b3a-2e4f-4a86-9b0c-1f2e3d4c5b6a"


class Profiles:
    """A configuration folder with `config.toml`."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "viam-billing" / "config.toml"
        self.file.parent.mkdir(parents=True)

    def write(self, text: str) -> None:
        """Make this the file; nobody else may read it."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    async def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """Run a command with this folder."""
        return await run(*arguments, env={"XDG_CONFIG_HOME": str(self.file.parents[1]), **(env or {})})


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    """No profile yet."""
    return Profiles(tmp_path)


def profile(name: str, port: int, more: str = "") -> str:
    return f'[machines.{name}]\naddress = "localhost:{port}"\ninsecure = true\n{more}\n'


async def test_the_only_profile_and_the_default_one_need_no_name(robot: FakeRobot, profiles: Profiles) -> None:
    profiles.write(profile("north", robot.port))
    assert (await profiles.run("tiers")).code == 0
    profiles.write('default = "north"\n' + profile("south", 1) + profile("north", robot.port))
    assert (await profiles.run("tiers")).code == 0
    profiles.write(profile("south", 1) + profile("north", robot.port))
    undecided = await profiles.run("tiers")
    assert (undecided.code, "--machine" in undecided.errors) == (2, True)
    assert (await profiles.run("tiers", "--machine", "north")).code == 0
    assert (await profiles.run("tiers", env={"VIAM_BILLING_MACHINE": "north"})).code == 0


async def test_the_command_line_comes_before_the_environment_and_that_before_profiles(
    robot: FakeRobot, profiles: Profiles
) -> None:
    here = {"VIAM_BILLING_ADDRESS": f"localhost:{robot.port}", "VIAM_BILLING_INSECURE": "1"}
    nowhere = {"VIAM_BILLING_ADDRESS": "localhost:1", "VIAM_BILLING_INSECURE": "1"}
    profiles.write(profile("south", 1))
    assert (await profiles.run("tiers", env=here)).code == 0
    assert (await profiles.run("tiers", env={**nowhere, "VIAM_BILLING_MACHINE": "south"}, *robot.options)).code == 0  # noqa: B026
    profiles.write(profile("north", robot.port))
    assert (await profiles.run("tiers", "--machine", "north", env=nowhere)).code == 0


@pytest.mark.parametrize("where", ["before", "after", "glued"])
async def test_options_stand_before_the_command_or_after_it(robot: FakeRobot, where: str) -> None:
    options = (*robot.options, "--output=json")
    glued = ("tiers", *robot.options, "-ojson")
    arguments = {"before": (*options, "tiers"), "after": ("tiers", *options), "glued": glued}[where]
    assert json.loads((await run(*arguments)).output)["tiers"]


async def test_a_service_of_another_name_is_asked(robot: FakeRobot) -> None:
    done = await run("tiers", "--service", "accounts", *robot.options)
    assert (done.code, '"accounts"' in done.errors) == (3, True)
    assert robot.asked == []


async def test_several_machines_give_a_row_each_and_one_that_fails_fails_alone(profiles: Profiles) -> None:
    async with fake_robot() as north, fake_robot() as south:
        south.answer = failing("key_rejected: the cloud refused the key. Look at api_key.")
        profiles.write(profile("north", north.port) + profile("south", south.port) + profile("west", 1))
        machines = ("--machine", "north", "--machine", "south", "--machine", "west")
        table = await profiles.run("usage", *machines)
        assert table.code == 1
        assert [line.split()[0] for line in table.output.splitlines()] == ["machine", "north", "south", "west"]
        assert "$1,316.10" in table.output
        assert "viam-billing: south: key_rejected: " in table.errors
        assert "viam-billing: west: the machine at localhost:1 cannot be reached" in table.errors
        answers = json.loads((await profiles.run("usage", *machines, "-o", "json")).output)
        assert [each["machine"] for each in answers] == ["north", "south", "west"]
        assert answers[0]["answer"]["month_to_date"] == 1316.1
        assert answers[1]["error"]["code"] == "key_rejected"
        rows = list(csv.DictReader(io.StringIO((await profiles.run("usage", *machines, "-o", "csv")).output)))
        assert [(row["machine"], row["month_to_date"], row["error"]) for row in rows] == [
            ("north", "1316.1", ""),
            ("south", "", "key_rejected"),
            ("west", "", "NoConnectionError"),
        ]
        unreached = await profiles.run("usage", "--machine", "north", "--machine", "west")
        assert unreached.code == 3


@pytest.mark.parametrize("command", ["fleet", "history", "invoices", "audit", "access", "status", "budget", "compare"])
async def test_each_command_sums_a_machine_up_in_a_row(profiles: Profiles, command: str) -> None:
    async with fake_robot() as north, fake_robot() as south:
        profiles.write(profile("north", north.port) + profile("south", south.port))
        done = await profiles.run(command, "--machine", "north", "--machine", "south")
        assert done.errors == ""
        assert len(done.output.splitlines()) == 3


@pytest.mark.parametrize(
    "command",
    [
        ("charge", "--org", "a", "--subtotal", "1", "--key", "k", "--yes"),
        ("charges", "resolve", "k", "--outcome", "failed", "--note", "n", "--yes"),
        ("do", '{"get_status": {}}'),
        ("export", "focus"),
        ("invoice", "x"),
    ],
)
async def test_what_is_done_once_takes_one_machine(
    robot: FakeRobot, profiles: Profiles, command: tuple[str, ...]
) -> None:
    profiles.write(profile("north", robot.port) + profile("south", robot.port))
    done = await profiles.run(*command, "--machine", "north", "--machine", "south")
    assert (done.code, "one --machine" in done.errors) == (2, True)
    assert robot.asked == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"api_key = {KEY}", "not TOML"),
        ("[machines.a]\nservice = 'x'", "needs an `address`"),
        (f"[machines.a]\naddress = 'x'\napi-key = '{KEY}'", "unknown field api-key"),
        (f"[machines.a]\naddress = 'x'\napi_key = '{KEY}'", "api-key-id is missing"),
        ("[machines.a]\naddress = 5", "address of [machines.a] has to be text"),
        ("[machines.a]\naddress = 'x'\ninsecure = 1", "insecure of [machines.a] has to be true or false"),
        ("colour = 'blue'", "nothing else"),
        (f"[machines.a]\naddress = 'x:1'\ninsecure = true\napi_key = '{KEY}'\napi_key_id = '{KEY_ID}'", "network"),
    ],
)
async def test_a_wrong_profile_is_told_without_its_key(profiles: Profiles, text: str, words: str) -> None:
    profiles.write(text)
    done = await profiles.run("usage")
    assert (done.code, done.output) == (2, "")
    assert words in done.errors
    assert KEY not in done.errors


async def test_only_a_typed_output_is_refused_by_an_export(robot: FakeRobot) -> None:
    """And CSV is what it is."""
    for arguments, env in (((), {"VIAM_BILLING_OUTPUT": "json"}), (("-o", "csv"), {})):
        done = await run("export", "focus", *arguments, *robot.options, env=env)
        assert (done.code, done.output.split(",")[0]) == (0, "BilledCost")


async def test_a_file_of_keys_that_others_can_read_is_told(profiles: Profiles) -> None:
    profiles.write(f"[machines.a]\naddress = 'localhost:1'\napi_key = '{KEY}'\napi_key_id = '{KEY_ID}'")
    profiles.file.chmod(0o644)
    done = await profiles.run("usage", "--timeout", "0.2")
    assert "chmod 600" in done.errors
    assert KEY not in done.errors
