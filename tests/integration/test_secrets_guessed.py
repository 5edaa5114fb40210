"""A caller who guesses a part of a secret: no answer, error, file or log line tells whether the guess is right."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
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
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "token-of-the-login.with-a-signature"
PLACE = "@"
"""Where the guess goes in a request."""
WRONG = "#"
"""In no secret and no answer."""

_WITH_A_LONG_TEXT: dict[str, dict[str, Any]] = {
    "an unknown command": {PLACE: {}},
    "an unknown command, flat": {"command": PLACE},
    "the name of a command that is no object": {PLACE: 5},
    "an unknown parameter": {"check_access": {PLACE: None}},
    "a wrong value": {"get_location_usage": {"max_age_s": PLACE}},
    "an unknown parameter's value": {"get_location_usage": {"colour": PLACE}},
    "help for a command": {"help": {"name": PLACE}},
    "a parameter that is no number": {"help": {PLACE: float("nan")}},
    "a name deep inside": {"help": {"name": {PLACE: [{"x": float("inf")}]}}},
    "a location outside": {"get_location_usage": {"location_id": PLACE}},
    "an organization outside": {"get_current_month_usage": {"org_id": PLACE}},
    "an organization to charge": {**charge("k"), "org_id_to_charge": PLACE},
    "a charge's key": {"get_charge": {"idempotency_key": PLACE}},
    "a charge to resolve": {"resolve_charge": {"idempotency_key": PLACE, "outcome": "failed", "note": PLACE}},
    "a tier": {"update_organization_billing_tier": {"organization_id": HARBOR_ID, "billing_tier": PLACE}},
    "an invoice": {"get_invoice_pdf": {"invoice_id": PLACE}},
    "a file's name": {"get_invoice_pdf": {"invoice_id": "none", "save_as": PLACE}},
    "a customer": {"send_payment_required_email": {"customer_org_id": PLACE, PLACE: 1}},
}


def replaced(value: Any, text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value with the text in the place of the guess, in names and values."""
    if isinstance(value, dict):
        return {replaced(name, text): replaced(part, text) for name, part in value.items()}
    if isinstance(value, list):
        return [replaced(part, text) for part in value]
    return text if value == PLACE else value


async def told(module: ModuleProcess, request: dict[str, Any], name: str = "billing") -> str:
    """The answer or the error, as text."""
    try:
        return json.dumps(await module.do(request, name=name))
    except GRPCError as error:
        return f"{error.status} {error.message}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def debugged() -> AsyncIterator[ModuleProcess]:
    """A module process that logs all that it can."""
    async with ModuleProcess(arguments=("--log-level=debug",)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def logged_in(
    debugged: ModuleProcess, attributes: dict[str, Any], control: SandboxControl
) -> AsyncIterator[ModuleProcess]:
    """The same with a service that has logged in, so that it knows its key and a token."""
    control.set_fault(Fault("Authenticate", token=TOKEN))
    scope = {
        "allowed_commands": ["read", "notify", "change", "charge", "resolve_charge"],
        "allowed_org_ids": [HARBOR_ID],
        "charge_limits": {"per_charge": 100, "per_day": 100},
    }
    await debugged.add({**attributes, **scope})
    await debugged.ask("check_access")
    yield debugged
    await debugged.remove()


def guesses(secret: str) -> Iterator[tuple[str, str]]:
    """Right guesses of a part of a secret, each with a wrong one of the same length."""
    for length in (2, 7, 8, len(secret) - 1):
        yield secret[:length], WRONG * length
        yield secret[-length:], WRONG * length


def alike(of_right: str, of_wrong: str) -> bool:
    """Whether two answers are the same but for the characters of the guess, as far as they are shown."""
    pairs = zip(of_right, of_wrong, strict=False)
    return len(of_right) == len(of_wrong) and all(b in (a, WRONG) for a, b in pairs) and "***" not in of_right


def contents(folder: str) -> bytes:
    """All bytes of the databases in a folder."""
    return b"".join(path.read_bytes() for path in Path(folder).glob("*.db*"))


@pytest.mark.parametrize("secret", [DEFAULT_API_KEY, TOKEN], ids=["key", "token"])
@pytest.mark.parametrize("request_", _WITH_A_LONG_TEXT.values(), ids=_WITH_A_LONG_TEXT)
async def test_a_right_guess_is_answered_as_a_wrong_one(
    logged_in: ModuleProcess, request_: dict[str, Any], secret: str
) -> None:
    """Wherever a text is cut: at the end of a quote, in the middle, or not at all."""
    for right, wrong in guesses(secret):
        for before in {0, *(cut - len(right) for cut in (76, 77, 78, 79, 80, 200))}:
            for after in ("", "BBBB"):
                texts = [f"{'A' * before}{guess}{after}" for guess in (right, wrong)]
                seen = [await told(logged_in, replaced(request_, text)) for text in texts]
                assert alike(*seen), seen


@pytest.mark.parametrize("secret", [DEFAULT_API_KEY, TOKEN], ids=["key", "token"])
@pytest.mark.parametrize("request_", _WITH_A_LONG_TEXT.values(), ids=_WITH_A_LONG_TEXT)
async def test_a_whole_secret_is_told_not_even_in_part(
    logged_in: ModuleProcess, attributes: dict[str, Any], request_: dict[str, Any], secret: str
) -> None:
    """Not in the answer, the log or a file, wherever a text with it is cut."""
    for before in (0, 60, 70, 79, 100, 120, 190, 199):
        text = await told(logged_in, replaced(request_, f"{'A' * before}{secret}BBBB"))
        assert secret[:4] not in text
    assert secret[:6] not in logged_in.log
    written = contents(attributes["state_dir"])
    assert written
    assert secret[:6].encode() not in written


@pytest.mark.parametrize("secret", [DEFAULT_API_KEY, TOKEN], ids=["key", "token"])
@pytest.mark.parametrize("status", ["INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND"])
async def test_the_clouds_words_tell_no_guess(
    logged_in: ModuleProcess, control: SandboxControl, status: str, secret: str
) -> None:
    """They may hold what a caller sent, and are cut to 300 characters."""
    for right, wrong in guesses(secret):
        seen = []
        for guess in (right, wrong):
            words = f"{'A' * (299 - len(status) - 2 - len(guess))}{guess}BBBB"
            control.set_fault(Fault("GetInvoicePdf", status=status, message=words, count=1))
            seen.append(await told(logged_in, {"get_invoice_pdf": {"invoice_id": "none", "org_id": HARBOR_ID}}))
        assert alike(*seen), seen
        assert WRONG in seen[1]


@pytest.mark.parametrize("length", [260, 280, 299, 3000, 7500, 9000, 60_000])
async def test_the_clouds_words_are_never_cut_inside_a_secret(
    logged_in: ModuleProcess, control: SandboxControl, length: int
) -> None:
    """Whoever cuts them, the module or the library below it."""
    control.set_fault(Fault("GetInvoicePdf", status="INTERNAL", message=f"{'A' * length}{DEFAULT_API_KEY}{TOKEN}"))
    with pytest.raises(GRPCError) as caught:
        await logged_in.do({"get_invoice_pdf": {"invoice_id": "none", "org_id": HARBOR_ID}})
    status = json.dumps(await logged_in.status())
    for shown in (caught.value.message or "", status, logged_in.log):
        assert DEFAULT_API_KEY[:6] not in shown
        assert TOKEN[:6] not in shown


async def test_a_key_of_another_service_is_a_secret_too(
    logged_in: ModuleProcess, attributes: dict[str, Any], tmp_path: Path
) -> None:
    """Also after that service is gone."""
    other = {**attributes, "api_key": "the-key-of-another-service", "state_dir": str(tmp_path / "other")}
    await logged_in.add(other, "other")
    assert "another" not in await told(logged_in, {f"{'A' * 60}the-key-of-another-service": {}})
    await logged_in.remove("other")
    assert "another" not in await told(logged_in, {f"{'A' * 60}the-key-of-another-service": {}})


async def test_an_odd_token_is_told_nowhere(attributes: dict[str, Any], control: SandboxControl) -> None:
    """One with every character that a token may have: it breaks neither a call nor a line of the log."""
    odd = "".join(map(chr, range(0x21, 0x7F)))
    control.set_fault(Fault("Authenticate", token=odd))
    control.set_fault(Fault("GetCurrentMonthUsage", status="INTERNAL", message=f"no place for {odd}, sorry"))
    async with ModuleProcess(arguments=("--log-level=debug",)) as module:
        await module.add({**attributes, "api_key_id": DEFAULT_API_KEY_ID})
        seen = [await told(module, {"get_current_month_usage": {}}), await told(module, {f"x{odd}": {}})]
        with suppress(GRPCError):
            await module.ask("get_location_usage")
        seen.append(json.dumps(await module.status()))
        module.terminate()
        seen.append(module.log)
    assert "no place for ***, sorry" in seen[0]
    assert not [text for text in seen if odd[-8:] in text or "()*+,-./" in text]


async def test_a_secret_is_in_no_line_that_a_library_logs(logged_in: ModuleProcess) -> None:
    """The SDK logs the name of the service that a caller asks, before the module sees anything of it."""
    with pytest.raises(GRPCError):
        await logged_in.do({"help": {}}, name=f"x{DEFAULT_API_KEY}x")
    assert "for resource named: x***x" in logged_in.log
    assert DEFAULT_API_KEY[:8] not in logged_in.log
