from __future__ import annotations

import pytest
from rich.console import Console

from viam_billing_sandbox.demo import charts

MONTH = {"start_date": "2026-11-01T00:00:00Z", "end_date": "2026-12-01T00:00:00Z"}


def lines(*costs: float, total: float) -> list[str]:
    """The chart of a month whose first days came to these costs, without its labels."""
    points = [{"time": f"2026-11-{day:02}T12:00:00Z", "month_to_date": cost} for day, cost in enumerate(costs, 1)]
    drawn = charts.month(points, {**MONTH, "projection": {"total": total}}, "#", ".")
    return [line.plain[11:] for line in drawn[:-1]]


def columns(*costs: float, total: float) -> list[int]:
    """How high each day of the chart is."""
    rows = lines(*costs, total=total)
    return [sum(row[2 * day] in "#." for row in rows) for day in range(30)]


def test_a_refund_lowers_the_days_after_it() -> None:
    """To what the month has cost then, and not to what it had before."""
    heights = columns(30.0, 90.0, 30.0, total=30.0)
    assert heights[:3] == [3, 9, 3]
    assert set(heights[3:]) == {3}


def test_a_month_of_credits_is_drawn_below_zero() -> None:
    heights = columns(-30.0, -90.0, -90.0, total=-90.0)
    assert heights[:3] == [3, 9, 9]
    assert lines(-30.0, -90.0, total=-90.0)[0].startswith("##")


def test_the_band_lies_between_low_and_high_on_either_side_of_zero() -> None:
    """Above 0 `low` is sure, below it `high` is."""
    for sign in (1, -1):
        low, high = sorted((sign * 30.0, sign * 90.0))
        points = [{"time": "2026-11-01T12:00:00Z", "month_to_date": 0.0}]
        usage = {**MONTH, "projection": {"total": sign * 60.0, "low": low, "high": high}}
        last = "".join(line.plain[11:][58] for line in charts.month(points, usage, "#", ".")[:-1])
        assert last == ("++++++..." if sign > 0 else "...++++++")


def test_a_payer_with_a_credit_has_no_bar() -> None:
    """Nor has one that has cost nothing; and theirs do not change the others'."""
    rows = [{"org_id": name, "location_ids": [1], "month_to_date": cost} for name, cost in (("a", 8.0), ("b", -4.0))]
    table = charts.fleet({"organizations": rows}, str, "#")
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    drawn = capture.get()
    assert "#" * 24 in drawn
    assert drawn.count("#") == 24
    assert "-$4.00" in drawn


@pytest.mark.parametrize(("used", "filled"), [(-0.5, 0), (0.0, 0), (0.5, 30), (2.0, 60)])
def test_a_budget_bar_is_as_long_as_ever(used: float, filled: int) -> None:
    line = charts.budget({"used_fraction": used, "status": "ok", "monthly_budget": 100.0}, "#", ".").plain
    assert line.partition(" ")[0] == "#" * filled + "." * (60 - filled)


def test_a_change_has_its_sign_and_the_largest_the_longest_bar() -> None:
    """A fall too; one that is not known has none."""
    rows = [
        {"type": "a", "now": 0.0, "before": 10.0, "change": -10.0},
        {"type": "b", "now": 7.5, "before": 2.5, "change": 5.0},
        {"type": "c", "now": 1.0},
    ]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(charts.changes({"by_type": rows}, "#"))
    drawn = [line.split() for line in capture.get().splitlines()[1:]]
    assert drawn == [
        ["a", "$0.00", "$10.00", "#" * 24, "-$10.00"],
        ["b", "$7.50", "$2.50", "#" * 12, "$5.00"],
        ["c", "$1.00", "not", "known"],
    ]
