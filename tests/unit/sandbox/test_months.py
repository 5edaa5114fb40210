from __future__ import annotations

from datetime import datetime, timezone

import pytest

from viam_billing_sandbox.months import elapsed_fraction, month_start


@pytest.mark.parametrize(
    ("months_ahead", "expected"),
    [(0, (2026, 1, 1)), (-1, (2025, 12, 1)), (-13, (2024, 12, 1)), (1, (2026, 2, 1)), (12, (2027, 1, 1))],
)
def test_months_are_counted_over_the_turn_of_the_year(months_ahead: int, expected: tuple[int, int, int]) -> None:
    """The first of a month, however far away."""
    now = datetime(2026, 1, 31, 23, 59, tzinfo=timezone.utc)
    assert month_start(now, months_ahead) == datetime(*expected, tzinfo=timezone.utc)


def test_the_elapsed_fraction_follows_the_length_of_the_month() -> None:
    """The middle of February is the 15th, where it has 28 days."""
    assert elapsed_fraction(datetime(2026, 2, 15, tzinfo=timezone.utc)) == 0.5
    assert elapsed_fraction(datetime(2026, 2, 1, tzinfo=timezone.utc)) == 0.0
