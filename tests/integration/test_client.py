"""The client against the real module on a stand-in machine: every answer whole, every error by its class."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from grpclib import Status

from support.conditions import holds
from support.machine_process import MachineProcess
from support.module_process import PACKAGED
from support.sandbox_caller import HARBOR_ID
from viam_billing_client import (
    Billing,
    CommandNotAllowedError,
    IdempotencyConflictError,
    InvalidRequestError,
    NoAnswerError,
    NoConnectionError,
    NoServiceError,
    NotFoundError,
    OutOfScopeError,
    UnknownCommandError,
    answers,
)

pytestmark = pytest.mark.skipif(PACKAGED, reason="the stand-in machine runs from the source tree")

READS: list[tuple[str, dict[str, Any]]] = [
    ("get_location_usage", {}),
    ("get_fleet_usage", {}),
    ("get_fleet_usage", {"location_ids": ["wh1north01", "yard1east1"]}),
    ("check_budget", {}),
    ("get_usage_history", {"step": "day", "by": "type"}),
    ("get_usage_history", {"location_id": "wh1north01", "step": "month"}),
    ("compare_usage", {}),
    ("get_current_month_usage", {}),
    ("get_org_billing_information", {}),
    ("get_org_billing_information", {"org_id": HARBOR_ID}),
    ("get_invoices_summary", {}),
    ("get_invoices_summary", {"status": "paid", "since": datetime(2026, 1, 1, tzinfo=timezone.utc), "limit": 2}),
    ("get_available_billing_tiers", {}),
    ("get_location_billing_organization", {}),
    ("get_billing_service_config", {}),
    ("organization_get_support_email", {}),
    ("organization_get_logo", {"org_id": HARBOR_ID}),
    ("list_charges", {"limit": 3}),
    ("get_audit_log", {"limit": 3}),
    ("help", {}),
]
"""Commands whose answer is the same when they are asked again."""


@pytest.fixture(scope="module")
def machine() -> Iterator[MachineProcess]:
    """One machine for the tests of this file."""
    with MachineProcess("--direct") as running:
        yield running


@pytest_asyncio.fixture
async def billing(machine: MachineProcess) -> AsyncIterator[Billing]:
    """A connected client."""
    machine.control.call("Errors", {"style": "direct"})
    async with Billing.connect(f"localhost:{machine.port}", insecure=True) as connected:
        yield connected


def shown(value: object) -> object:
    """A record's values in the form of an answer, as far as they can be compared with one."""
    if isinstance(value, Mapping):
        return {name: shown(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    if isinstance(value, str) and value.endswith("Z") and value[4:5] == "-":
        return datetime.fromisoformat(value[:-1] + "+00:00")
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(("command", "parameters"), READS)
async def test_a_record_holds_the_whole_answer(billing: Billing, command: str, parameters: dict[str, Any]) -> None:
    """Nothing of what the module says gets lost, and nothing is made up."""
    sent = {name: each.isoformat() if isinstance(each, datetime) else each for name, each in parameters.items()}
    await billing.do_command({command: sent})  # what is remembered answers both questions below
    record = await getattr(billing, command)(**parameters)
    answer = (await billing.do_command({command: sent}))[command]
    held = msgspec.to_builtins(record, builtin_types=(Decimal, datetime))
    if command == "check_budget":
        answer["newly_crossed"] = held["newly_crossed"]
    assert shown(held) == shown(answer)


async def test_amounts_are_decimals_and_times_know_their_zone(billing: Billing) -> None:
    usage = await billing.get_location_usage()
    assert isinstance(usage.month_to_date, Decimal)
    assert usage.month_to_date == usage.month_to_date.quantize(Decimal("0.01"))
    assert usage.as_of is not None
    assert usage.as_of.utcoffset() is not None
    assert (usage.budget is not None, usage.stale_reason) == (True, None)
    status = await billing.get_status()
    assert status.journal is not None
    assert (await billing.check_access()).authenticated is True


async def test_an_invoices_pdf_arrives(billing: Billing) -> None:
    summary = await billing.get_invoices_summary(limit=1)
    pdf = await billing.get_invoice_pdf(invoice_id=summary.invoices[0].id)
    assert pdf.content is not None
    assert pdf.content.startswith(b"%PDF")
    assert len(pdf.content) == pdf.size_bytes
    saved = await billing.get_invoice_pdf(invoice_id=summary.invoices[0].id, save_as="a.pdf")
    assert saved.content is None
    assert saved.path is not None
    assert saved.path.endswith("/a.pdf")


async def test_a_key_charges_once(billing: Billing) -> None:
    async def charge(dollars: str) -> answers.ChargeMade:
        return await billing.charge_organization(
            org_id_to_charge=HARBOR_ID, subtotal=Decimal(dollars), tax=Decimal("0.10"), idempotency_key="client-1"
        )

    tried = await billing.charge_organization(
        org_id_to_charge=HARBOR_ID, subtotal=Decimal("1.10"), idempotency_key="client-1", dry_run=True
    )
    assert tried.would_send == {"org_id_to_charge": HARBOR_ID, "subtotal": 1.1}
    first = await charge("1.10")
    assert (first.total, first.state, first.replayed) == (Decimal("1.2"), "succeeded", False)
    again = await charge("1.10")
    assert (again.invoice_id, again.replayed) == (first.invoice_id, True)
    with pytest.raises(IdempotencyConflictError):
        await charge("1.11")
    assert (await billing.get_charge(idempotency_key="client-1")).invoice_id == first.invoice_id


@pytest.mark.parametrize("style", ["direct", "webrtc"])
async def test_errors_are_told_by_their_class(machine: MachineProcess, billing: Billing, style: str) -> None:
    """Over WebRTC too, where the status is lost."""
    machine.control.call("Errors", {"style": style})
    with pytest.raises(InvalidRequestError, match="limit: found 0") as invalid:
        await billing.get_invoices_summary(limit=0)
    assert (invalid.value.code, invalid.value.status) == ("invalid_request", Status.INVALID_ARGUMENT)
    with pytest.raises(OutOfScopeError):
        await billing.get_current_month_usage(org_id="another-org")
    with pytest.raises(NotFoundError):
        await billing.get_charge(idempotency_key="nobody has it")
    with pytest.raises(CommandNotAllowedError):
        await billing.update_organization_billing_tier(organization_id=HARBOR_ID, billing_tier="fleet")
    with pytest.raises(UnknownCommandError):
        await billing.do_command({"command": "get_usage"})


async def test_a_list_that_is_one_text_is_refused_as_a_whole(billing: Billing) -> None:
    """Not taken for a list of its letters."""
    with pytest.raises(InvalidRequestError, match="location_ids"):
        await billing.get_fleet_usage(location_ids="wh1north01")


async def test_a_call_ends_at_its_timeout(billing: Billing) -> None:
    with pytest.raises(NoAnswerError):
        await billing.get_location_usage(timeout=0.00001)


async def test_a_service_that_is_not_there_is_told(machine: MachineProcess) -> None:
    async with Billing.connect(f"localhost:{machine.port}", insecure=True, service="other") as other:
        with pytest.raises(NoServiceError, match='"other"'):
            await other.get_location_usage()


async def test_a_machine_that_is_not_there_is_told() -> None:
    with pytest.raises(NoConnectionError, match="localhost:1 "):
        async with Billing.connect("localhost:1", insecure=True):
            pass
    for address in ("", " ", "http://", "https:///", ":8080", "http://:8080"):
        with pytest.raises(ValueError, match=f"address: found '{address}', expected a machine's, such as "):
            async with Billing.connect(address, insecure=True):
                pass
    with pytest.raises(ValueError, match="expected both or neither"):
        async with Billing.connect("localhost:1", api_key="only a key"):
            pass


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK leaves a cancelled attempt to the garbage collector
async def test_a_machine_that_says_nothing_is_given_up() -> None:
    """Somebody takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(NoConnectionError, match=r"did not answer within 0\.2 s"):
            async with Billing.connect(f"localhost:{port}", insecure=True, timeout=0.2):
                pass
    await asyncio.sleep(0)
    gc.collect()


async def test_after_the_connection_was_closed_there_is_none(machine: MachineProcess) -> None:
    async with Billing.connect(f"localhost:{machine.port}", insecure=True) as billing:
        await billing.help()
    with pytest.raises(NoConnectionError, match="was closed"):
        await billing.help()


async def test_many_tasks_use_one_client(billing: Billing) -> None:
    usages = await asyncio.gather(*(billing.get_location_usage() for _ in range(50)))
    assert len({usage.month_to_date for usage in usages}) == 1


async def test_it_works_again_when_the_machine_is_back(machine: MachineProcess, billing: Billing) -> None:
    """With the module away, and then with nobody at the machine's address."""
    for away, back in (("StopModule", "StartModule"), ("StopMachine", "StartMachine")):
        await asyncio.to_thread(machine.control.call, away)
        try:
            with pytest.raises(NoConnectionError):
                await billing.help()
        finally:
            await asyncio.to_thread(machine.control.call, back)
        await holds(lambda: machine.module_pid is not None)
        assert (await billing.help()).commands
