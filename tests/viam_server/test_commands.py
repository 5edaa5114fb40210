"""Commands as robot code gives them: the SDK's client, viam-server, the module, a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError

from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess
from support.viam_server import ViamServer
from viam_billing.commands import EFFECTS
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

READS = [name for name, effect in EFFECTS.items() if effect in ("read", "always") and name != "get_charge"]
"""All but the one that needs a charge, which test_charges.py makes."""
INVOICE = "an invoice's id"
PARAMETERS: dict[str, dict[str, Any]] = {"get_invoice_pdf": {"invoice_id": INVOICE}}
"""What a command cannot do without."""

REFUSED: dict[str, dict[str, Any]] = {
    "invalid_request": {"get_invoices_summary": {"limit": None}},
    "unknown_command": {"get_location_usages": {}},
    "command_not_allowed": {"send_payment_required_email": {"customer_org_id": DEFAULT_ORG_ID}},
    "out_of_scope": {"get_current_month_usage": {"org_id": "another-org"}},
    "not_found": {"get_invoice_pdf": {"invoice_id": "no-such-invoice"}},
}


@pytest.mark.parametrize("name", READS)
async def test_a_command_that_reads_answers(server: ViamServer, name: str) -> None:
    """Each of them, with what it needs and nothing else."""
    async with server.machine() as machine:
        await machine.ready()
        parameters = dict(PARAMETERS.get(name, {}))
        if parameters.get("invoice_id") == INVOICE:
            summary = await machine.ask({"command": "get_invoices_summary"})
            parameters["invoice_id"] = summary["invoices"][0]["id"]
        answer = await machine.ask({name: parameters})
        assert answer.keys() == {name}
        assert answer[name]


async def test_the_folder_that_viam_server_makes_is_a_good_one(server: ViamServer) -> None:
    """VIAM_MODULE_DATA, the default state_dir, with the modes that viam-server gives it and what leads to it."""
    async with server.machine() as machine:
        await machine.ready()
        summary = await machine.ask({"command": "get_invoices_summary"})
        invoice_id = summary["invoices"][0]["id"]
        saved = await machine.ask({"command": "get_invoice_pdf", "invoice_id": invoice_id, "save_as": "a.pdf"})
        await machine.ask({"command": "get_current_month_usage"})
        assert (await machine.ask({"command": "get_usage_history"}))["points"]
    state = Path(saved["path"]).parents[1]
    assert state.is_relative_to(server.folder)
    assert (state / "cache.db").is_file()
    assert not [line for line in server.log.splitlines() if "cannot be used" in line]


async def test_help_tells_the_same_as_without_viam_server(
    server: ViamServer, cloud: SandboxProcess, attributes: dict[str, Any]
) -> None:
    """What passes through viam-server is what the module has said."""
    async with server.machine() as machine, ModuleProcess() as module:
        await machine.ready()
        await module.add({**attributes, "app_address": cloud.address})
        assert await machine.ask({"help": {}}) == await module.do({"help": {}})


@pytest.mark.parametrize("code", REFUSED)
async def test_an_error_arrives_unchanged(server: ViamServer, attributes: dict[str, Any], code: str) -> None:
    """Status and message are those that the module gives; null is seen as null."""
    async with server.machine() as machine, ModuleProcess() as module:
        await machine.ready()
        await module.add(attributes)
        with pytest.raises(GRPCError) as seen:
            await machine.ask(REFUSED[code])
        with pytest.raises(GRPCError) as given:
            await module.do(REFUSED[code])
        assert (seen.value.status, seen.value.message) == (given.value.status, given.value.message)
        assert str(seen.value.message).startswith(f"{code}: ")
        assert ("found null" in str(seen.value.message)) == (code == "invalid_request")
