"""What a command may use, and the parameters that many commands share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from viam_billing.audit.audit_log import no_state_dir
from viam_billing.settings.records import Record

if TYPE_CHECKING:
    from viam_billing.audit.audit_log import State
    from viam_billing.cache.queries import Call, Reads
    from viam_billing.charging.access import ServiceAccess
    from viam_billing.charging.service import ChargeService
    from viam_billing.cloud.gateway import Gateway
    from viam_billing.settings.attributes import Config
    from viam_billing.settings.policy import Effect, Policy
    from viam_billing.usage.crossings import Crossings
    from viam_billing.usage.history import UsageHistory

Answer: TypeAlias = dict[str, Any]

ID_LENGTH = 128
Id = Annotated[
    str,
    Meta(
        min_length=1, max_length=ID_LENGTH, pattern=r"\S", title=f"a non-empty text of at most {ID_LENGTH} characters"
    ),
]
OrgId = Annotated[Id, Meta(description="An organization's ID; by default the own one.")]
LocationId = Annotated[Id, Meta(description="A location's ID; by default the own one.")]
Flag = Annotated[bool, Meta(title="true or false")]
DryRun = Annotated[Flag, Meta(description="Check everything and send nothing.")]
MaxAge = Annotated[
    float,
    Meta(
        ge=0,
        title="a number of seconds, at least 0",
        description="How old a remembered answer may be before the cloud is asked; by default cache_ttl_s.",
    ),
]
Limit = Annotated[
    int, Meta(ge=1, le=2**62, title="a whole number, at least 1", description="How many to answer at most.")
]
Moment = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        title="a time as RFC 3339 with an offset, such as 2026-11-01T00:00:00Z",
        extra_json_schema={"format": "date-time"},
    ),
]


def is_moment(text: str) -> bool:
    """Whether a text of the form of `Moment` is a time that exists."""
    try:
        moment_s(text)
    except msgspec.ValidationError:
        return False
    return True


def moment_s(text: str) -> float:
    """A `Moment` in Unix seconds."""
    return msgspec.convert(text.upper(), datetime).timestamp()


def only_one(name: str, value: object, other: str, other_value: object) -> str:
    """A record's contradiction: of two parameters that stand in place of each other both are given."""
    if UNSET in (value, other_value):
        return ""
    return f"{name}: found {other} and {name}, expected one of the two"


class ReadParameters(Record, frozen=True, kw_only=True):
    """Parameters of every command whose answer may come from memory."""

    max_age_s: MaxAge | UnsetType = UNSET


class Context(Struct, frozen=True):
    """One service's parts. `now` is the wall clock in Unix seconds."""

    config: Config
    policy: Policy
    gateway: Gateway
    reads: Reads
    state: State
    history: UsageHistory | None
    crossings: Crossings
    access: ServiceAccess
    charge_service: ChargeService | None
    now: Callable[[], float]
    commands: Mapping[str, Command]

    def charging(self) -> ChargeService:
        """What charges, and has the journal.

        Raises:
            StateUnavailableError: if there is no folder for a journal.
        """
        if self.charge_service is None:
            raise no_state_dir()
        return self.charge_service


class Command(Struct, frozen=True):
    """One row of the table: what a command is called, does to the world, takes and answers."""

    name: str
    effect: Effect
    summary: str
    parameters: type[Record]
    run: Callable[[Any, Context, Call], Awaitable[Answer]]
