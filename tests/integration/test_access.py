"""check_access, and what each kind of key is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.conditions import holds
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY, MACHINE_KEY
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

BILLING_CALLS = {
    "get_current_month_usage",
    "get_org_billing_information",
    "get_invoices_summary",
    "get_available_billing_tiers",
    "get_location_billing_organization",
}
ORG_CALLS = {"get_current_month_usage", "get_org_billing_information", "get_invoices_summary"}


def key(key_id: str, secret: str) -> dict[str, str]:
    """A key's attributes."""
    return {"api_key_id": key_id, "api_key": secret}


async def test_an_owners_key_may_read_everything(service: Service, attributes: dict[str, Any]) -> None:
    """Every read call is ok, and the answer says with which key and where."""
    answer = await service.ask("check_access")
    assert answer["authenticated"] is True
    assert answer["api_key_id"] == DEFAULT_API_KEY_ID
    assert answer["app_address"] == attributes["app_address"]
    assert set(answer["calls"]) >= BILLING_CALLS
    assert set(answer["calls"].values()) == {"ok"}


async def test_a_machines_key_may_not_read_billing(make: Callable[..., Awaitable[Service]]) -> None:
    """It logs in, and every billing call is refused: the key that viam-server injects is such a one."""
    answer = await (await make(**key(*MACHINE_KEY))).ask("check_access")
    assert answer["authenticated"] is True
    assert {answer["calls"][name] for name in BILLING_CALLS} == {"key_lacks_permission"}


async def test_another_owners_key_may_not_read_this_organization(make: Callable[..., Awaitable[Service]]) -> None:
    """An owner of another organization is told apart, call by call."""
    answer = await (await make(**key(*HARBOR_KEY))).ask("check_access")
    assert {answer["calls"][name] for name in ORG_CALLS} == {"key_lacks_permission"}
    assert answer["calls"]["get_available_billing_tiers"] == "ok"


async def test_a_rejected_key_is_an_answer(make: Callable[..., Awaitable[Service]]) -> None:
    """A wrong key is what the command is there to find out: no error."""
    answer = await (await make(api_key="wrong-but-long-enough")).ask("check_access")
    assert answer["authenticated"] is False
    assert answer["api_key_id"] == DEFAULT_API_KEY_ID
    assert {answer["calls"][name] for name in BILLING_CALLS} == {"key_rejected"}


async def test_each_call_has_its_own_outcome(service: Service, control: SandboxControl) -> None:
    """One that fails shows its code, the others go on."""
    control.set_fault(Fault(rpc="GetInvoicesSummary", status="UNIMPLEMENTED"))
    calls = (await service.ask("check_access"))["calls"]
    assert calls["get_invoices_summary"] == "cloud_unimplemented"
    assert {code for name, code in calls.items() if name != "get_invoices_summary"} == {"ok"}


async def test_it_always_asks(service: Service, control: SandboxControl) -> None:
    """What was remembered says nothing about the key now, and max_age_s is no parameter."""
    await service.ask("check_access")
    once = control.stats().calls["GetCurrentMonthUsage"]
    await service.ask("check_access")
    assert control.stats().calls["GetCurrentMonthUsage"] == 2 * once
    assert (await refused(service.ask("check_access", max_age_s=0))).code == "invalid_request"


async def test_it_changes_nothing(service: Service, control: SandboxControl) -> None:
    await service.ask("check_access")
    stats = control.stats()
    assert (list(stats.emails), list(stats.charges), list(stats.changes)) == ([], [], [])
    assert {rpc[:3] for rpc in stats.calls} <= {"Get", "Lis", "Aut"}


async def test_a_cloud_that_is_away_is_told_for_every_call(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """Whether the key is good is then not known, and not made up."""
    service = await make(timeout_s=1)
    control.go_dark()
    answer = await service.ask("check_access")
    assert "authenticated" not in answer
    assert {answer["calls"][name] for name in BILLING_CALLS} == {"cloud_unreachable"}


@pytest.mark.parametrize(
    "command", ["check_access", "get_location_usage", "get_current_month_usage", "get_invoice_pdf"]
)
async def test_without_a_key_nothing_can_be_asked(make: Callable[..., Awaitable[Service]], command: str) -> None:
    service = await make(api_key=None, api_key_id=None)
    parameters = {"invoice_id": "x"} if command == "get_invoice_pdf" else {}
    refusal = await refused(service.ask(command, **parameters))
    assert refusal.code == "not_configured"
    assert "api_key" in refusal.text


async def test_help_needs_no_key(make: Callable[..., Awaitable[Service]]) -> None:
    """Who has configured nothing yet finds out what there is."""
    service = await make(api_key=None, api_key_id=None, org_id=None, location_id=None)
    assert (await service.ask("help"))["commands"]


@pytest.mark.parametrize(
    ("command", "attribute"),
    [
        ("get_current_month_usage", "org_id"),
        ("get_org_billing_information", "org_id"),
        ("get_invoices_summary", "org_id"),
        ("get_location_usage", "location_id"),
        ("get_location_billing_organization", "location_id"),
    ],
)
async def test_without_a_default_an_id_is_needed(
    make: Callable[..., Awaitable[Service]], command: str, attribute: str
) -> None:
    """The error names the attribute; with the id in the call there is none."""
    service = await make(org_id=None, location_id=None, allowed_org_ids=["*"], allowed_location_ids=["*"])
    refusal = await refused(service.ask(command))
    assert refusal.code == "not_configured"
    assert attribute in refusal.text
    value = HARBOR_ID if attribute == "org_id" else "pier7hl001"
    assert (await service.ask(command, **{attribute: value}))[attribute] == value


async def test_a_rejected_key_needs_an_owners(make: Callable[..., Awaitable[Service]]) -> None:
    """The error of a read says which kind of key billing takes."""
    service = await make(api_key="wrong-but-long-enough")
    refusal = await refused(service.ask("get_current_month_usage"))
    assert refusal.code == "key_rejected"
    assert "owner" in refusal.text
    assert "wrong-but-long-enough" not in refusal.text


async def test_a_key_without_the_right_needs_an_owners(make: Callable[..., Awaitable[Service]]) -> None:
    """The error of a read says which kind of key billing takes."""
    refusal = await refused((await make(**key(*MACHINE_KEY))).ask("get_location_usage"))
    assert refusal.code == "key_lacks_permission"
    assert "owner" in refusal.text


async def test_services_with_different_keys_keep_them_apart(
    make: Callable[..., Awaitable[Service]], module: ModuleProcess
) -> None:
    """In one module, each asks with its own key, whatever the order."""
    owner, machine = await make(), await make(**key(*MACHINE_KEY))
    for _ in range(2):
        assert (await owner.ask("get_current_month_usage", max_age_s=0))["stale"] is False
        assert (await refused(machine.ask("get_current_month_usage", max_age_s=0))).code == "key_lacks_permission"
    assert owner.module is machine.module is module


async def test_services_with_one_key_log_in_once(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """They share connection and login, and closing one leaves the other its own."""
    first, second = await make(), await make(cache_ttl_s=0)
    await first.ask("get_current_month_usage", max_age_s=0)
    await second.ask("get_current_month_usage", max_age_s=0)
    assert control.stats().logins == 1
    await holds(lambda: control.stats().open_connections == 1)  # an earlier service's may still be closing
