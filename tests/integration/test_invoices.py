"""get_invoices_summary, get_org_billing_information and get_available_billing_tiers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID, NORTHWIND_ID
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALDER_ID = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"


async def summary(service: Service, **parameters: object) -> dict[str, Any]:
    """The invoices as the cloud has them now."""
    return await service.ask("get_invoices_summary", **{"max_age_s": 0, **parameters})


def ids(answer: dict[str, Any]) -> list[str]:
    """The ids of an answer's invoices, in its order."""
    return [invoice["id"] for invoice in answer["invoices"]]


async def test_invoices_are_newest_first(service: Service) -> None:
    """All twelve, by their date, of the own organization."""
    answer = await summary(service)
    dates = [invoice["invoice_date"] for invoice in answer["invoices"]]
    assert dates == sorted(dates, reverse=True)
    assert answer["total_invoices"] == len(dates) == 12
    assert answer["org_id"] == DEFAULT_ORG_ID
    assert answer["stale"] is False


async def test_an_invoice_has_the_apis_fields(service: Service) -> None:
    """Texts without presence are shown empty, times that are not known are left out."""
    answer = await summary(service, org_id=HARBOR_ID)
    newest = answer["invoices"][0]
    assert newest["status"] == "outstanding"
    assert newest["invoice_amount"] == 489.95
    assert newest["last_payment_failure_reason"] == ""
    assert newest["due_date"].endswith("Z")
    assert "paid_date" not in newest
    assert "last_payment_failure_at" not in newest


async def test_a_failed_payment_is_told(service: Service) -> None:
    """The reason is the API's word, whatever it is."""
    answer = await summary(service, org_id=ALDER_ID, status="outstanding")
    (invoice,) = answer["invoices"]
    assert invoice["last_payment_failure_reason"] == "card_declined"
    assert invoice["last_payment_failure_at"].endswith("Z")


async def test_a_status_filters(service: Service) -> None:
    """Only invoices of that status; the total is of all."""
    answer = await summary(service, org_id=ALDER_ID, status="paid")
    assert len(answer["invoices"]) == 11
    assert answer["total_invoices"] == 12


async def test_an_unknown_status_matches_nothing(service: Service) -> None:
    """Status words grow: a new one is no error."""
    assert (await summary(service, status="void"))["invoices"] == []


async def test_since_filters_by_date(service: Service) -> None:
    """An invoice dated at that very moment is in, one dated before is not; the offset counts."""
    everything = await summary(service)
    third = datetime.fromisoformat(everything["invoices"][2]["invoice_date"].replace("Z", "+00:00"))
    elsewhere = (third + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00")
    assert ids(await summary(service, since=elsewhere)) == ids(everything)[:3]
    assert ids(await summary(service, since=(third + timedelta(seconds=1)).isoformat())) == ids(everything)[:2]


async def test_a_limit_keeps_the_newest(service: Service) -> None:
    everything = await summary(service, org_id=ALDER_ID, status="paid")
    answer = await summary(service, org_id=ALDER_ID, status="paid", limit=2)
    assert ids(answer) == ids(everything)[:2]
    assert answer["total_invoices"] == 12


async def test_what_is_overdue_is_counted(service: Service, control: SandboxControl) -> None:
    """Outstanding and past its due date, whatever the filters show; amounts are added, then rounded."""
    late = {"hours_ago": 72, "due_in_days": 1, "status": "outstanding"}
    invoices = [
        {**late, "id": "late1", "amount": 10.004},
        {**late, "id": "late2", "amount": 20.004},
        {**late, "id": "due-later", "amount": 99.0, "due_in_days": 14},
        {**late, "id": "paid", "amount": 99.0, "status": "paid"},
    ]
    control.patch_organization(NORTHWIND_ID, add_invoices=invoices)
    answer = await summary(service, org_id=NORTHWIND_ID, limit=1, status="paid")
    assert answer["overdue_count"] == 2
    assert answer["overdue_balance"] == 30.01
    assert answer["outstanding_balance"] == pytest.approx(129.008)


async def test_debts_are_told_by_their_age(service: Service, control: SandboxControl) -> None:
    """By days past due, the last moment of a part in it; credit notes and what is paid are no debts."""
    before = await summary(service, org_id=NORTHWIND_ID)

    def due(days_ago: float, amount: float, **more: object) -> dict[str, object]:
        invoice = {"id": f"aged-{days_ago}-{amount}", "hours_ago": days_ago * 24, "due_in_days": 0.0, **more}
        return {"amount": amount, "status": "outstanding", **invoice}

    failed = {"failure_reason": "card_declined", "failed_after_days": 0.0}
    ahead = {"hours_ago": 0.0, "due_in_days": 3.0}
    invoices = [
        due(-3, 1, **ahead),
        *(due(days, 10) for days in (0.5, 29.9)),
        *(due(days, 100) for days in (30.1, 59.9)),
        due(89.9, 1000, **failed),
        due(90.1, 10_000),
        due(10, -500),
        due(10, 70_000, status="paid", **failed),
    ]
    control.patch_organization(NORTHWIND_ID, add_invoices=invoices)
    after = await summary(service, org_id=NORTHWIND_ID, limit=1)
    added = {name: round(after["aging"][name] - before["aging"][name], 2) for name in after["aging"]}
    assert added == {"not_due": 1, "days_1_30": 20, "days_31_60": 200, "days_61_90": 1000, "over_90": 10_000}
    assert after["failed_payment_count"] - before["failed_payment_count"] == 1
    assert after["overdue_count"] - before["overdue_count"] == 6
    assert after["overdue_balance"] - before["overdue_balance"] == pytest.approx(11_220)
    assert after["outstanding_balance"] - before["outstanding_balance"] == pytest.approx(11_221 - 500)


async def test_nothing_overdue_is_none_and_nothing(service: Service) -> None:
    answer = await summary(service)
    assert (answer["overdue_count"], answer["overdue_balance"], answer["outstanding_balance"]) == (0, 0, 0)


async def test_an_unknown_organization_is_not_found(service: Service) -> None:
    """An ID that the cloud does not know."""
    assert (await refused(summary(service, org_id="nobody"))).code == "not_found"


async def test_payment_details_are_masked(service: Service) -> None:
    """E-mail and routing number are not readable, and the verification link is not there."""
    answer = await service.ask("get_org_billing_information", org_id=HARBOR_ID)
    account = answer["method_us_bank_account"]
    assert answer["type"] == "PAYMENT_METHOD_TYPE_USBANKACCOUNT"
    assert account["bank_name"] == "Test Harbor Bank"
    assert account["last_four_digits_account_number"] == "6789"
    assert not any(secret in str(answer) for secret in ("accounts@", "110000000", "verify.example"))


async def test_payment_details_are_shown_where_configured(make: Callable[..., Awaitable[Service]]) -> None:
    service = await make(reveal_payment_details=True, allowed_org_ids=["*"])
    answer = await service.ask("get_org_billing_information", org_id=HARBOR_ID)
    account = answer["method_us_bank_account"]
    assert answer["billing_email"] == "accounts@harbor.example"
    assert account["routing_number"] == "110000000"
    assert account["verification_info"]["hosted_verification_page_url"] == "https://verify.example/harbor"


async def test_two_services_do_not_share_what_they_reveal(make: Callable[..., Awaitable[Service]]) -> None:
    """What one may show stays masked in the other."""
    open_one = await make(reveal_payment_details=True)
    masked_one = await make()
    shown = await open_one.ask("get_org_billing_information")
    masked = await masked_one.ask("get_org_billing_information")
    assert shown["billing_email"] == "billing@fleetworks.example"
    assert "billing@" not in masked["billing_email"]


async def test_a_card_is_told(service: Service) -> None:
    """Brand and last four digits, as the API has them, and the tier."""
    answer = await service.ask("get_org_billing_information")
    assert answer["method"] == {"brand": "visa", "last_four_digits": "4242"}
    assert answer["billing_tier"] == "enterprise"
    assert answer["org_id"] == DEFAULT_ORG_ID


async def test_a_tier_that_is_not_told_is_left_out(service: Service) -> None:
    """Neither null nor empty: the API tells it to billing dashboard admins only."""
    answer = await service.ask("get_org_billing_information", org_id=NORTHWIND_ID)
    assert "billing_tier" not in answer
    assert "method" not in answer
    assert answer["billing_email"] == ""


async def test_the_available_tiers(service: Service) -> None:
    """The API's list; org_id is accepted and makes no difference."""
    answer = await service.ask("get_available_billing_tiers")
    assert answer["tiers"] == ["standard", "fleet", "enterprise"]
    assert answer["stale"] is False
    assert (await service.ask("get_available_billing_tiers", org_id=HARBOR_ID))["tiers"] == answer["tiers"]
