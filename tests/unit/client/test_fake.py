"""The fake that users' tests get: answers and errors without a machine, and the same types."""

from __future__ import annotations

import inspect
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from support.white_label import PARAMETERS
from viam_billing_client import (
    Billing,
    ChargeBlockedError,
    CloudError,
    IdempotencyConflictError,
    InvalidRequestError,
    NotFoundError,
    UnknownCommandError,
    answers,
)
from viam_billing_client.testing import FakeBilling, replace, sample
from viam_billing_client.testing.samples import SAMPLES

CHARGES = ("charge_organization", "create_invoice_and_charge_immediately")


def required(command: str) -> list[str]:
    """The parameters that a command needs."""
    parameters = inspect.signature(getattr(Billing, command)).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]


async def test_a_command_answers_its_sample_and_is_noted() -> None:
    billing: Billing = (fake := FakeBilling())
    since = datetime(2026, 11, 1, tzinfo=timezone.utc)
    summary = await billing.get_invoices_summary(status="outstanding", since=since)
    assert summary == sample("get_invoices_summary", answers.InvoicesSummary)
    assert summary.overdue_balance == Decimal("166.1")
    assert fake.calls == [
        ("get_invoices_summary", {"status": "outstanding", "since": "2026-11-01T00:00:00+00:00"}),
    ]


async def test_it_answers_what_is_scripted() -> None:
    """A record, one made of the parameters, an error."""
    fake = FakeBilling()
    usage = sample("get_location_usage", answers.LocationUsage)
    fake.script["get_location_usage"] = replace(usage, stale=True)
    assert (await fake.get_location_usage()).stale
    fake.script["get_location_usage"] = lambda asked: replace(usage, location_id=asked["location_id"])
    assert (await fake.get_location_usage(location_id="x")).location_id == "x"
    fake.script["get_location_usage"] = ChargeBlockedError("settle it.")
    with pytest.raises(ChargeBlockedError):
        await fake.get_location_usage()
    with pytest.raises(ChargeBlockedError):
        await fake.do_command({"get_location_usage": {}})


async def test_a_script_of_another_commands_record_is_told() -> None:
    fake = FakeBilling()
    fake.script["get_location_usage"] = sample("help", answers.Help)
    with pytest.raises(TypeError, match="get_location_usage answers LocationUsage"):
        await fake.get_location_usage()


async def test_a_key_charges_once() -> None:
    """As the module does: the same again is replayed, another amount is a conflict, and the journal has it."""
    fake = FakeBilling()

    async def charge(dollars: str) -> answers.ChargeMade:
        return await fake.charge_organization(
            org_id_to_charge="a", subtotal=Decimal(dollars), tax=1, idempotency_key="k"
        )

    first = await charge("2.50")
    assert (first.total, first.org_id, first.replayed) == (Decimal("3.5"), "a", False)
    assert await charge("2.50") == replace(first, replayed=True)
    with pytest.raises(IdempotencyConflictError):
        await charge("3")
    found = await fake.get_charge(idempotency_key="k")
    assert (found.invoice_id, found.payment_status) == (first.invoice_id, None)
    assert [each.idempotency_key for each in (await fake.list_charges()).charges] == ["k"]
    with pytest.raises(NotFoundError):
        await fake.get_charge(idempotency_key="other")


async def test_a_dry_run_charges_nobody() -> None:
    fake = FakeBilling()
    tried = await fake.charge_organization(org_id_to_charge="a", subtotal=2, idempotency_key="k", dry_run=True)
    assert tried == answers.DryRun(dry_run=True, would_send={"org_id_to_charge": "a", "subtotal": 2})
    assert fake.charges == {}


async def test_an_invoices_pdf_is_bytes() -> None:
    assert (await FakeBilling().get_invoice_pdf(invoice_id="i")).content == b"%PDF-1.4\n%%EOF\n"


def test_a_script_of_an_unknown_command_is_refused_at_once() -> None:
    """Whichever way it is written."""
    fake = FakeBilling()
    for write in (
        lambda: fake.script.__setitem__("get_usage", CloudError("no.")),
        lambda: fake.script.update(get_usage=CloudError("no.")),
        lambda: fake.script.setdefault("get_usage", CloudError("no.")),
    ):
        with pytest.raises(ValueError, match=r'no command "get_usage".*get_location_usage'):
            write()
    assert not fake.script


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"get_charge", "list_charges", *CHARGES}))
async def test_a_raw_request_is_answered_like_a_call(name: str) -> None:
    """In both spellings, as the JSON values that the module has."""
    fake = FakeBilling()
    needed = {each: {"outcome": "failed", **PARAMETERS}.get(each, "text") for each in required(name)}
    assert await fake.do_command({name: needed}) == {name: SAMPLES[name]}
    assert await fake.do_command({"command": name, **needed}) == SAMPLES[name]
    assert fake.calls == [(name, needed)] * 2


@pytest.mark.parametrize("name", CHARGES)
async def test_a_raw_request_charges_like_a_call(name: str) -> None:
    """A key charges once, by whichever way it comes, and under either name of a parameter."""
    fake = FakeBilling()
    subtotal = {"charge_organization": "subtotal"}.get(name, "amount")
    request: dict[str, Any] = {"org_id_to_charge": "a", subtotal: 2.5, "idempotency_key": "k"}
    tried = await fake.do_command({name: {**request, "dry_run": True}})
    assert tried == {name: {"dry_run": True, "would_send": {"org_id_to_charge": "a", subtotal: 2.5}}}
    assert fake.charges == {}
    made = await fake.do_command({name: request})
    assert made[name] == SAMPLES[name] | {"idempotency_key": "k", "org_id": "a", "total": 2.5}
    assert fake.charges["k"].total == Decimal("2.5")
    again = await getattr(fake, name)(**request)
    assert (again.invoice_id, again.replayed) == (made[name]["invoice_id"], True)
    renamed = {"org_id" if each == "org_id_to_charge" else each: value for each, value in request.items()}
    assert (await fake.do_command({"command": name, **renamed}))["replayed"]
    with pytest.raises(IdempotencyConflictError):
        await fake.do_command({name: {**request, subtotal: 3}})
    assert (await fake.do_command({"get_charge": {"idempotency_key": "k"}}))["get_charge"]["total"] == 2.5
    assert [each["state"] for each in (await fake.do_command({"command": "list_charges"}))["charges"]] == ["succeeded"]
    assert (await fake.list_charges(state="unknown")).charges == ()


@pytest.mark.parametrize("missing", ["org_id_to_charge", "subtotal", "idempotency_key"])
async def test_a_raw_charge_that_lacks_a_parameter_charges_nobody(missing: str) -> None:
    """Nothing stands in for it, and least of all 0 dollars."""
    fake = FakeBilling()
    request = {"org_id_to_charge": "a", "subtotal": 2, "idempotency_key": "k"}
    del request[missing]
    with pytest.raises(InvalidRequestError, match=f"{missing}: is missing"):
        await fake.do_command({"charge_organization": request})
    assert fake.charges == {}


@pytest.mark.parametrize("request_", [{}, {"get_status": {}, "help": {}}, {"get_status": None}, {"get_status": 1}])
async def test_a_raw_request_that_is_none_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        await FakeBilling().do_command(request_)


async def test_a_raw_request_of_an_unknown_command_is_refused() -> None:
    requests: tuple[dict[str, Any], ...] = ({"get_usage": {}}, {"command": "get_usage"})
    for request in requests:
        with pytest.raises(UnknownCommandError, match="get_usage"):
            await FakeBilling().do_command(request)


async def test_a_raw_request_answers_what_is_scripted() -> None:
    """Without what is not known."""
    fake = FakeBilling()
    fake.script["get_status"] = replace(sample("get_status", answers.ServiceStatus), charged_last_24h=None)
    known = {name: value for name, value in SAMPLES["get_status"].items() if name != "charged_last_24h"}
    assert await fake.do_command({"get_status": {}}) == {"get_status": known}
    fake.script["get_location_usage"] = lambda parameters: CloudError(f"no {parameters['location_id']}.")
    with pytest.raises(CloudError, match="no abc"):
        await fake.do_command({"get_location_usage": {"location_id": "abc"}})
    assert fake.calls[-1] == ("get_location_usage", {"location_id": "abc"})
    fake.script["help"] = sample("get_status", answers.ServiceStatus)
    with pytest.raises(TypeError, match="help answers Help"):
        await fake.do_command({"command": "help"})
