"""Times as a person types them, which are the same in every version of Python."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import typer

from viam_billing_client.cli.parameters import time_of

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=timezone.utc)),
        ("2026-11-01T12:00:00Z", NOON),
        ("2026-11-01t12:00:00z", NOON),
        ("2026-11-01T13:00:00+01:00", NOON),
        ("2026-11-01T12:00:00.5Z", NOON + timedelta(microseconds=500_000)),
        ("2026-11-01T12:00:00.25z", NOON + timedelta(microseconds=250_000)),
        ("2026-11-01T12:00:00.1234567Z", NOON + timedelta(microseconds=123_457)),
        ("2026-11-01T12:00:00.000000001Z", NOON),
        ("2026-11-01T12:00:00.999999999-00:30", NOON + timedelta(minutes=30, seconds=1)),
    ],
)
def test_a_day_and_rfc_3339_are_read(text: str, expected: datetime) -> None:
    assert time_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "noon", "2026-11", "20261101", "2026-W44-7", "2026-02-30", "2026-11-01Z", "\uff12026-11-01"),
        *(
            "2026-11-01T12:00:00",
            "2026-11-01T12Z",
            "2026-11-01T12:00:00,5Z",
            "2026-11-01T24:00:00Z",
            "20261101T120000Z",
        ),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """A time without a time zone among them."""
    with pytest.raises(typer.BadParameter, match="such as 2026-11-01T12:00:00Z"):
        time_of(text)
