"""A charge on a machine whose module dies: made once, and known afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError

from support.sandbox_caller import HARBOR_ID
from support.viam_server import ViamServer, billing, until
from viam_billing_sandbox.control import Fault, SandboxControl

Start = Callable[..., ViamServer]

CHARGE = {"command": "charge_organization", "org_id": HARBOR_ID, "subtotal": 12.5, "idempotency_key": "visit-1"}


@pytest.fixture
def charging(attributes: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A service that may charge a customer."""
    return {
        **attributes,
        "allowed_commands": ["read", "charge"],
        "allowed_org_ids": [attributes["org_id"], HARBOR_ID],
        "charge_limits": {"per_charge": 100, "per_day": 500},
        "state_dir": str(tmp_path / "state"),
    }


def kill_the_module(server: ViamServer) -> None:
    """With kill -9: what answers afterwards is another process."""
    processes = server.descendants()
    assert processes
    for number in processes:
        os.kill(number, signal.SIGKILL)


async def test_a_charge_is_made_once(start: Start, charging: dict[str, Any], control: SandboxControl) -> None:
    """Given again to the module's next process, its key has the first answer, and the cloud is not asked to charge."""
    server = start(services=[billing(charging)])
    async with server.machine() as machine:
        await machine.ready()
        first = await machine.ask(CHARGE)
        assert first["state"] == "succeeded"
        kill_the_module(server)

        async def again() -> dict[str, Any] | None:
            return await machine.ask(CHARGE)

        replayed = await until(again, "the module answers again")
        assert replayed == {**first, "replayed": True}
        known = await machine.ask({"get_charge": {"idempotency_key": "visit-1"}})
        assert known["get_charge"]["invoice_id"] == first["invoice_id"]
    assert len(control.stats().charges) == 1


async def test_a_charge_in_flight_is_not_sent_again(
    start: Start, charging: dict[str, Any], control: SandboxControl
) -> None:
    """Its process was killed before the answer: nobody knows, and so the key is refused and not charged again."""
    control.set_fault(Fault(rpc="ChargeOrganization", never_answer=True))
    server = start(services=[billing(charging)])
    async with server.machine() as machine:
        await machine.ready()
        with pytest.raises(GRPCError):
            await machine.ask(CHARGE, timeout_s=2)
        assert control.stats().calls["ChargeOrganization"] == 1
        kill_the_module(server)

        async def refusal() -> bool | None:
            with pytest.raises(GRPCError) as caught:
                await machine.ask(CHARGE)
            return str(caught.value.message).startswith("charge_outcome_unknown: ") or None

        await until(refusal, "the next process says that nobody knows")
        known = (await machine.ask({"get_charge": {"idempotency_key": "visit-1"}}))["get_charge"]
    assert known["state"] == "unknown"
    assert control.stats().calls["ChargeOrganization"] == 1
