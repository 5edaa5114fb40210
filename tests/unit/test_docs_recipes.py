"""What can be run of the guide's recipes without Viam's cloud."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from support.documentation import ROOT

RECIPE = runpy.run_path(str(ROOT / "docs" / "cost_by_day.py"))


def cost_by_day(rows: list[dict[str, Any]]) -> list[tuple[str, str, float | None]]:
    """The function as the recipe has it."""
    return list(RECIPE["cost_by_day"](rows))


def row(day: str, month_to_date: float, organization: str = "a") -> dict[str, Any]:
    """What the query answers for a day."""
    return {"organization": organization, "day": day, "month_to_date": month_to_date}


def test_a_days_cost_is_the_rise_since_the_day_before() -> None:
    """The first day that was seen has none."""
    rows = [row("2026-11-14", 100.0), row("2026-11-15", 130.0)]
    assert cost_by_day(rows) == [("a", "2026-11-14", None), ("a", "2026-11-15", 30.0)]


def test_a_month_begins_at_nothing() -> None:
    """Its first day's cost is the figure itself."""
    rows = [row("2026-11-30", 900.0), row("2026-12-01", 20.0), row("2026-12-02", 45.0)]
    assert [cost for _, _, cost in cost_by_day(rows)] == [None, 20.0, 25.0]


def test_organizations_are_kept_apart() -> None:
    """Who pays for a location may change."""
    rows = [row("2026-11-14", 100.0), row("2026-11-15", 7.0, "b")]
    assert [cost for _, _, cost in cost_by_day(rows)] == [None, None]


@pytest.mark.parametrize("day", ["2026-11-17", "2026-12-03"])
def test_after_a_gap_nothing_is_known(day: str) -> None:
    """Neither inside a month nor over its end."""
    assert cost_by_day([row("2026-11-14", 100.0), row(day, 130.0)])[1][2] is None
