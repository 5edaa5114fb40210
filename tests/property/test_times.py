from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core import times

MOMENTS = st.floats(0, 4e9)


@given(MOMENTS)
def test_a_time_survives_being_written(unix_s: float) -> None:
    text = times.to_rfc3339(unix_s)
    assert text.endswith("Z")
    assert abs(times.from_rfc3339(text) - unix_s) <= 0.000_501


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - hypothesis wants them so
def test_the_next_month_is_the_next_first(moment: datetime) -> None:
    """After the moment, at most 31 days away, and midnight of a first."""
    now_s = moment.replace(tzinfo=timezone.utc).timestamp()
    then_s = times.next_month_s(now_s)
    then = datetime.fromtimestamp(then_s, timezone.utc)
    assert 0 < then_s - now_s <= 31 * times.DAY_S
    assert (then.day, then.hour, then.minute, then.second, then.microsecond) == (1, 0, 0, 0, 0)
