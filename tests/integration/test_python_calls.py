"""do_command called in Python, beside the same request over the wire."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from grpclib import GRPCError, Status
from viam.gen.common.v1 import common_pb2
from viam.gen.service.generic.v1 import generic_grpc
from viam.proto.app.robot import ComponentConfig
from viam.utils import dict_to_struct, struct_to_dict

from support.module_process import API, ModuleProcess, Service, refused, struct
from viam_billing.module.service import BillingService
from viam_billing.module.shared import Shared
from viam_billing.version import BILLING_MODEL
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOVING = ("as_of", "projection", "subtotal", "month_to_date", "resource_usage_costs_by_source", "cost_by_type")
"""What differs between two answers because time passes between them."""

ANSWERED: list[dict[str, Any]] = [
    {"help": {}},
    {"command": "help", "name": "get_invoice_pdf"},
    {"get_current_month_usage": {}},
    {"command": "get_location_usage", "max_age_s": 0},
    {"get_org_billing_information": {}},
    {"get_invoices_summary": {"limit": 2, "since": "2020-01-01T00:00:00Z"}},
    {"command": "get_available_billing_tiers"},
    {"get_location_billing_organization": {}},
    {"check_access": {}},
    {"list_charges": {"state": "unknown", "limit": 5}},
    {"get_audit_log": {"since": "2020-01-01T00:00:00Z"}},
]
REFUSED: list[dict[str, Any]] = [
    {},
    {"help": {}, "check_access": {}},
    {"help": None},
    {"help": {"name": None}},
    {"nothing": {}},
    {"command": 5},
    {"get_invoices_summary": {"limit": 1.5}},
    {"get_invoices_summary": {"since": "x"}},
    {"get_invoices_summary": {"colour": [1, {"a": None}]}},
    {"get_invoices_summary": {"limit": math.nan}},
    {"get_location_usage": {"location_id": "elsewhere"}},
    {"get_current_month_usage": {"org_id": "elsewhere"}},
    {"get_invoice_pdf": {"id": "nothing"}},
    {"send_payment_required_email": {"customer_org_id": DEFAULT_ORG_ID}},
    {"charge_organization": {"org_id": DEFAULT_ORG_ID, "subtotal": 1, "idempotency_key": "a"}},
    {"charge_organization": {"org_id": DEFAULT_ORG_ID, "subtotal": 0.001, "idempotency_key": ""}},
    {"get_charge": {"idempotency_key": "a"}},
    {"list_charges": {"state": "paid"}},
    {"reconcile_charges": {}},
    {"resolve_charge": {"idempotency_key": "a", "outcome": "failed", "note": "looked"}},
]


SHARED = Shared()
"""What the services of this process share."""


def created(attributes: Mapping[str, Any]) -> BillingService:
    """The service as the SDK makes it, in this process."""
    return BillingService.new(
        ComponentConfig(name="here", api=API, model=BILLING_MODEL, attributes=struct(attributes)), {}, SHARED
    )


@pytest_asyncio.fixture(loop_scope="module")
async def here(attributes: dict[str, Any], control: SandboxControl) -> AsyncIterator[BillingService]:  # noqa: ARG001 - without faults
    """A service with the usual attributes in this process."""
    service = created(attributes)
    yield service
    await service.close()


@pytest_asyncio.fixture(loop_scope="module")
async def there(make: Callable[..., Awaitable[Service]]) -> Service:
    """The same in a module process."""
    return await make()


def settled(answer: object) -> object:
    """An answer without what moves."""
    if isinstance(answer, Mapping):
        return {name: settled(value) for name, value in answer.items() if name not in MOVING}
    return answer


@pytest.mark.parametrize("command", ANSWERED)
async def test_an_answer_is_the_same(here: BillingService, there: Service, command: dict[str, Any]) -> None:
    assert settled(await here.do_command(command)) == settled(await there.do(command))


@pytest.mark.parametrize("command", REFUSED)
async def test_an_error_is_the_same(here: BillingService, there: Service, command: dict[str, Any]) -> None:
    assert await refused(here.do_command(command)) == await refused(there.do(command))


@pytest.mark.parametrize(
    "value", [b"x", datetime.now(timezone.utc), {1}, object(), 10**400, math.inf, "\ud800", {1: 2}]
)
async def test_what_json_does_not_know_is_refused(here: BillingService, value: object) -> None:
    """Python can pass what the wire cannot: it is an invalid request too, as a value or in a list."""
    for wrong in (value, [value], {"a": value}):
        request: dict[str, Any] = {"get_location_usage": {"location_id": wrong}}
        assert (await refused(here.do_command(request))).code == "invalid_request"


async def test_a_name_that_is_no_text_is_refused(here: BillingService) -> None:
    one: Any = {1: {}}
    assert (await refused(here.do_command(one))).code == "invalid_request"
    assert (await refused(here.do_command({"help": one}))).code == "invalid_request"


@pytest.mark.parametrize("command", [None, [], "help", 5, ["help"]])
async def test_a_request_is_an_object(here: BillingService, command: object) -> None:
    """Anything else is an invalid request and no Python error."""
    request: Any = command
    assert (await refused(here.do_command(request))).code == "invalid_request"


async def test_a_deep_request_is_refused(here: BillingService) -> None:
    endless: dict[str, Any] = {}
    endless["name"] = endless
    assert (await refused(here.do_command({"help": endless}))).code == "invalid_request"


async def test_a_tuple_is_a_list(here: BillingService) -> None:
    """As the SDK has it on the wire."""
    request: Any = {"help": {"name": ("a", "b")}}
    refusal = await refused(here.do_command(request))
    assert "found a list" in refusal.text


async def test_a_timeout_holds(here: BillingService, control: SandboxControl) -> None:
    """The keyword of do_command is the caller's deadline."""
    control.set_fault(Fault(rpc="GetCurrentMonthUsage", never_answer=True))
    call = here.do_command({"get_current_month_usage": {"max_age_s": 0}}, timeout=0.5)
    assert (await asyncio.wait_for(refused(call), 2)).code == "cloud_timeout"


async def test_closing_twice_is_fine(attributes: dict[str, Any], control: SandboxControl) -> None:
    """viam-server may do so, after use and before any."""
    used, unused = created(attributes), created({})
    await used.do_command({"get_current_month_usage": {}})
    for service in (used, used, unused, unused):
        await service.close()
    await asyncio.to_thread(control.wait_for, lambda stats: stats.open_connections == 0)


async def test_closing_one_leaves_the_other(attributes: dict[str, Any], control: SandboxControl) -> None:
    """Two services share a connection; closing one of them twice takes nothing from the other."""
    first, second = created(attributes), created(attributes)
    await first.do_command({"get_current_month_usage": {}})
    await second.do_command({"get_current_month_usage": {"max_age_s": 0}})
    await first.close()
    await first.close()
    await second.do_command({"get_current_month_usage": {"max_age_s": 0}})
    assert control.stats().logins == 1
    await second.close()


async def test_a_new_service_takes_over(attributes: dict[str, Any], control: SandboxControl) -> None:
    """Reconfiguring is close and new, on the same folder."""
    block = {**attributes, "allowed_commands": ["notify"], "allowed_org_ids": ["*"]}
    before = created(block)
    await before.do_command({"send_payment_required_email": {"customer_org_id": DEFAULT_ORG_ID}})
    await before.close()
    after = created(block)
    again = after.do_command({"send_payment_required_email": {"customer_org_id": DEFAULT_ORG_ID}})
    assert (await refused(again)).code == "cooldown_active"
    await after.close()
    assert len(control.stats().emails) == 1


async def test_the_wires_answer_is_the_sdks(here: BillingService, there: Service) -> None:
    """The module's own conversion makes the Struct that the SDK's would."""
    request = common_pb2.DoCommandRequest(name=there.name, command=struct({"help": {}}))
    response = await generic_grpc.GenericServiceStub(there.module.channel).DoCommand(request, timeout=10)
    answer = await here.do_command(struct_to_dict(struct({"help": {}})))
    assert MessageToDict(response.result) == MessageToDict(dict_to_struct(answer))


async def test_an_unknown_name_is_answered_as_by_the_sdk(module: ModuleProcess, there: Service) -> None:
    """The module's handler says what the SDK's own says for GetStatus."""
    with pytest.raises(GRPCError) as by_sdk:
        await module.status("nobody")
    with pytest.raises(GRPCError) as by_module:
        await module.do({"help": {}}, name="nobody")
    assert (by_module.value.status, by_module.value.message) == (by_sdk.value.status, by_sdk.value.message)
    assert by_module.value.status is Status.NOT_FOUND
    assert there.module is module
