"""The fake that users' tests get: answers and errors without a machine, and the same types."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest

from viam_billing_client import (
    Billing,
    ChargeBlockedError,
    CloudError,
    IdempotencyConflictError,
    NotFoundError,
    answers,
)
from viam_billing_client.testing import FakeBilling, replace, sample
from viam_billing_client.testing.samples import SAMPLES


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


async def test_raw_requests_have_json_values() -> None:
    """In both spellings, without what is not known."""
    fake = FakeBilling()
    assert await fake.do_command({"command": "get_status"}) == SAMPLES["get_status"]
    fake.script["get_status"] = sample("get_status", answers.ServiceStatus)
    answer = SAMPLES["get_status"] | {
        "last_success": "2026-11-21T12:00:00+00:00",
        "journal": SAMPLES["get_status"]["journal"] | {"created": "2026-11-02T09:30:00+00:00"},
    }
    assert await fake.do_command({"get_status": {}}) == {"get_status": answer}
    fake.script["get_location_usage"] = lambda parameters: CloudError(f"no {parameters['location_id']}.")
    with pytest.raises(CloudError, match="no abc"):
        await fake.do_command({"get_location_usage": {"location_id": "abc"}})
    assert fake.calls[-1] == ("get_location_usage", {"location_id": "abc"})
