"""Options that several commands have."""

from __future__ import annotations

import math
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, TypeAlias

import typer

_DATE: Final = 10
"""Characters of a date without a time."""


def time_of(text: str) -> datetime:
    """A time as typed: a day, which begins at midnight UTC, or RFC 3339. Raises: typer.BadParameter."""
    import msgspec  # noqa: PLC0415 - not for --help; `datetime.fromisoformat` reads other texts in every Python version

    try:
        if len(text) == _DATE:
            day = msgspec.convert(text, date)
            return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        time: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        words = "expected a day such as 2026-11-01 or a time such as 2026-11-01T12:00:00Z."
        raise typer.BadParameter(words) from None
    return time


def dollars_of(text: str) -> Decimal:
    """An amount as typed. Raises: typer.BadParameter."""
    try:
        amount = Decimal(text)
        exact = amount.is_finite() and amount == round(amount, 2)
    except (InvalidOperation, ValueError):
        exact = False
    if not exact or not text.isascii() or "e" in text.lower() or "_" in text:
        raise typer.BadParameter("expected US dollars with at most two decimals, such as 12.50.")
    return amount


def one_of(location: str | None, org: str | None) -> None:
    """Raises: typer.BadParameter: both are given."""
    if location is not None and org is not None:
        raise typer.BadParameter("--location and --org exclude each other.")


def price_of(text: str) -> Decimal:
    """An amount above 0 as typed. Raises: typer.BadParameter."""
    amount = dollars_of(text)
    if amount <= 0:
        raise typer.BadParameter("expected more than 0 dollars.")
    return amount


def tax_of(text: str) -> Decimal:
    """An amount of at least 0 as typed. Raises: typer.BadParameter."""
    amount = dollars_of(text)
    if amount < 0:
        raise typer.BadParameter("expected 0 dollars or more.")
    return amount


def id_of(text: str) -> str:
    """An ID or a key as typed. Raises: typer.BadParameter."""
    return _filled(text, "an ID")


def address_of(text: str) -> str:
    """A machine's address as typed. Raises: typer.BadParameter."""
    return _filled(text, "a machine's address")


def text_of(text: str) -> str:
    """A text as typed. Raises: typer.BadParameter."""
    return _filled(text, "a text")


def _filled(text: str, expected: str) -> str:
    if not text.strip():
        raise typer.BadParameter(f"expected {expected}, found nothing. Is a variable of the shell empty?")
    return text


def limit_of(text: str) -> int:
    """How many at most, as typed. Raises: typer.BadParameter."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise typer.BadParameter("expected a whole number, 1 or more.")
    return int(text)


def seconds_of(text: str) -> float:
    """Seconds as typed. Raises: typer.BadParameter."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise typer.BadParameter("expected seconds, 0 or more.")
    return seconds


def in_order(since: datetime | None, until: datetime | None) -> None:
    """Raises: typer.BadParameter: `until` is not after `since`."""
    if since is not None and until is not None and until <= since:
        raise typer.BadParameter("--until has to be after --since.")


Location: TypeAlias = Annotated[
    str | None, typer.Option("--location", metavar="ID", parser=id_of, help="A location; by default the service's own.")
]
Org: TypeAlias = Annotated[
    str | None, typer.Option("--org", metavar="ID", parser=id_of, help="An organization; by default the service's own.")
]
MaxAge: TypeAlias = Annotated[
    float | None,
    typer.Option("--max-age", metavar="S", parser=seconds_of, help="Ask the cloud if what is known is older."),
]
Since: TypeAlias = Annotated[
    datetime | None, typer.Option("--since", metavar="TIME", parser=time_of, help="A day or an RFC 3339 time.")
]
Until: TypeAlias = Annotated[
    datetime | None, typer.Option("--until", metavar="TIME", parser=time_of, help="The same; it is not included.")
]
Limit: TypeAlias = Annotated[int | None, typer.Option("--limit", metavar="N", parser=limit_of, help="At most so many.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Off a terminal it is required.")]
