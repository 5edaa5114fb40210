"""Shows a charge whose answer is lost: what the robot is told, that repeating it charges once, how it is settled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.demo.configuration import ORG_ID, attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viam_billing_sandbox.demo.machine import Machine
    from viam_billing_sandbox.demo.view import View

SERVICE: Final = "billing-with-charge"
_CHARGE: Final = "charge_organization"
_KEY: Final = "job-000123"
_REQUEST: Final[Mapping[str, object]] = {
    _CHARGE: {
        "org_id_to_charge": ORG_ID,
        "subtotal": 24.5,
        "description": f"Cleaning ({_KEY})",
        "idempotency_key": _KEY,
    }
}
_LOST_ANSWER: Final = Fault("ChargeOrganization", drop_connection=True, when="after", count=1)


async def show(machine: Machine, view: View, address: str, control_address: str) -> None:
    """Shows the life of one charge, with the number of charges that the sandbox has made."""
    permission: dict[str, object] = {
        "allowed_commands": ["read", "charge"],
        "allowed_org_ids": [ORG_ID],
        "charge_limits": {"per_charge": 50, "per_day": 200},
        "state_dir": str(machine.folder / "charges"),
    }
    await machine.add(SERVICE, {**attributes(address), **permission})
    with SandboxControl(control_address) as control:
        await asyncio.to_thread(control.set_fault, _LOST_ANSWER)

        view.question("A robot charges for a job, and the answer is lost. Was the customer charged?")
        view.block(f'attributes added for a third service, "{SERVICE}"', permission)
        view.space()
        view.request(_REQUEST)
        view.refusal(await machine.refusal(_REQUEST, SERVICE))
        await _count(view, control)

        view.question("The robot sends the same request again. Is the customer charged twice?")
        view.refusal(await machine.refusal(_REQUEST, SERVICE))
        await _count(view, control)

        view.question("How does it end? (The module looks by itself, too: after a minute, and when the cloud is back)")
        request: dict[str, object] = {"reconcile_charges": {}}
        view.request(request)
        for entry in (await machine.answer(request, SERVICE))["settled"]:
            _entry(view, entry)

        view.question("And the same request once more?")
        _entry(view, await machine.answer(_REQUEST, SERVICE))
        await _count(view, control)


async def _count(view: View, control: SandboxControl) -> None:
    view.space()
    count = len((await asyncio.to_thread(control.stats)).charges)
    view.facts([("the cloud", "has charged once" if count == 1 else f"has charged {count} times")])


def _entry(view: View, entry: Mapping[str, Any]) -> None:
    facts = [
        ("key", entry["idempotency_key"]),
        ("state", entry["state"]),
        ("total", f"${entry['total']:,.2f}"),
        ("invoice", entry["invoice_id"]),
    ]
    if "replayed" in entry:
        facts.append(("replayed", "yes: answered from the journal, nothing was sent" if entry["replayed"] else "no"))
    view.facts(facts)
