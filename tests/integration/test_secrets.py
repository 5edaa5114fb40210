"""What the module keeps to itself: keys, tokens and payment details."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError

from support.charging import charge
from support.module_process import ModuleProcess
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def outcome(module: ModuleProcess, request: dict[str, Any], name: str) -> str:
    """The answer or the error, as text."""
    try:
        return json.dumps(await module.do(request, name=name))
    except GRPCError as error:
        return str(error)


def contents(folder: Path, pattern: str) -> bytes:
    """All bytes of the files that match."""
    return b"".join(path.read_bytes() for path in folder.glob(pattern))


SECRETS = (
    DEFAULT_API_KEY,
    "Bearer ey",
    "Bearer abcdef",
    "sandbox-token-",
    "authorization",
    "110000000",
    "accounts@harbor.example",
    "verify.example",
)


def secrets_in(*texts: str) -> list[str]:
    """Which of them are told."""
    return [secret for secret in SECRETS if any(secret in text for text in texts)]


@pytest_asyncio.fixture(loop_scope="module")
async def debugged() -> AsyncIterator[ModuleProcess]:
    """A module process for this test alone, which logs all that it can."""
    async with ModuleProcess(arguments=("--log-level=debug",)) as running:
        yield running


WORDS = f"no place for Bearer eyJhbGciOi and Bearer sandbox-token-5 and {DEFAULT_API_KEY}, sorry"
ERRORS = {
    "a refused read": (Fault("GetCurrentMonthUsage", status="INVALID_ARGUMENT", message=WORDS), "cloud_rejected"),
    "a failed read": (Fault("GetCurrentMonthUsage", status="INTERNAL", message=WORDS), "cloud_error"),
    "a read in vain": (Fault("GetCurrentMonthUsage", status="UNAVAILABLE", message=WORDS), "cloud_unreachable"),
    "a login in vain": (Fault("Authenticate", status="UNAVAILABLE", message=WORDS), "cloud_unreachable"),
    "a refused login": (Fault("Authenticate", status="UNAUTHENTICATED", message=WORDS), "key_rejected"),
}


@pytest.mark.parametrize(("fault", "code"), ERRORS.values(), ids=ERRORS)
async def test_the_clouds_words_are_told_without_secrets(
    debugged: ModuleProcess, attributes: dict[str, Any], control: SandboxControl, fault: Fault, code: str
) -> None:
    """What it echoes of a key or a token is in no error, no status and no line of the log; the rest of it is told."""
    await debugged.add({**attributes, "timeout_s": 2})
    control.set_fault(fault)
    with pytest.raises(GRPCError) as caught:
        await debugged.ask("get_current_month_usage")
    message = caught.value.message or ""
    assert message.startswith(f"{code}: ")
    assert "no place for Bearer *** and Bearer *** and ***" in message
    status = json.dumps(await debugged.status())
    debugged.terminate()
    assert secrets_in(message, status, debugged.log) == []


async def test_the_token_in_use_is_told_to_nobody_whatever_word_stands_before_it(
    debugged: ModuleProcess, attributes: dict[str, Any], control: SandboxControl
) -> None:
    token = "eyJhbGciOiJ.of-the-login.signed"
    control.set_fault(Fault("Authenticate", token=token))
    control.set_fault(Fault("GetCurrentMonthUsage", status="INTERNAL", message=f"bad token {token}, sorry"))
    await debugged.add(attributes)
    with pytest.raises(GRPCError) as caught:
        await debugged.ask("get_current_month_usage")
    assert "bad token ***, sorry" in (caught.value.message or "")
    status = json.dumps(await debugged.status())
    debugged.terminate()
    assert "of-the-login" not in f"{caught.value.message}{status}{debugged.log}"


async def test_nothing_secret_is_told_at_debug_level(attributes: dict[str, Any]) -> None:
    """No answer, error, status or line of the log has a key, a token or payment details."""
    told: list[str] = []
    harmless: list[dict[str, Any]] = [
        {"get_org_billing_information": {"org_id": HARBOR_ID}},
        {"get_current_month_usage": {}},
        {"get_invoices_summary": {"limit": 1}},
        {"get_location_usage": {}},
        {"check_access": {}},
        {"help": {}},
        {"send_payment_required_email": {"customer_org_id": HARBOR_ID}},
    ]
    with_the_key: list[dict[str, Any]] = [
        {"update_organization_billing_tier": {"organization_id": HARBOR_ID, "billing_tier": DEFAULT_API_KEY}},
        {"get_invoice_pdf": {"invoice_id": DEFAULT_API_KEY}},
        {DEFAULT_API_KEY: {}},
        {"get_location_usage": {"location_id": DEFAULT_API_KEY}},
        {"get_location_usage": {DEFAULT_API_KEY: 1}},
        {"charge_organization": {"description": DEFAULT_API_KEY, "org_id": DEFAULT_API_KEY}},
        {"get_charge": {"idempotency_key": DEFAULT_API_KEY}},
        {"resolve_charge": {"idempotency_key": "a", "outcome": "failed", "note": DEFAULT_API_KEY}},
        {"get_audit_log": {}},
        {"list_charges": {}},
    ]
    async with ModuleProcess(arguments=("--log-level=debug",)) as module:
        scope = {
            "allowed_org_ids": ["*"],
            "allowed_location_ids": ["*"],
            "allowed_commands": ["read", "notify", "change"],
        }
        await module.add({**attributes, **scope})
        await module.add({**attributes, "api_key": f"{DEFAULT_API_KEY}-wrong"}, "wrong")
        for name, requests in (("billing", [*harmless, *with_the_key]), ("wrong", harmless)):
            told += [await outcome(module, request, name) for request in requests]
            told.append(json.dumps(await module.status(name)))
        module.terminate()
        told.append(module.log)
    assert secrets_in(*told) == []


async def test_the_audit_on_disk_has_no_key(attributes: dict[str, Any], debugged: ModuleProcess) -> None:
    """An attempt with the key among its parameters is written down without it."""
    await debugged.add(attributes)
    request = {"customer_org_id": DEFAULT_API_KEY, DEFAULT_API_KEY: f"x{DEFAULT_API_KEY}x"}
    with suppress(GRPCError):
        await debugged.do({"send_payment_required_email": request})
    debugged.terminate()
    written = contents(Path(attributes["state_dir"]), "*.db*")
    assert b"send_payment_required_email" in written
    assert DEFAULT_API_KEY.encode() not in written


async def test_the_clouds_words_are_kept_without_secrets(
    debugged: ModuleProcess, charging: dict[str, Any], control: SandboxControl
) -> None:
    """What it echoes in the refusal of a charge: not in the error, the journal or what is shown of it."""
    await debugged.add(charging)
    words = f"no place for Bearer abcdef and {DEFAULT_API_KEY}, sorry"
    control.set_fault(Fault("ChargeOrganization", status="INVALID_ARGUMENT", message=words))
    with pytest.raises(GRPCError) as caught:
        await debugged.do(charge("k"))
    told = [
        caught.value.message or "",
        json.dumps(await debugged.ask("get_charge", idempotency_key="k")),
        json.dumps(await debugged.ask("list_charges")),
    ]
    assert all("no place for Bearer *** and ***, sorry" in text for text in told)
    debugged.terminate()
    told += [contents(Path(charging["state_dir"]), "*.db*").decode("latin-1"), debugged.log]
    assert secrets_in(*told) == []


async def test_a_row_that_fails_tells_the_clouds_words_without_secrets(
    debugged: ModuleProcess, attributes: dict[str, Any], control: SandboxControl
) -> None:
    """An error inside an answer is no other than one in its place."""
    await debugged.add({**attributes, "allowed_org_ids": ["*"]})
    control.set_fault(Fault("GetCurrentMonthUsage", status="INTERNAL", message=WORDS))
    fleet = json.dumps(await debugged.ask("get_fleet_usage"))
    assert "no place for Bearer ***" in fleet
    assert secrets_in(fleet) == []
