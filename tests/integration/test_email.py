"""send_payment_required_email: one e-mail for a customer in 24 hours, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError

from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import When
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = "send_payment_required_email"
RPC = "SendPaymentRequiredEmail"
LOST: dict[str, tuple[dict[str, Any], str]] = {
    "unavailable": ({"status": "UNAVAILABLE"}, "cloud_unreachable"),
    "no answer": ({"never_answer": True}, "cloud_timeout"),
    "lost connection": ({"drop_connection": True}, "cloud_unreachable"),
}


@pytest.fixture
def sending(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a service that may send e-mails about everybody, with little patience."""
    return {**attributes, "allowed_commands": ["read", "notify"], "allowed_org_ids": ["*"], "timeout_s": 1}


@pytest_asyncio.fixture(loop_scope="module")
async def service(make: Callable[..., Awaitable[Service]], sending: dict[str, Any]) -> Service:
    """That service, with a folder that knows of no e-mail."""
    return await make(**sending)


@pytest_asyncio.fixture(loop_scope="module")
async def other(sending: dict[str, Any]) -> AsyncIterator[ModuleProcess]:
    """The same service in a second process on the same folder."""
    async with ModuleProcess() as process:
        await process.add(sending)
        yield process


async def cooling_down(service: Service | ModuleProcess, customer: str = HARBOR_ID) -> bool:
    """Whether an e-mail to the customer is refused; a dry run, so as not to send one."""
    try:
        await service.ask(COMMAND, customer_org_id=customer, dry_run=True)
    except GRPCError as error:
        return (error.message or "").startswith("cooldown_active: ")
    return False


async def test_an_email_is_sent(service: Service, control: SandboxControl) -> None:
    """To the customer, in the name of the own organization by default."""
    answer = await service.ask(COMMAND, customer_org_id=HARBOR_ID)
    ids = {"customer_org_id": HARBOR_ID, "billing_owner_org_id": DEFAULT_ORG_ID}
    assert answer == {**ids, "sent": True}
    assert control.stats().emails == [ids]


async def test_another_owner_is_passed_on(service: Service, control: SandboxControl) -> None:
    """billing_owner_org_id says to whom the payment is due."""
    await service.ask(COMMAND, customer_org_id=HARBOR_ID, billing_owner_org_id=NORTHWIND_ID)
    assert control.stats().emails == [{"customer_org_id": HARBOR_ID, "billing_owner_org_id": NORTHWIND_ID}]


async def test_a_second_email_has_to_wait(service: Service, control: SandboxControl) -> None:
    """The same customer is refused again within 24 hours, also for another owner; another customer is not."""
    await service.ask(COMMAND, customer_org_id=HARBOR_ID)
    again = await refused(service.ask(COMMAND, customer_org_id=HARBOR_ID, billing_owner_org_id=NORTHWIND_ID))
    assert again.code == "cooldown_active"
    assert HARBOR_ID in again.text
    await service.ask(COMMAND, customer_org_id=NORTHWIND_ID)
    assert len(control.stats().emails) == 2


async def test_a_dry_run_sends_nothing(service: Service, control: SandboxControl) -> None:
    """It tells what would be sent, and starts no cooldown."""
    answer = await service.ask(COMMAND, customer_org_id=HARBOR_ID, dry_run=True)
    would_send = {"customer_org_id": HARBOR_ID, "billing_owner_org_id": DEFAULT_ORG_ID}
    assert answer == {"dry_run": True, "would_send": would_send}
    assert RPC not in control.stats().calls
    assert (await service.ask(COMMAND, customer_org_id=HARBOR_ID))["sent"] is True


async def test_a_dry_run_checks_the_key(service: Service, control: SandboxControl) -> None:
    """A key that may not read the owner's billing may not write in its name."""
    control.set_fault(Fault(rpc="GetOrgBillingInformation", status="PERMISSION_DENIED"))
    refusal = await refused(service.ask(COMMAND, customer_org_id=HARBOR_ID, dry_run=True))
    assert refusal.code == "key_lacks_permission"


async def test_callers_at_once_send_one_email(service: Service, control: SandboxControl) -> None:
    """Of ten callers one gets an answer."""
    calls = (service.ask(COMMAND, customer_org_id=HARBOR_ID) for _ in range(10))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 1
    assert all("cooldown_active" in str(outcome) for outcome in outcomes if not isinstance(outcome, dict))
    assert len(control.stats().emails) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("end", LOST)
async def test_a_lost_answer_keeps_the_cooldown(
    service: Service, control: SandboxControl, when: When, end: str
) -> None:
    """The e-mail may have gone out: the error says so, and no second one is sent."""
    fault, code = LOST[end]
    control.set_fault(Fault(rpc=RPC, when=when, **fault))
    refusal = await refused(service.ask(COMMAND, customer_org_id=HARBOR_ID))
    assert refusal.code == code
    assert "may have been" in refusal.text
    control.clear_faults()
    assert await cooling_down(service)
    assert control.stats().calls[RPC] == 1


@pytest.mark.parametrize(
    "status", ["INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED"]
)
async def test_a_refusal_drops_the_cooldown(service: Service, control: SandboxControl, status: str) -> None:
    """What the cloud said no to may be tried again."""
    control.set_fault(Fault(rpc=RPC, status=status, count=1))
    await refused(service.ask(COMMAND, customer_org_id=HARBOR_ID))
    assert (await service.ask(COMMAND, customer_org_id=HARBOR_ID))["sent"] is True


async def test_an_expired_token_sends_no_second_email(service: Service, control: SandboxControl) -> None:
    """A read before it renews the login, so that the e-mail itself is sent once and with a good one."""
    await service.ask("get_available_billing_tiers", max_age_s=0)
    control.expire_tokens()
    assert (await service.ask(COMMAND, customer_org_id=HARBOR_ID))["sent"] is True
    assert control.stats().calls[RPC] == 1
    assert len(control.stats().emails) == 1


async def test_a_cloud_that_is_away_starts_no_cooldown(service: Service, control: SandboxControl) -> None:
    """What never left the module does not count."""
    control.go_dark()
    codes = {(await refused(service.ask(COMMAND, customer_org_id=HARBOR_ID))).code for _ in range(5)}
    assert codes == {"cloud_unreachable"}
    control.clear_faults()
    await service.back()
    assert (await service.ask(COMMAND, customer_org_id=HARBOR_ID))["sent"] is True


async def test_a_cloud_that_died_starts_no_cooldown(sending: dict[str, Any], module: ModuleProcess) -> None:
    """The same where the module had a connection and a login, and nobody listens there any more."""
    with SandboxProcess("--quiet") as sandbox:
        await module.add({**sending, "app_address": sandbox.address}, "orphan")
        orphan = Service(module, "orphan")
        await orphan.ask("get_available_billing_tiers")
        sandbox.kill()
        refusal = await refused(orphan.ask(COMMAND, customer_org_id=HARBOR_ID))
        sandbox.start()
        await orphan.back()
        answer = await orphan.ask(COMMAND, customer_org_id=HARBOR_ID)
        await module.remove("orphan")
    assert refusal.code == "cloud_unreachable"
    assert "may have been" not in refusal.text
    assert answer["sent"] is True


async def test_a_caller_that_leaves_keeps_the_cooldown(service: Service, control: SandboxControl) -> None:
    """The e-mail was under way when its caller hung up."""
    control.set_fault(Fault(rpc=RPC, never_answer=True, when="after"))
    call = asyncio.create_task(service.ask(COMMAND, customer_org_id=HARBOR_ID))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(RPC) == 1)
    call.cancel()
    assert await cooling_down(service)


async def test_the_cooldown_outlives_a_restart(
    other: ModuleProcess, sending: dict[str, Any], control: SandboxControl
) -> None:
    """A module that was stopped and started again remembers."""
    await other.ask(COMMAND, customer_org_id=HARBOR_ID)
    other.terminate()
    await other.restart()
    await other.add(sending)
    assert (await refused(other.ask(COMMAND, customer_org_id=HARBOR_ID))).code == "cooldown_active"
    assert len(control.stats().emails) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_cooldown_outlives_a_kill(
    other: ModuleProcess, sending: dict[str, Any], control: SandboxControl, when: When
) -> None:
    """It is on disk before the first byte leaves: killed while the e-mail is under way, the module remembers."""
    control.set_fault(Fault(rpc=RPC, never_answer=True, when=when))
    call = asyncio.create_task(other.ask(COMMAND, customer_org_id=HARBOR_ID))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(RPC) == 1)
    other.kill()
    await asyncio.gather(call, return_exceptions=True)
    control.clear_faults()
    await other.restart()
    await other.add(sending)
    assert (await refused(other.ask(COMMAND, customer_org_id=HARBOR_ID))).code == "cooldown_active"
    assert control.stats().calls[RPC] == 1


async def test_two_processes_share_the_cooldown(
    service: Service, other: ModuleProcess, control: SandboxControl
) -> None:
    """On one folder, callers of both at once send one e-mail."""
    calls = [caller.ask(COMMAND, customer_org_id=HARBOR_ID) for caller in (service, other) for _ in range(4)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 1
    assert len(control.stats().emails) == 1
    assert await cooling_down(service)
    assert await cooling_down(other)


async def test_without_a_folder_nothing_is_sent(
    make: Callable[..., Awaitable[Service]], sending: dict[str, Any], control: SandboxControl
) -> None:
    """Where the cooldown cannot be kept, the e-mail is refused."""
    service = await make(**{**sending, "state_dir": f"{sending['state_dir']}/not/there"})
    refusal = await refused(service.ask(COMMAND, customer_org_id=HARBOR_ID))
    assert refusal.code == "state_unavailable"
    assert "state_dir" in refusal.text
    assert RPC not in control.stats().calls
