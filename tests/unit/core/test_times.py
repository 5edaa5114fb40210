from __future__ import annotations

from datetime import datetime, timezone

import pytest

from viam_billing.core import times


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1_795_249_800.0, "2026-11-21T08:30:00Z"),
        (1_795_249_800.25, "2026-11-21T08:30:00.250Z"),
        (1_795_249_800.0004, "2026-11-21T08:30:00Z"),
        (1_795_249_800.9996, "2026-11-21T08:30:01Z"),
    ],
)
def test_a_time_is_written_in_utc_with_z(unix_s: float, text: str) -> None:
    assert times.to_rfc3339(unix_s) == text


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-11-21T08:30:00Z", 1_795_249_800.0),
        ("2026-11-21T08:30:00.250Z", 1_795_249_800.25),
        ("2026-11-21T08:30:00.500000Z", 1_795_249_800.5),
        ("2026-11-21T08:30:00.125000000Z", 1_795_249_800.125),
        ("1969-12-31T23:59:59.500Z", -0.5),
    ],
)
def test_protobufs_timestamps_are_read(text: str, unix_s: float) -> None:
    """With no, three, six or nine decimals, and before 1970 too."""
    assert times.from_rfc3339(text) == unix_s


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ((2026, 11, 21), (2026, 12, 1)),
        ((2026, 12, 31), (2027, 1, 1)),
        ((2026, 12, 1), (2027, 1, 1)),
        ((2028, 2, 29), (2028, 3, 1)),
    ],
)
def test_the_next_month_starts_on_its_first(now: tuple[int, int, int], then: tuple[int, int, int]) -> None:
    """December is followed by January of the next year, and a month's first moment still belongs to it."""
    moment = datetime(*now, tzinfo=timezone.utc).timestamp()
    assert times.next_month_s(moment) == datetime(*then, tzinfo=timezone.utc).timestamp()


def test_a_deadline_counts_down() -> None:
    """A later look never finds more time than an earlier one."""
    deadline = times.Deadline(5)
    first = deadline.remaining_s()
    assert 0 < deadline.remaining_s() <= first <= 5


def test_a_deadline_that_is_over_leaves_nothing() -> None:
    assert times.Deadline(-3).remaining_s() == 0


def test_a_deadline_without_end_is_a_number() -> None:
    """Any time that a configuration may name ends within what timers can count."""
    assert 0 < times.Deadline(1e300).remaining_s() < 400 * times.DAY_S


@pytest.mark.parametrize(
    ("callers_s", "own_s", "most_s"),
    [(None, 20, 20), (100, 20, 20), (10, 20, 9.75), (1, 20, 0.9), (0, 20, 0), (-1, 20, 0)],
)
def test_the_shorter_time_counts(callers_s: float | None, own_s: float, most_s: float) -> None:
    """A little of the caller's time is kept back, so that the answer still arrives."""
    remaining = times.Deadline(own_s, callers_s).remaining_s()
    assert most_s - 0.5 < remaining <= most_s or remaining == most_s == 0


@pytest.mark.parametrize("time", ["2026-11-01T00:00:00Z", "2026-11-21T12:00:00Z", "2026-11-30T23:59:59.999Z"])
def test_a_month_starts_at_midnight_of_its_first_day(time: str) -> None:
    """In UTC; its first moment is its own."""
    assert times.month_start_s(times.from_rfc3339(time)) == times.from_rfc3339("2026-11-01T00:00:00Z")
