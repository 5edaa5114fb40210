"""FOCUS rows of a history: what each day has cost, credits as such, and the months as FOCUS has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from viam_billing_client import answers
from viam_billing_client.cli.focus import COLUMNS, VALIDATED_NAMES, days_not_known, focus_rows

MANDATORY = {
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity"),
    *("PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
}


def point(
    time: str, month_to_date: str, delta: str | None = None, by_type: Mapping[str, str] | None = None
) -> answers.UsagePoint:
    """What `get_usage_history` answers of a day."""
    return answers.UsagePoint(
        time=datetime.fromisoformat(f"{time}+00:00"),
        month_to_date=Decimal(month_to_date),
        delta=None if delta is None else Decimal(delta),
        delta_by_type=None if by_type is None else {name: Decimal(cost) for name, cost in by_type.items()},
    )


def rows(*points: answers.UsagePoint) -> list[dict[str, str]]:
    return list(focus_rows(answers.UsageHistory(org_id="org", points=points), "Fleetworks"))


def test_a_day_has_a_row_for_each_kind_of_usage() -> None:
    machine, data = rows(point("2025-11-20T23:10:00", "100", "9.5", {"per_machine": "8", "binary_data_upload": "1.5"}))[
        ::-1
    ]
    assert machine.keys() == set(COLUMNS)
    assert {name: machine[name] for name in sorted(MANDATORY | {"SkuId"})} == {
        "BilledCost": "8.00",
        "BillingAccountId": "org",
        "BillingAccountName": "Fleetworks",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2025-12-01T00:00:00Z",
        "BillingPeriodStart": "2025-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "per_machine",
        "ChargePeriodEnd": "2025-11-21T00:00:00Z",
        "ChargePeriodStart": "2025-11-20T00:00:00Z",
        "ContractedCost": "8.00",
        "EffectiveCost": "8.00",
        "InvoiceIssuerName": "Viam",
        "ListCost": "8.00",
        "PricingQuantity": "1",
        "PricingUnit": "Days",
        "ProviderName": "Viam",
        "PublisherName": "Viam",
        "ServiceCategory": "Internet of Things",
        "ServiceName": "Viam",
        "SkuId": "per_machine",
    }
    assert (data["SkuId"], data["BilledCost"]) == ("binary_data_upload", "1.50")


def test_the_first_of_a_month_without_any_cost_is_in_its_own_month() -> None:
    """Where credits take all that was used, the figures of the old month and of the new one are alike."""
    by_type = {"per_machine": "10"}
    shown = rows(*(point(f"2025-{day}T23:00:00", "0", "0", by_type) for day in ("11-29", "11-30", "12-01", "12-02")))
    periods = [row["BillingPeriodStart"][:7] for row in shown if row["ChargeCategory"] == "Usage"]
    assert periods == ["2025-11", "2025-11", "2025-12", "2025-12"]


def test_what_the_kinds_do_not_explain_is_a_credit() -> None:
    """Whether a discount on all, or a kind that has become cheaper; it has no price."""
    shown = rows(point("2025-11-20T23:00:00", "100", "5", {"a": "9", "b": "-1"}))
    assert [(row["ChargeCategory"], row["ChargeDescription"], row["BilledCost"]) for row in shown] == [
        ("Usage", "a", "9.00"),
        ("Credit", "Credit, b", "-1.00"),
        ("Credit", "Discounts and credits", "-3.00"),
    ]
    assert {row["PricingQuantity"] + row["SkuId"] + row["ListUnitPrice"] for row in shown[1:]} == {""}


def test_cents_that_rounding_has_left_are_no_credit() -> None:
    shown = rows(point("2025-11-20T23:00:00", "100", "1.01", {"a": "0.51", "b": "0.51"}))
    assert [(row["ChargeCategory"], row["BilledCost"]) for row in shown] == [
        ("Usage", "0.51"),
        ("Usage", "0.51"),
        ("Adjustment", "-0.01"),
    ]


def test_a_day_without_costs_by_type_has_one_row() -> None:
    (row,) = rows(point("2025-11-20T23:00:00", "100", "9.5"))
    assert (row["ChargeCategory"], row["ChargeDescription"], row["BilledCost"]) == ("Usage", "Usage", "9.50")
    (credit,) = rows(point("2025-11-20T23:00:00", "100", "-9.5"))
    assert (credit["ChargeCategory"], credit["BilledCost"]) == ("Credit", "-9.50")


def test_a_day_that_nobody_knows_has_none() -> None:
    points = (point("2025-11-18T23:00:00", "100"), point("2025-11-20T23:00:00", "120"))
    assert rows(*points) == []
    assert days_not_known(answers.UsageHistory(org_id="org", points=points)) == 2


def test_a_day_that_is_not_over_has_none() -> None:
    """A charge period ends at the midnight after it, which is no part of it; until then the day's cost grows."""
    points = (point("2025-11-19T23:59:00", "100", "9"), point("2025-11-20T11:59:00", "104", "4"))
    history = answers.UsageHistory(org_id="org", points=points)
    for until, expected in (
        ("2025-11-20T23:59:59+00:00", ["2025-11-20T00:00:00Z"]),
        ("2025-11-21T00:30:00+01:00", ["2025-11-20T00:00:00Z"]),
        ("2025-11-21T00:00:00+00:00", ["2025-11-20T00:00:00Z", "2025-11-21T00:00:00Z"]),
        ("2999-01-01T00:00:00+00:00", ["2025-11-20T00:00:00Z", "2025-11-21T00:00:00Z"]),
    ):
        shown = focus_rows(history, until=datetime.fromisoformat(until))
        assert [row["ChargePeriodEnd"] for row in shown] == expected


def test_today_is_not_over() -> None:
    """Whatever `until` says, and even where nobody knows its cost."""
    now = datetime.now(timezone.utc)
    today = answers.UsagePoint(time=now, month_to_date=Decimal(9), delta=Decimal(9))
    unknown = answers.UsagePoint(time=now, month_to_date=Decimal(9))
    for until in (None, now + timedelta(days=9)):
        assert list(focus_rows(answers.UsageHistory(org_id="org", points=(today,)), until=until)) == []
        assert days_not_known(answers.UsageHistory(org_id="org", points=(unknown,)), until) == 0


def months(*points: answers.UsagePoint) -> list[tuple[str, str]]:
    """The first day of each row's billing period, and of its charge period."""
    return [(row["BillingPeriodStart"][:10], row["ChargePeriodStart"][:10]) for row in rows(*points)]


def test_the_last_day_of_a_year_ends_with_it() -> None:
    (row,) = rows(point("2025-12-31T23:59:59", "310", "10"))
    assert (row["ChargePeriodEnd"], row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        "2026-01-01T00:00:00Z",
        "2025-12-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
    )


def test_a_month_begins_on_its_first() -> None:
    assert months(point("2025-10-31T23:59:00", "310", "10"), point("2025-11-01T23:59:00", "9", "9")) == [
        ("2025-10-01", "2025-10-31"),
        ("2025-11-01", "2025-11-01"),
    ]


def test_a_month_that_begins_east_of_greenwich_has_a_day_of_the_one_before() -> None:
    """It begins at 10:00 or later on the last day in UTC; what that day has cost is told of the new month."""
    assert months(
        point("2025-10-30T23:59:00", "310", "10"),
        point("2025-10-31T23:59:00", "4", "4"),
        point("2025-11-01T23:59:00", "13", "9"),
    ) == [("2025-10-01", "2025-10-30"), ("2025-11-01", "2025-10-31"), ("2025-11-01", "2025-11-01")]


def test_a_month_that_ends_west_of_greenwich_has_hours_of_the_next() -> None:
    """Seen only in the morning of the first in UTC, the old month goes on."""
    assert months(
        point("2025-10-31T23:59:00", "310", "10"),
        point("2025-11-01T06:00:00", "312", "2"),
        point("2025-11-02T23:59:00", "13", "13"),
        point("2025-11-03T23:59:00", "22", "9"),
    ) == [
        ("2025-10-01", "2025-10-31"),
        ("2025-10-01", "2025-11-01"),
        ("2025-11-01", "2025-11-02"),
        ("2025-11-01", "2025-11-03"),
    ]


CENTS = st.integers(-10_000, 100_000).map(lambda cents: Decimal(cents) / 100)


@given(delta=CENTS, by_type=st.dictionaries(st.sampled_from("abcd"), CENTS))
def test_the_rows_of_a_day_add_up_to_it(delta: Decimal, by_type: dict[str, Decimal]) -> None:
    """Whatever the kinds say."""
    time = datetime(2025, 11, 20, 23, tzinfo=timezone.utc)
    day = answers.UsagePoint(time=time, month_to_date=Decimal(0), delta=delta, delta_by_type=by_type)
    shown = rows(day)
    assert sum(Decimal(row["BilledCost"]) for row in shown) == delta
    assert {(row["ChargeCategory"] == "Credit") for row in shown if Decimal(row["BilledCost"]) >= 0} <= {False}
    assert all(row[name] == row[specified] for row in shown for name, specified in VALIDATED_NAMES.items())
