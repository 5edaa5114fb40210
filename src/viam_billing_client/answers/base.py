"""What records of answers share. Amounts are `Decimal` in US dollars, times `datetime` in UTC; unknown is `None`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import fields, force_setattr


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer, or an object in one. A field that was left out is None; fields of a newer module are ignored."""

    def __post_init__(self) -> None:
        """Bring times to UTC, whatever their zone. Raises: ValueError: one has none."""
        for name in _times(type(self)):
            time = getattr(self, name)
            if time is None or time.tzinfo is timezone.utc:
                continue
            if time.tzinfo is None:
                raise ValueError(f"{name}: found a time without a time zone")
            force_setattr(self, name, time.astimezone(timezone.utc))


@cache
def _times(record: type[Answer]) -> tuple[str, ...]:
    """The fields of a record that are times."""
    return tuple(each.name for each in fields(record) if datetime in (each.type, *get_args(each.type)))


class CloudAnswer(Answer, frozen=True, kw_only=True):
    """An answer that the module read from Viam's cloud, perhaps earlier."""

    as_of: datetime | None = None
    """When the cloud gave it; of an answer made of several, the oldest of them. None where nothing was read at all."""
    stale: bool
    """Whether the cloud could not be reached and an older answer stands in. Look at it before acting on a figure."""
    stale_reason: str | None = None
    """Where it is stale: `cloud_unreachable`, `cloud_timeout` or `cloud_rate_limited`."""


class DryRun(Answer, frozen=True, kw_only=True):
    """The answer where `dry_run` is True: everything was checked and nothing was sent."""

    dry_run: bool
    would_send: Mapping[str, Any]
    """The call's fields. Empty if nothing would be sent: it is so already, or the key has charged already."""
    reconcilable: bool | None = None
    """Of a charge: whether the module can read the invoices, and so find out later what became of a lost answer."""


class RowError(Answer, frozen=True, kw_only=True):
    """Why one row of an answer, or one charge, failed."""

    code: str
    """A code of the module's errors, such as `not_found`; see `errors.CLASSES`."""
    message: str


Costs: TypeAlias = Mapping[str, Decimal]
"""US dollars in whole cents by kind of usage, such as `per_machine`; `unknown_31` if the module has no name for it."""
