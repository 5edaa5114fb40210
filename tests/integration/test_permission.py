"""What the configuration opens: commands, organizations, locations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID
from support.white_label import ADDRESS, LOGO
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUESTS: dict[str, dict[str, object]] = {
    "get_current_month_usage": {},
    "get_org_billing_information": {},
    "get_invoices_summary": {},
    "get_invoice_pdf": {"invoice_id": "x"},
    "get_available_billing_tiers": {},
    "get_location_billing_organization": {},
    "get_location_usage": {},
    "check_access": {},
    "send_payment_required_email": {"customer_org_id": DEFAULT_ORG_ID},
    "update_organization_billing_tier": {"organization_id": DEFAULT_ORG_ID, "billing_tier": "enterprise"},
    "update_location_billing_organization": {
        "location_id": DEFAULT_LOCATION_ID,
        "billing_organization_id": DEFAULT_ORG_ID,
    },
    "get_billing_service_config": {},
    "organization_get_support_email": {},
    "organization_get_logo": {},
    "disable_billing_service": {"org_id": DEFAULT_ORG_ID},
    "enable_billing_service": {"org_id": DEFAULT_ORG_ID, "billing_address": ADDRESS},
    "update_billing_service": {"org_id": DEFAULT_ORG_ID, "billing_address": ADDRESS},
    "organization_set_support_email": {"org_id": DEFAULT_ORG_ID, "email": "help@example.com"},
    "organization_set_logo": {"org_id": DEFAULT_ORG_ID, "content_base64": LOGO},
    "charge_organization": {"org_id_to_charge": DEFAULT_ORG_ID, "subtotal": 1, "idempotency_key": "a"},
    "create_invoice_and_charge_immediately": {"org_id_to_charge": DEFAULT_ORG_ID, "amount": 1, "idempotency_key": "a"},
    "get_charge": {"idempotency_key": "a"},
    "list_charges": {},
    "reconcile_charges": {},
    "resolve_charge": {"idempotency_key": "a", "outcome": "failed", "note": "looked"},
    "get_audit_log": {},
}
GROUP_OF = {
    "send_payment_required_email": "notify",
    "update_organization_billing_tier": "change",
    "update_location_billing_organization": "change",
    "disable_billing_service": "change",
    "enable_billing_service": "change",
    "update_billing_service": "change",
    "organization_set_support_email": "change",
    "organization_set_logo": "change",
    "charge_organization": "charge",
    "create_invoice_and_charge_immediately": "charge",
    "reconcile_charges": "charge",
    "resolve_charge": "by_name",
}
CHARGING = {"allowed_org_ids": [DEFAULT_ORG_ID], "charge_limits": {"per_charge": 10, "per_day": 100}}


async def is_allowed(service: Service, command: str) -> bool:
    """Whether the command gets past the permission, whatever comes of it."""
    try:
        refusal = await refused(service.do({command: REQUESTS[command]}))
    except pytest.fail.Exception:
        return True  # an answer
    return refusal.code != "command_not_allowed"


async def test_reading_is_allowed_by_default(make: Callable[..., Awaitable[Service]]) -> None:
    service = await make()
    allowed = {command for command in REQUESTS if await is_allowed(service, command)}
    assert allowed == set(REQUESTS) - set(GROUP_OF)


@pytest.mark.parametrize("command", GROUP_OF)
async def test_what_is_not_allowed_says_how_to_allow_it(service: Service, command: str) -> None:
    """The error names the attribute and what to add."""
    refusal = await refused(service.do({command: REQUESTS[command]}))
    assert refusal.code == "command_not_allowed"
    assert "allowed_commands" in refusal.text
    assert command in refusal.text
    group = GROUP_OF[command]
    assert (f'"{group}"' in refusal.text) is (group != "by_name")


@pytest.mark.parametrize("group", ["read", "notify", "change", "charge"])
async def test_a_group_opens_its_commands(make: Callable[..., Awaitable[Service]], group: str) -> None:
    service = await make(allowed_commands=[group], **CHARGING)
    allowed = {command for command in REQUESTS if await is_allowed(service, command)}
    assert allowed == {command for command in REQUESTS if GROUP_OF.get(command, "read") == group}


@pytest.mark.parametrize(
    "name",
    [
        *("get_location_usage", "send_payment_required_email", "check_access"),
        *("charge_organization", "reconcile_charges", "resolve_charge"),
    ],
)
async def test_a_name_opens_one_command(make: Callable[..., Awaitable[Service]], name: str) -> None:
    """The command itself, and no other of its kind."""
    service = await make(allowed_commands=[name], **CHARGING)
    assert {command for command in REQUESTS if await is_allowed(service, command)} == {name}


async def test_an_empty_list_allows_help_and_status_alone(make: Callable[..., Awaitable[Service]]) -> None:
    """Help and status are always there, and help says that nothing is allowed."""
    service = await make(allowed_commands=[])
    assert not [command for command in REQUESTS if await is_allowed(service, command)]
    commands = (await service.ask("help"))["commands"]
    assert {name for name, row in commands.items() if row["allowed"]} == {"get_status", "help"}
    assert (await service.status())["allowed_commands"] == []


async def test_what_is_refused_never_reaches_the_cloud(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """Neither a command that is not allowed nor an id out of scope costs as much as a login."""
    service = await make()
    await refused(service.do({"update_organization_billing_tier": REQUESTS["update_organization_billing_tier"]}))
    await refused(service.do({"charge_organization": REQUESTS["charge_organization"]}))
    await refused(service.ask("get_current_month_usage", org_id=HARBOR_ID))
    await refused(service.ask("get_location_usage", location_id="pier7hl001"))
    assert control.stats().calls == {}


@pytest.mark.parametrize(
    "command",
    [
        "get_current_month_usage",
        "get_org_billing_information",
        "get_invoices_summary",
        "get_invoice_pdf",
        "get_available_billing_tiers",
        "get_billing_service_config",
        "organization_get_support_email",
        "organization_get_logo",
    ],
)
async def test_another_organization_is_out_of_scope(make: Callable[..., Awaitable[Service]], command: str) -> None:
    """By default the own one alone is in it."""
    refusal = await refused((await make()).ask(command, **{**REQUESTS[command], "org_id": HARBOR_ID}))
    assert refusal.code == "out_of_scope"
    assert "allowed_org_ids, and keep the own one in it." in refusal.text
    assert HARBOR_ID in refusal.text


@pytest.mark.parametrize("command", ["get_location_usage", "get_location_billing_organization"])
async def test_another_location_is_out_of_scope(make: Callable[..., Awaitable[Service]], command: str) -> None:
    """By default the own one alone is in it."""
    refusal = await refused((await make()).ask(command, location_id="pier7hl001"))
    assert refusal.code == "out_of_scope"
    assert "allowed_location_ids, and keep the own one in it." in refusal.text


async def test_a_list_opens_what_it_names(make: Callable[..., Awaitable[Service]]) -> None:
    """And no more than that: the own organization is not in a list that does not name it."""
    service = await make(allowed_org_ids=[HARBOR_ID])
    assert (await service.ask("get_current_month_usage", org_id=HARBOR_ID))["org_id"] == HARBOR_ID
    refusal = await refused(service.ask("get_current_month_usage", org_id=DEFAULT_ORG_ID))
    assert refusal.code == "out_of_scope"
    assert refusal.text.endswith("Add its ID to the attribute allowed_org_ids.")


async def test_a_star_opens_all(service: Service) -> None:
    """Also an ID that only the cloud can say no to."""
    assert (await service.ask("get_current_month_usage", org_id=HARBOR_ID))["org_id"] == HARBOR_ID
    assert (await refused(service.ask("get_current_month_usage", org_id="nobody"))).code == "not_found"


async def test_a_star_is_no_id(service: Service) -> None:
    """In a call it is a text like any other."""
    assert (await refused(service.ask("get_current_month_usage", org_id="*"))).code == "not_found"


async def test_usage_may_be_read_through_an_allowed_location(make: Callable[..., Awaitable[Service]]) -> None:
    """That of the organization that bills it, although the organization itself is out of scope."""
    service = await make(allowed_location_ids=["pier7hl001"])
    answer = await service.ask("get_location_usage", location_id="pier7hl001")
    assert answer["billing_organization_id"] == HARBOR_ID
    assert (await refused(service.ask("get_current_month_usage", org_id=HARBOR_ID))).code == "out_of_scope"


async def test_a_customer_has_to_be_in_scope(make: Callable[..., Awaitable[Service]], control: SandboxControl) -> None:
    """No e-mail goes to an organization that the configuration does not name, and none in another's name."""
    service = await make(allowed_commands=["notify"])
    for ids in (
        {"customer_org_id": HARBOR_ID},
        {"customer_org_id": DEFAULT_ORG_ID, "billing_owner_org_id": HARBOR_ID},
    ):
        assert (await refused(service.ask("send_payment_required_email", **ids))).code == "out_of_scope"
    assert control.stats().calls == {}


async def test_location_and_payer_have_to_be_in_scope(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """Each of the two on its own, also in a dry run."""
    service = await make(allowed_commands=["change"])
    command = "update_location_billing_organization"
    for location, payer, attribute in (
        (DEFAULT_LOCATION_ID, HARBOR_ID, "allowed_org_ids"),
        ("pier7hl001", DEFAULT_ORG_ID, "allowed_location_ids"),
    ):
        for dry_run in (False, True):
            ids = {"location_id": location, "billing_organization_id": payer}
            refusal = await refused(service.ask(command, **ids, dry_run=dry_run))
            assert refusal.code == "out_of_scope"
            assert attribute in refusal.text
    assert control.stats().calls == {}


@pytest.mark.parametrize("dry_run", [False, True])
async def test_an_organization_is_charged_in_scope_only(
    make: Callable[..., Awaitable[Service]], control: SandboxControl, *, dry_run: bool
) -> None:
    """The one charged and the one whose name the invoice carries, also in a dry run."""
    service = await make(allowed_commands=["charge"], **CHARGING)
    for ids in ({"org_id": HARBOR_ID}, {"org_id": DEFAULT_ORG_ID, "org_id_for_branding": HARBOR_ID}):
        charge = {**ids, "subtotal": 1, "idempotency_key": "scope", "dry_run": dry_run}
        refusal = await refused(service.ask("charge_organization", **charge))
        assert refusal.code == "out_of_scope"
        assert "allowed_org_ids" in refusal.text
        assert HARBOR_ID in refusal.text
    assert control.stats().calls == {}


async def test_a_tier_is_changed_in_scope_only(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """An organization that is not named stays as it is."""
    service = await make(allowed_commands=["change"])
    request = {"organization_id": HARBOR_ID, "billing_tier": "standard"}
    assert (await refused(service.ask("update_organization_billing_tier", **request))).code == "out_of_scope"
    assert control.stats().calls == {}


async def test_each_service_has_its_own_permission(
    make: Callable[..., Awaitable[Service]], module: ModuleProcess
) -> None:
    """Two services of one module do not lend each other what they allow."""
    narrow, wide = await make(), await make(allowed_org_ids=["*"])
    assert (await wide.ask("get_current_month_usage", org_id=HARBOR_ID))["org_id"] == HARBOR_ID
    assert (await refused(narrow.ask("get_current_month_usage", org_id=HARBOR_ID))).code == "out_of_scope"
    assert narrow.module is wide.module is module
