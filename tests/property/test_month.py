from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core.money import rounded
from viam_billing.core.times import DAY_S, HOUR_S, month_start_s, next_month_s
from viam_billing.usage.forecast import projected
from viam_billing.usage.month import LONGEST_MONTH_S, Month, billing_month

YEAR_1_S = datetime(1, 1, 1, tzinfo=timezone.utc).timestamp()
YEAR_9999_S = datetime(9999, 12, 31, tzinfo=timezone.utc).timestamp()
FIRSTS = st.tuples(st.integers(2024, 2039), st.integers(1, 12)).map(
    lambda month: datetime(*month, 1, tzinfo=timezone.utc).timestamp()
)
NOWS = st.tuples(FIRSTS, st.floats(0, 31 * DAY_S)).map(sum)
ZONES = st.sampled_from([0.0, *(hours * HOUR_S for hours in (-14, -10, -5, 1, 5.5, 9.5, 12.75, 14))])
COSTS = st.floats(-1e6, 1e6)


@st.composite
def dates(draw: st.DrawFn, now_s: float) -> tuple[float | None, float | None]:
    """A start and an end as a cloud may tell them at a time, or as none would."""
    near = st.floats(-70 * DAY_S, 70 * DAY_S).map(lambda off_s: now_s + off_s)
    first_s, zone_s = month_start_s(now_s), draw(ZONES)
    ends = [first_s, next_month_s(first_s), next_month_s(first_s) - 1, next_month_s(first_s) - DAY_S]
    told = [now_s, now_s - now_s % DAY_S, now_s - now_s % DAY_S + DAY_S]
    some = st.one_of(st.none(), near, st.sampled_from([YEAR_1_S, 0.0, YEAR_9999_S]))
    start = st.one_of(some, st.sampled_from([first_s + zone_s, month_start_s(first_s - 1) + zone_s]))
    end = st.one_of(some, st.sampled_from([*(each + zone_s for each in ends), *told]))
    return draw(start), draw(end)


NOW_AND_DATES = NOWS.flatmap(lambda now_s: st.tuples(st.just(now_s), dates(now_s)))


@given(NOW_AND_DATES)
def test_a_month_is_one_whatever_the_dates(told: tuple[float, tuple[float | None, float | None]]) -> None:
    """No longer than a month, and what it is taken for is not taken for something else."""
    as_of_s, (start_s, end_s) = told
    month = billing_month(start_s, end_s, as_of_s)
    assert month.start_s in {None, start_s}
    assert month.end_s <= (as_of_s if month.start_s is None else month.start_s) + LONGEST_MONTH_S
    assert month.end_s > as_of_s or month.start_s is not None
    assert billing_month(month.start_s, month.end_s, as_of_s) == month


@given(NOW_AND_DATES)
def test_an_answer_stands_in_unless_its_month_has_ended(told: tuple[float, tuple[float | None, float | None]]) -> None:
    """It has where it began on a first, in any time zone, and the next first is there."""
    as_of_s, (start_s, end_s) = told
    month = billing_month(start_s, end_s, as_of_s)
    if month.end_s > as_of_s:
        return
    assert month.start_s is not None
    first_s = month_start_s(month.start_s + 14 * HOUR_S)
    assert abs(month.start_s - first_s) <= 14 * HOUR_S
    assert month.end_s - month.start_s == next_month_s(first_s) - first_s


@given(NOW_AND_DATES, COSTS, st.integers(0, 60))
def test_a_projection_makes_sense_or_is_left_out(
    told: tuple[float, tuple[float | None, float | None]], cost: float, days: int
) -> None:
    """At least the cost so far, negative ones too; at most what twenty months like it cost."""
    as_of_s, (start_s, end_s) = told
    month = billing_month(start_s, end_s, as_of_s)
    if month.start_s is None:
        return
    seen = [(as_of_s - day * DAY_S, month.start_s, cost - day) for day in range(1, days)]
    projection = projected(cost, month.start_s, month.end_s, as_of_s, seen)
    if projection is None:
        return
    assert rounded(cost) <= projection.total <= max(20 * abs(cost), abs(cost) + 100 * LONGEST_MONTH_S / DAY_S) + 0.01
    assert 0 <= projection.elapsed_fraction <= 1


@given(FIRSTS, ZONES, st.floats(0, 0.999))
def test_months_of_any_zone_run_from_first_to_first(first_s: float, zone_s: float, part: float) -> None:
    """Without an end, or with one that tells until when was counted, whatever the hour."""
    start_s, end_s = first_s + zone_s, next_month_s(first_s) + zone_s
    as_of_s = start_s + part * (end_s - start_s)
    for told_s in (None, YEAR_1_S, start_s, as_of_s, min(as_of_s + HOUR_S, end_s), end_s):
        assert billing_month(start_s, told_s, as_of_s) == Month(start_s, end_s)
