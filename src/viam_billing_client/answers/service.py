"""Records about the service itself: its key, its state, its commands, its alerts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from viam_billing_client.answers.base import Answer


class AccessCheck(Answer, frozen=True, kw_only=True):
    """Whether the service's API key works and what it may read."""

    api_key_id: str
    app_address: str
    authenticated: bool | None = None
    """False for a rejected key; None if the cloud is away and nothing is known of the key."""
    calls: Mapping[str, str]
    """For each call that reads, `ok` or a code of the module's errors."""
    as_of: datetime | None = None
    """When the cloud answered; None, like `stale`, if it did not. It is never stale: the cloud is always asked."""
    stale: bool | None = None


class AlertFailure(Answer, frozen=True, kw_only=True):
    """An address of `alert_urls` that did not take the test alert."""

    position: int
    """Its position in `alert_urls`; the first is 1."""
    why: str


class AlertsSent(Answer, frozen=True, kw_only=True):
    """How many addresses took the test alert, and those that did not."""

    sent: int
    failed: tuple[AlertFailure, ...]


class CommandHelp(Answer, frozen=True, kw_only=True):
    """What one command does and takes."""

    summary: str
    effect: str
    """`read`, `notify`, `change`, `charge`, `by_name` or `always`: what has to be in `allowed_commands`."""
    allowed: bool
    """Whether this service allows it."""
    parameters: Mapping[str, Any]
    """A JSON Schema."""
    answer: Mapping[str, Any] | None = None
    """A JSON Schema."""


class Help(Answer, frozen=True, kw_only=True):
    """The module's version and commands."""

    version: str
    commands: Mapping[str, CommandHelp]


class JournalStatus(Answer, frozen=True, kw_only=True):
    """The charge journal."""

    id: str
    created: datetime
    entries: int
    """Charges ever made with it."""


class ServiceStatus(Answer, frozen=True, kw_only=True):
    """The service's state, from memory, without a call to the cloud."""

    version: str
    connected: bool
    """Whether the module is logged in and does not count the cloud as away."""
    last_success: datetime | None = None
    last_error: str | None = None
    """The last error of a call to the cloud, its code first."""
    cloud_calls: int
    logins: int
    retries: int
    cache_hits: int
    cache_misses: int
    stale_answers: int
    unknown_charges: int | None = None
    """Charges whose outcome is not known; None if the journal cannot be read."""
    charged_last_24h: Decimal | None = None
    """US dollars that count towards `charge_limits.per_day`; None where the journal cannot be read."""
    journal: JournalStatus | None = None
    allowed_commands: tuple[str, ...]
