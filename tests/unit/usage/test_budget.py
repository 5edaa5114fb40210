from __future__ import annotations

import pytest

from viam_billing.core.money import Cents
from viam_billing.usage.budget import crossed, status, used_fraction


@pytest.mark.parametrize(
    ("cents", "wanted"),
    [
        (-1, "ok"),
        (0, "ok"),
        (4_999, "ok"),
        (5_000, "warning"),
        (8_000, "warning"),
        (9_999, "warning"),
        (10_000, "exceeded"),
        (10_001, "exceeded"),
    ],
)
def test_a_budget_warns_from_its_lowest_threshold_and_is_exceeded_from_all_of_it(cents: int, wanted: str) -> None:
    """Each to the cent, in whatever order the thresholds are written."""
    assert status(Cents(cents), Cents(10_000), (0.8, 0.5)) == wanted


@pytest.mark.parametrize(("share", "cents"), [(0.07, 7), (0.29, 29), (0.57, 57), (0.58, 58)])
def test_a_threshold_is_the_decimal_that_was_written(share: float, cents: int) -> None:
    """0.07, 0.29, 0.57 and 0.58 of 100 are no whole numbers in doubles."""
    assert status(Cents(cents - 1), Cents(100), (share,)) == "ok"
    assert status(Cents(cents), Cents(100), (share,)) == "warning"


def test_a_budget_without_thresholds_never_warns() -> None:
    assert [status(Cents(cents), Cents(100), ()) for cents in (99, 100)] == ["ok", "exceeded"]


def test_a_threshold_of_nothing_always_warns() -> None:
    assert status(Cents(0), Cents(100), (0.0,)) == "warning"


def test_a_threshold_of_all_is_the_end_of_the_budget() -> None:
    assert [status(Cents(cents), Cents(100), (1.0,)) for cents in (99, 100)] == ["ok", "exceeded"]


@pytest.mark.parametrize(
    ("cents", "thresholds"),
    [
        (-1, []),
        (4_999, []),
        (5_000, [0.5]),
        (7_999, [0.5]),
        (8_000, [0.5, 0.8]),
        (9_999, [0.5, 0.8]),
        (10_000, [0.5, 0.8, 1.0]),
        (99_999, [0.5, 0.8, 1.0]),
    ],
)
def test_a_threshold_is_crossed_when_the_cost_has_reached_it(cents: int, thresholds: list[float]) -> None:
    """To the cent; lowest first, in whatever order they are written, and the whole budget is one of them."""
    assert crossed(Cents(cents), Cents(10_000), (0.8, 0.5)) == thresholds


@pytest.mark.parametrize("warn_at", [(), (1.0,), (1.0, 1.0)])
def test_the_whole_budget_is_crossed_once(warn_at: tuple[float, ...]) -> None:
    """Whether or not it is written as a threshold."""
    assert [crossed(Cents(cents), Cents(100), warn_at) for cents in (99, 100)] == [[], [1.0]]


@pytest.mark.parametrize(
    ("cents", "budget", "fraction"), [(0, 100, 0.0), (50, 100, 0.5), (100, 100, 1.0), (250, 100, 2.5), (1, 3, 0.333333)]
)
def test_the_used_part_of_a_budget_goes_on_above_all_of_it(cents: int, budget: int, fraction: float) -> None:
    assert used_fraction(Cents(cents), Cents(budget)) == fraction
