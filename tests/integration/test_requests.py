"""What a request may look like: spellings, names, types, and what is said about those that are wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
from grpclib.client import UnaryUnaryMethod
from viam.gen.common.v1 import common_pb2

from support.module_process import ModuleProcess, Refusal, Service, refused
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMANDS = {
    "get_current_month_usage": "read",
    "get_org_billing_information": "read",
    "get_invoices_summary": "read",
    "get_invoice_pdf": "read",
    "send_payment_required_email": "notify",
    "get_available_billing_tiers": "read",
    "update_organization_billing_tier": "change",
    "get_location_billing_organization": "read",
    "update_location_billing_organization": "change",
    "get_billing_service_config": "read",
    "enable_billing_service": "change",
    "update_billing_service": "change",
    "disable_billing_service": "change",
    "organization_get_support_email": "read",
    "organization_set_support_email": "change",
    "organization_get_logo": "read",
    "organization_set_logo": "change",
    "charge_organization": "charge",
    "create_invoice_and_charge_immediately": "charge",
    "get_charge": "read",
    "list_charges": "read",
    "reconcile_charges": "charge",
    "resolve_charge": "by_name",
    "get_audit_log": "read",
    "get_location_usage": "read",
    "get_fleet_usage": "read",
    "check_budget": "read",
    "get_usage_history": "read",
    "compare_usage": "read",
    "check_access": "read",
    "test_alert": "notify",
    "get_status": "always",
    "help": "always",
}
CHARGE: dict[str, Any] = {"org_id": DEFAULT_ORG_ID, "amount_owed": 12.5, "idempotency_key": "visit-1"}


async def wrong(service: Service, command: dict[str, Any]) -> Refusal:
    """The refusal of a request that is wrong in itself."""
    refusal = await refused(service.do(command))
    assert refusal.code == "invalid_request"
    return refusal


async def test_the_nested_spelling_answers_nested(service: Service) -> None:
    answer = await service.do({"get_location_billing_organization": {"location_id": "pier7hl001"}})
    assert answer["get_location_billing_organization"]["location_id"] == "pier7hl001"
    assert len(answer) == 1


async def test_the_flat_spelling_answers_flat(service: Service) -> None:
    answer = await service.do({"command": "get_location_billing_organization", "location_id": "pier7hl001"})
    assert answer["location_id"] == "pier7hl001"


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"help": {}, "get_location_usage": {}},
        {"help": None},
        {"help": []},
        {"help": "get_location_usage"},
        {"help": 1},
        {"help": True},
        {"command": None},
        {"command": ""},
        {"command": "  "},
        {"command": 7},
        {"command": ["help"]},
        {"command": {}},
        {"command": "help", "get_location_usage": {}},
    ],
)
async def test_a_wrong_form_is_refused(service: Service, command: dict[str, Any]) -> None:
    """None, two commands, a value that is no object, a `command` that is no name."""
    await wrong(service, command)


@pytest.mark.parametrize("name", ["get_invoice_summary", "charge", "GET_LOCATION_USAGE", " help", "", "x" * 5000, "\n"])
async def test_an_unknown_command_points_to_help(service: Service, name: str) -> None:
    refusal = await refused(service.do({name: {}}))
    assert refusal.code == "unknown_command"
    assert "help" in refusal.text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("get_invoice_summary", "get_invoices_summary"), ("GetInvoicesSummary", "get_invoices_summary")),
        *(("logo", "organization_get_logo"), ("set_logo", "organization_set_logo"), ("tiers", "billing_tier")),
        *(("enable", "enable_billing_service"), ("support", "support_email"), ("white_label", "get_billing_service")),
        *(
            ("usage", "get_location_usage"),
            ("cost", "get_fleet_usage"),
            ("forecast", "usage"),
            ("month", "month_usage"),
        ),
        *(
            ("fleet", "get_fleet_usage"),
            ("budget", "check_budget"),
            ("history", "usage_history"),
            ("pdf", "invoice_pdf"),
        ),
        *(("invoices", "get_invoices_summary"), ("payer", "location_billing_organization"), ("log", "get_audit_log")),
        *(("charge", "charge_organization"), ("charges", "list_charges"), ("journal", "list_charges")),
        *(
            ("email", "send_payment"),
            ("alerts", "test_alert"),
            ("status", "get_status"),
            ("permission", "check_access"),
        ),
    ],
)
async def test_an_unknown_command_names_close_matches(service: Service, name: str, meant: str) -> None:
    """A misspelt name is answered with the one that was meant, the short word of a family with some of its commands."""
    assert meant in (await refused(service.ask(name))).text.partition("Did you mean ")[2]


async def test_an_unknown_parameter_is_named(service: Service) -> None:
    """A name that the command does not have is refused, whatever its value."""
    refusal = await wrong(service, {"get_location_usage": {"location": "wh1north01"}})
    assert '"location"' in refusal.text
    assert "location_id" in refusal.text


async def test_all_wrong_parameters_are_named_at_once(service: Service) -> None:
    """One answer is enough to correct a whole request."""
    refusal = await wrong(service, {"get_invoices_summary": {"limit": 0, "since": "today", "colour": "red"}})
    assert all(name in refusal.text for name in ("limit", "since", "colour"))


async def test_null_is_not_nothing(service: Service) -> None:
    refusal = await wrong(service, {"get_invoices_summary": {"limit": None}})
    assert "limit: found null" in refusal.text


async def test_a_number_is_finite(service: Service) -> None:
    """NaN and infinity pass a Struct, and no further."""
    for number in (math.nan, math.inf, -math.inf):
        assert "max_age_s" in (await wrong(service, {"get_location_usage": {"max_age_s": number}})).text


async def test_a_whole_float_is_an_integer(service: Service) -> None:
    assert len((await service.ask("get_invoices_summary", limit=2.0))["invoices"]) == 2


@pytest.mark.parametrize(
    ("name", "alias", "command"),
    [
        ("invoice_id", "id", {"get_invoice_pdf": {"invoice_id": "a", "id": "a"}}),
        (
            "organization_id",
            "org_id",
            {"update_organization_billing_tier": {"organization_id": "a", "org_id": "a", "billing_tier": "b"}},
        ),
        ("org_id_to_charge", "org_id", {"charge_organization": {**CHARGE, "org_id_to_charge": DEFAULT_ORG_ID}}),
        ("subtotal", "amount_owed", {"charge_organization": {**CHARGE, "subtotal": 12.5}}),
    ],
)
async def test_an_alias_beside_its_name_is_refused(
    service: Service, name: str, alias: str, command: dict[str, Any]
) -> None:
    refusal = await wrong(service, command)
    assert name in refusal.text
    assert alias in refusal.text


async def test_parameters_come_before_permission(service: Service) -> None:
    """A wrong request is told as such, whether or not its command is allowed."""
    assert "billing_tier" in (await wrong(service, {"update_organization_billing_tier": {"org_id": "a"}})).text


@pytest.mark.parametrize("name", ["charge_organization", "create_invoice_and_charge_immediately"])
async def test_a_charge_is_checked_before_permission(service: Service, control: SandboxControl, name: str) -> None:
    """Amounts are whole cents above 0, the key is needed, and a good request meets the permission; nothing is sent."""
    amount = "subtotal" if name == "charge_organization" else "amount"
    charge = {"org_id_to_charge": DEFAULT_ORG_ID, "idempotency_key": "visit-1"}
    assert (await refused(service.do({name: {**charge, amount: 12.5}}))).code == "command_not_allowed"
    for dollars in (0, -1, 0.001, 10.005, "12.5", True, 1e15):
        assert amount in (await wrong(service, {name: {**charge, amount: dollars}})).text
    assert "idempotency_key" in (await wrong(service, {name: {"org_id": DEFAULT_ORG_ID, amount: 1}})).text
    assert control.stats().calls == {}


async def test_a_description_has_a_limit(service: Service) -> None:
    """1,000 characters are taken, one more is not."""
    fits = await refused(service.do({"charge_organization": {**CHARGE, "description": "€" * 1000}}))
    assert fits.code == "command_not_allowed"
    assert "description" in (await wrong(service, {"charge_organization": {**CHARGE, "description": "x" * 1001}})).text


@pytest.mark.parametrize(
    "since",
    [
        *("2026-11-01T00:00:00", "2026-11-01", "2026-13-01T00:00:00Z", "yesterday", "1793491200"),
        *("2026-11-01T24:00:00Z", "2026-11-01T00:00:00+0200", "20261101T000000Z", ""),
    ],
)
async def test_a_time_needs_an_offset(service: Service, since: str) -> None:
    """Times are RFC 3339, and without an offset nobody knows which."""
    assert "since" in (await wrong(service, {"get_invoices_summary": {"since": since}})).text


async def test_an_errors_quote_is_cut_and_escaped(service: Service) -> None:
    """A caller's text cannot fill or fake a log line."""
    long = await wrong(service, {"help": {"name": "x" * 1_000_000}})
    assert "x" * 81 not in long.text
    tricky = await refused(service.ask("help", name="a\n2026-01-01 ERROR \x1b[31mfire"))
    assert "\\n2026-01-01 ERROR \\u001b" in tricky.text


class RawRequest:
    """A DoCommandRequest made by hand, deeper than protobuf for Python builds one."""

    def __init__(self, levels: int) -> None:
        value = _field(5, b"")
        for _ in range(levels):
            value = _field(5, _entry(b"a", value))
        command = _entry(b"help", _field(5, _entry(b"name", value)))
        self._bytes = _field(1, b"billing") + _field(2, command)

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """What is sent."""
        return self._bytes


def _entry(key: bytes, value: bytes) -> bytes:
    return _field(1, _field(1, key) + _field(2, value))


def _field(number: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("levels", [5, 31, 40, 200])
async def test_deep_nesting_is_an_invalid_request(module: ModuleProcess, levels: int) -> None:
    """Objects in objects are refused in words, however deep: viam-server passes them on."""
    await module.add({})
    path = "/viam.service.generic.v1.GenericService/DoCommand"
    call = UnaryUnaryMethod(module.channel, path, RawRequest, common_pb2.DoCommandResponse)
    try:
        assert (await refused(call(RawRequest(levels), timeout=5))).code == "invalid_request"
    finally:
        await module.remove()


async def test_a_flood_of_parameters_is_refused_in_a_short_message(service: Service) -> None:
    """A message over 64 KiB would end a client's connection."""
    await wrong(service, {"help": {f"parameter{i}": i for i in range(20_000)}})
    assert (await service.ask("help"))["version"]


async def test_help_names_every_command(service: Service) -> None:
    """Each with its effect, a summary, whether it is allowed and a schema."""
    answer = await service.ask("help")
    assert {name: row["effect"] for name, row in answer["commands"].items()} == COMMANDS
    assert all(row["summary"] for row in answer["commands"].values())
    allowed = {name for name, row in answer["commands"].items() if row["allowed"]}
    assert allowed == {name for name, effect in COMMANDS.items() if effect in {"read", "always"}}


async def test_help_for_one_command(service: Service) -> None:
    """With a name, that one alone; an unknown one is an error."""
    assert set((await service.ask("help", name="check_access"))["commands"]) == {"check_access"}
    assert (await refused(service.ask("help", name="nothing"))).code == "unknown_command"
