"""The attributes of the service: what is accepted, what is refused and in which words, what the machine fills in."""

from __future__ import annotations

import math
import stat
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError

from support.module_process import ModuleProcess
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
CHARGES = {
    "allowed_commands": ["read", "charge"],
    "allowed_org_ids": [DEFAULT_ORG_ID],
    "charge_limits": {"per_charge": 100, "per_day": 250.5},
    "state_dir": "/var/lib/viam-billing",
}


async def errors(module: ModuleProcess, block: dict[str, Any]) -> str:
    """The words of a validation error."""
    with pytest.raises(GRPCError) as caught:
        await module.validate(block)
    message = caught.value.message or ""
    assert "expected" in message
    assert not any(word in message for word in ("Traceback", ".py", "func_name"))
    return message


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"api_key": "secret", "api_key_id": DEFAULT_API_KEY_ID},
        {"api_key": "secret", "api_key_id": DEFAULT_API_KEY_ID.upper()},
        {"org_id": DEFAULT_ORG_ID, "location_id": DEFAULT_LOCATION_ID},
        {"allowed_commands": []},
        {"allowed_commands": ["read", "notify", "change"]},
        {"allowed_commands": ["get_location_usage", "help"]},
        {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"]},
        {"allowed_org_ids": [], "allowed_location_ids": []},
        {"reveal_payment_details": True},
        {"timeout_s": 0.5, "cache_ttl_s": 0, "max_stale_s": 0},
        {"max_pdf_bytes": 1},
        {"max_pdf_bytes": 22 * MIB},
        {"state_dir": "/nowhere/at/all"},
        {"budget": {"monthly": 500}},
        {"budget": {"monthly": 0.01, "warn_at": [0, 1]}},
        {"budget": {"monthly": 500, "warn_at": []}},
        CHARGES,
        {**CHARGES, "allowed_commands": ["charge_organization"]},
        {**CHARGES, "allowed_commands": ["charge", "resolve_charge"]},
        {"allowed_commands": ["get_charge", "list_charges", "get_audit_log", "resolve_charge"]},
    ],
)
async def test_a_good_block_is_accepted(module: ModuleProcess, block: dict[str, Any]) -> None:
    await module.validate(block)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("api_key", (1, "", True, ["k"])),
        ("api_key_id", (1, "", "no-uuid", "0b3f7d5e9c1a4f628e572d4c6a8b9e10")),
        ("org_id", (1, "", " ", ["o"])),
        ("location_id", (1, "", " ", {})),
        ("allowed_commands", ("read", [1], ["reed"], ["*"], [""], {"read": True}, ["by_name"])),
        ("allowed_org_ids", ("*", [1], [""], {})),
        ("allowed_location_ids", ("*", [1], [""], {})),
        ("reveal_payment_details", ("true", 1, [])),
        ("timeout_s", (0, -1, "20", True, math.nan, math.inf)),
        ("cache_ttl_s", (-1, "300", math.nan)),
        ("max_stale_s", (-0.001, "x", math.inf)),
        ("max_pdf_bytes", (0, -1, 1.5, 22 * MIB + 1, "16")),
        (
            "charge_limits",
            (1, [], {"per_charge": 10}, {"per_charge": 0, "per_day": 1}, {"per_charge": 1, "per_day": 0.001}),
        ),
        ("charge_limits", ({"per_charge": 1, "per_day": 2, "per_week": 3}, {"per_charge": "1", "per_day": 2})),
        ("state_dir", (1, "", "relative/path", "~/data", "./x")),
        ("budget", (500, {}, {"monthly": 0}, {"monthly": -1}, {"monthly": 10.005}, {"monthly": 1, "colour": "red"})),
        (
            "budget",
            ({"monthly": 1, "warn_at": [1.01]}, {"monthly": 1, "warn_at": [-0.1]}, {"monthly": 1, "warn_at": 0.5}),
        ),
    ],
)
async def test_a_wrong_value_is_named(module: ModuleProcess, name: str, values: tuple[object, ...]) -> None:
    """The error names the attribute, what was found and what is expected; null is wrong everywhere."""
    other = {"api_key": {"api_key_id": DEFAULT_API_KEY_ID}, "api_key_id": {"api_key": "secret"}}.get(name, {})
    for value in (*values, None):
        message = await errors(module, {**other, name: value})
        assert name in message, value
        assert "found" in message
        assert "expected" in message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("charges", "charge or get_charge or list_charges"),
        ("Read", "read"),
        ("get_location_usages", "get_location_usage"),
    ],
)
async def test_a_misspelt_command_or_group_is_guessed(module: ModuleProcess, name: str, meant: str) -> None:
    message = await errors(module, {"allowed_commands": [name]})
    assert f'allowed_commands[0]: found "{name}", expected {meant}' in message


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"budget": {"monthly": 1, "warn_at": [50, "x"]}}, ("budget.warn_at[0]: found 50,", 'warn_at[1]: found "x",')),
        ({"budget": {"monthly": 1, "warn_at": [0.5, -1]}}, ("budget.warn_at[1]: found -1, expected a fraction from",)),
        ({"allowed_commands": ["read", 5]}, ("allowed_commands[1]: found 5, expected the name of a command",)),
        ({"allowed_commands": ["read", "xyz"]}, ('allowed_commands[1]: found "xyz", expected the name of a command',)),
        ({"allowed_org_ids": ["*", " "]}, ('allowed_org_ids[1]: found " ", expected a non-empty text',)),
        ({"allowed_location_ids": [None]}, ("allowed_location_ids[0]: found null, expected a non-empty text",)),
    ],
)
async def test_what_is_wrong_in_a_list_is_named(
    module: ModuleProcess, block: dict[str, Any], told: tuple[str, ...]
) -> None:
    message = await errors(module, block)
    assert all(words in message for words in told), message


@pytest.mark.parametrize(
    "address",
    [
        *("https://app.viam.com", "https://app.viam.com:443", "https://app.viam.com/", "https://localhost:8443"),
        *("http://localhost:8080", "http://127.0.0.1", "http://127.8.9.10:80", "http://[::1]:8080"),
        *("/run/sandbox.sock", "https://localhost.example.com"),
    ],
)
async def test_an_address_is_accepted(module: ModuleProcess, address: str) -> None:
    """TLS anywhere, plain http on loopback, and the path of a unix socket."""
    await module.validate({"app_address": address})


@pytest.mark.parametrize(
    "address",
    [
        *("http://app.viam.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://0.0.0.0:80"),
        *("http://[::]:80", "http://10.0.0.1", "http://128.0.0.1", "app.viam.com", "localhost:8080", "", "https://"),
        *("ftp://app.viam.com", "https://user:pass@app.viam.com", "https://app.viam.com/path", "cloud.sock"),
        *("https://app.viam.com:0", "https://app.viam.com:99999", "https://app.viam.com?x=1", "unix:///x.sock"),
        *("http://localhost@example.com", "https://app viam.com", "http://[::ffff:127.0.0.1]:80"),
    ],
)
async def test_another_address_is_refused(module: ModuleProcess, address: str) -> None:
    """Plain http elsewhere, names that only look like loopback, and what is no address."""
    assert "app_address" in await errors(module, {"app_address": address})


@pytest.mark.parametrize(("given", "missing"), [("api_key", "api_key_id"), ("api_key_id", "api_key")])
async def test_key_and_id_go_together(module: ModuleProcess, given: str, missing: str) -> None:
    """One without the other is an error that names the one that is not there."""
    values = {"api_key": "secret", "api_key_id": DEFAULT_API_KEY_ID}
    assert f"{missing}: found nothing" in await errors(module, {given: values[given]})


@pytest.mark.parametrize("name", ["organization", "organizationId", "orgs"])
async def test_the_org_is_known_by_its_other_names(module: ModuleProcess, name: str) -> None:
    assert "expected org_id (a name close to it)" in await errors(module, {name: DEFAULT_ORG_ID})


@pytest.mark.parametrize(
    "block", [{"budget": {"monthly": 1e12}}, {"charge_limits": {"per_charge": 1, "per_day": 1e12}}]
)
async def test_an_amount_that_is_too_large_is_told_the_limit(module: ModuleProcess, block: dict[str, Any]) -> None:
    assert "found 1000000000000, expected an amount in dollars above 0 and below 10^12" in await errors(module, block)


async def test_an_unknown_attribute_is_named(module: ModuleProcess) -> None:
    message = await errors(module, {"allowed_comands": ["read"]})
    assert "allowed_comands" in message
    assert "allowed_commands" in message


async def test_all_errors_are_told_at_once(module: ModuleProcess) -> None:
    """One look is enough to correct a whole block."""
    block = {
        "timeout_s": 0,
        "colour": "red",
        "api_key": "secret",
        "budget": {"monthly": 0},
        "allowed_commands": ["reed"],
    }
    message = await errors(module, block)
    assert all(name in message for name in ("timeout_s", "colour", "api_key_id", "budget", "reed"))


@pytest.mark.parametrize(
    "block",
    [
        {"api_key": [DEFAULT_API_KEY], "api_key_id": DEFAULT_API_KEY_ID},
        {"api_key": DEFAULT_API_KEY, "api_key_id": DEFAULT_API_KEY},
        {"apikey": DEFAULT_API_KEY},
        {"api_key": DEFAULT_API_KEY},
        {"api_key": {"value": DEFAULT_API_KEY}},
        {"api_key": DEFAULT_API_KEY, "api_key_id": DEFAULT_API_KEY_ID, "app_address": f"https://{DEFAULT_API_KEY}@x"},
        {"api_key": DEFAULT_API_KEY, "api_key_id": DEFAULT_API_KEY_ID, "timeout_s": DEFAULT_API_KEY},
    ],
)
async def test_the_key_is_never_shown(module: ModuleProcess, block: dict[str, Any]) -> None:
    """Whatever is wrong with it and wherever it was put."""
    assert DEFAULT_API_KEY not in await errors(module, block)
    assert DEFAULT_API_KEY not in module.log


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"charge_limits": None}, "charge_limits"),
        ({"allowed_org_ids": None}, "allowed_org_ids"),
        ({"allowed_org_ids": []}, "allowed_org_ids"),
        ({"allowed_org_ids": ["*"]}, "allowed_org_ids"),
        ({"allowed_org_ids": [DEFAULT_ORG_ID, "*"]}, "allowed_org_ids"),
        ({"state_dir": None}, "state_dir"),
        ({"state_dir": "{data}"}, "state_dir"),
        ({"state_dir": "{data}/charges"}, "state_dir"),
        ({"state_dir": "{data}/../data/x"}, "state_dir"),
    ],
)
@pytest.mark.parametrize(
    "allowed", ["charge", "charge_organization", "create_invoice_and_charge_immediately", "reconcile_charges"]
)
async def test_a_charge_needs_its_attributes(
    module: ModuleProcess, change: dict[str, Any], named: str, allowed: str
) -> None:
    """Limits, organizations by name, and a folder that the platform does not delete."""
    changed = {**CHARGES, "allowed_commands": [allowed], **change}
    block = {name: value for name, value in changed.items() if value is not None}
    if "state_dir" in block:
        block["state_dir"] = block["state_dir"].format(data=module.data)
    assert named in await errors(module, block)


async def test_a_folder_in_the_modules_root_keeps_no_charges(tmp_path: Path) -> None:
    """The platform replaces that folder with every update."""
    async with ModuleProcess({"VIAM_MODULE_ROOT": str(tmp_path)}) as module:
        assert "VIAM_MODULE_ROOT" in await errors(module, {**CHARGES, "state_dir": str(tmp_path / "state")})


async def test_the_machine_fills_in_what_is_not_configured(attributes: dict[str, Any], control: SandboxControl) -> None:
    """Key, organization and location come from what viam-server sets."""
    machine = {
        "VIAM_API_KEY": DEFAULT_API_KEY,
        "VIAM_API_KEY_ID": DEFAULT_API_KEY_ID,
        "VIAM_PRIMARY_ORG_ID": DEFAULT_ORG_ID,
        "VIAM_LOCATION_ID": DEFAULT_LOCATION_ID,
    }
    async with ModuleProcess(machine) as module:
        await module.add({"app_address": attributes["app_address"]})
        usage = await module.ask("get_location_usage")
        information = await module.ask("get_org_billing_information")
    assert usage["location_id"] == DEFAULT_LOCATION_ID
    assert information["org_id"] == DEFAULT_ORG_ID
    assert control.stats().logins == 1


async def test_the_state_folder_is_the_owners_alone(module: ModuleProcess, attributes: dict[str, Any]) -> None:
    """The last folder of state_dir is made, 0700, and the files in it are 0600."""
    await module.add({**attributes, "allowed_commands": ["read", "notify"], "allowed_org_ids": ["*"]}, "stateful")
    send = {"command": "send_payment_required_email", "customer_org_id": DEFAULT_ORG_ID}
    await module.do(send, name="stateful")
    await module.do({"command": "get_invoice_pdf", "id": await _invoice(module), "save_as": "a.pdf"}, name="stateful")
    assert modes(Path(attributes["state_dir"])) == {(True, 0o700), (False, 0o600)}
    await module.remove("stateful")


def modes(folder: Path) -> set[tuple[bool, int]]:
    """Whether it is a folder, and its mode, of the folder and of all in it."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (folder, *folder.rglob("*"))}


async def _invoice(module: ModuleProcess) -> str:
    invoices = (await module.do({"command": "get_invoices_summary"}, name="stateful"))["invoices"]
    return str(invoices[0]["id"])
