from __future__ import annotations

import pytest

from viam_billing.core.times import DAY_S, HOUR_S, from_rfc3339
from viam_billing.usage.month import Month, billing_month

OCTOBER_S, NOVEMBER_S, DECEMBER_S, JANUARY_S = (
    from_rfc3339(f"{month}-01T00:00:00Z") for month in ("2026-10", "2026-11", "2026-12", "2027-01")
)
NOON_S = from_rfc3339("2026-11-21T12:00:00Z")


def november(text: str) -> float:
    """A time of November 2026, `21T12:00`."""
    return from_rfc3339(f"2026-11-{text}:00Z")


@pytest.mark.parametrize(
    "end_s",
    [DECEMBER_S, DECEMBER_S - 1, DECEMBER_S - DAY_S, DECEMBER_S + 5 * HOUR_S, NOON_S + DAY_S, DECEMBER_S + DAY_S],
)
def test_an_end_that_is_a_day_ahead_or_more_is_the_months(end_s: float) -> None:
    """The first of the next month, the last second or the last day, in any time zone."""
    assert billing_month(NOVEMBER_S, end_s, NOON_S) == Month(NOVEMBER_S, end_s)


@pytest.mark.parametrize(
    "end_s",
    [None, -62_135_596_800.0, NOVEMBER_S - 1, NOVEMBER_S, NOON_S - DAY_S, NOON_S, NOON_S + 1, NOON_S + DAY_S - 1],
)
def test_an_end_that_tells_until_when_was_counted_is_not_the_months(end_s: float | None) -> None:
    """Nor one that is left out, or in the year 1: the month ends with the calendar's."""
    assert billing_month(NOVEMBER_S, end_s, NOON_S) == Month(NOVEMBER_S, DECEMBER_S)


@pytest.mark.parametrize("start_s", [None, NOVEMBER_S])
@pytest.mark.parametrize("end_s", [NOON_S + 33 * DAY_S, 253_402_300_799.0])
def test_an_end_that_no_month_can_have_is_not_known(start_s: float | None, end_s: float) -> None:
    assert billing_month(start_s, end_s, NOON_S) == Month(start_s, DECEMBER_S)


@pytest.mark.parametrize("end", ["29T12:00", "30T00:00", "30T23:59"])
@pytest.mark.parametrize("as_of", ["30T00:00", "30T12:00", "30T23:58"])
def test_an_inclusive_end_does_not_end_the_month_before_its_last_day(end: str, as_of: str) -> None:
    """What the cloud tells on that day is of a month that goes on."""
    assert billing_month(NOVEMBER_S, november(end), november(as_of)) == Month(NOVEMBER_S, DECEMBER_S)


@pytest.mark.parametrize("as_of", ["30T00:01", "30T23:59"])
@pytest.mark.parametrize("zone_h", [0, 5, -10])
def test_the_true_end_counts_on_the_last_day(as_of: str, zone_h: int) -> None:
    start_s, end_s = (each + zone_h * HOUR_S for each in (NOVEMBER_S, DECEMBER_S))
    as_of_s = november(as_of) + zone_h * HOUR_S
    assert billing_month(start_s, end_s, as_of_s) == Month(start_s, end_s)


@pytest.mark.parametrize("zone_h", [-14, -10, -5.5, -1, 1, 5, 9.5, 14])
@pytest.mark.parametrize("day", [0.0, 0.1, 0.9, 15.0, 29.5])
def test_a_month_of_another_time_zone_ends_there(zone_h: float, day: float) -> None:
    """At midnight of the next first, although most of its first hours may lie in another month of UTC."""
    start_s = NOVEMBER_S + zone_h * HOUR_S
    as_of_s = start_s + day * DAY_S
    for end_s in (None, as_of_s):
        assert billing_month(start_s, end_s, as_of_s) == Month(start_s, DECEMBER_S + zone_h * HOUR_S)


@pytest.mark.parametrize(
    ("start", "as_of_s", "end_s"),
    [
        ("10T00:00", NOON_S, DECEMBER_S),
        ("16T00:00", DECEMBER_S + 13 * DAY_S, None),
        ("18T00:00", DECEMBER_S + 13.5 * DAY_S, JANUARY_S),
    ],
)
def test_a_month_of_any_start_ends_with_the_one_in_which_most_of_it_lies(
    start: str, as_of_s: float, end_s: float | None
) -> None:
    """Where that is over, its start is not that of a month that goes on."""
    found = billing_month(november(start), None, as_of_s)
    assert found == (Month(None, JANUARY_S) if end_s is None else Month(november(start), end_s))


def test_a_month_of_any_start_has_the_end_that_is_told() -> None:
    """From the 16th to the 16th."""
    assert billing_month(november("16T00:00"), DECEMBER_S + 15 * DAY_S, DECEMBER_S + 13 * DAY_S) == Month(
        november("16T00:00"), DECEMBER_S + 15 * DAY_S
    )


@pytest.mark.parametrize(
    "start_s",
    [
        None,
        -62_135_596_800.0,
        0.0,
        NOON_S - 32 * DAY_S,
        NOON_S - 81 * DAY_S,
        NOON_S + 15 * HOUR_S,
        253_402_300_799.0,
    ],
)
@pytest.mark.parametrize("end_s", [None, -62_135_596_800.0, NOON_S, DECEMBER_S])
def test_a_start_that_makes_no_sense_is_none(start_s: float | None, end_s: float | None) -> None:
    """The answer is of the calendar month in which it was given."""
    assert billing_month(start_s, end_s, NOON_S) == Month(None, DECEMBER_S)


@pytest.mark.parametrize("ahead_s", [1.0, 3 * DAY_S])
def test_a_start_of_the_month_before_makes_no_sense_where_the_end_is_ahead(ahead_s: float) -> None:
    """The answer is of a month that goes on, and stands in."""
    assert billing_month(OCTOBER_S, DECEMBER_S, DECEMBER_S - ahead_s) == Month(None, DECEMBER_S)


@pytest.mark.parametrize("late_s", [0.0, 5.0, 20 * HOUR_S, 20 * DAY_S])
@pytest.mark.parametrize("end_s", [None, NOVEMBER_S, DECEMBER_S])
def test_a_month_that_the_cloud_tells_after_its_end_has_ended(end_s: float | None, late_s: float) -> None:
    """It does not run on for another month."""
    assert billing_month(NOVEMBER_S, end_s, DECEMBER_S + late_s) == Month(NOVEMBER_S, DECEMBER_S)


def test_a_robots_clock_may_be_a_little_behind() -> None:
    """The cloud has begun December."""
    assert billing_month(DECEMBER_S, JANUARY_S, DECEMBER_S - 60) == Month(DECEMBER_S, JANUARY_S)
    assert billing_month(DECEMBER_S, None, DECEMBER_S - 60) == Month(DECEMBER_S, JANUARY_S)
