"""What commands share: a service's parts, common parameters, and the form of a row in the table of commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from viam_billing.audit.audit_log import AuditLog
from viam_billing.audit.email_cooldown import EmailCooldown
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Call
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.service import ChargeService
from viam_billing.cloud.api_key import ApiKey
from viam_billing.cloud.client import CloudClient
from viam_billing.commands.status import Status
from viam_billing.core.errors import no_state_dir
from viam_billing.core.secrets import Secrets
from viam_billing.settings import answers
from viam_billing.settings.answers import AnswerRecord, Passed
from viam_billing.settings.attributes import Config
from viam_billing.settings.policy import Effect, Policy
from viam_billing.settings.records import Record
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import UsageHistory
from viam_billing.usage.thresholds import CrossedThresholds

if TYPE_CHECKING:
    from viam_billing.audit.alerts import Alerts

Answer: TypeAlias = dict[str, Any]

ID_TITLE = "a non-empty text of at most 128 characters"
Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"\S", title=ID_TITLE)]
OrgId = Annotated[Id, Meta(description="An organization's ID; by default the service's own.")]
LocationId = Annotated[Id, Meta(description="A location's ID; by default the service's own.")]
Flag = Annotated[bool, Meta(title="true or false")]
DryRun = Annotated[Flag, Meta(description="Check everything and send nothing.")]
_AGE = "How old a cached answer may be before the cloud is asked; by default cache_ttl_s."
MaxAge = Annotated[float, Meta(ge=0, title="a number of seconds, at least 0", description=_AGE)]
Limit = Annotated[
    int, Meta(ge=1, le=2**62, title="a whole number from 1 to 2^62", description="How many to answer at most.")
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
    """Whether a text with the pattern of `Moment` is a time that exists."""
    try:
        moment_s(text)
    except msgspec.ValidationError:
        return False
    return True


def moment_s(text: str | UnsetType, unset_s: float = -inf) -> float:
    """A `Moment` in Unix seconds, `unset_s` for one that was left out."""
    return unset_s if text is UNSET else msgspec.convert(text.upper(), datetime).timestamp()


class ReadParameters(Record, frozen=True, kw_only=True):
    """Parameters of every command whose answer may come from the cache."""

    max_age_s: MaxAge | UnsetType = UNSET


class OrgReadParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of a command that reads about one organization."""

    org_id: OrgId | UnsetType = UNSET


class LocationReadParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of a command that reads about one location."""

    location_id: LocationId | UnsetType = UNSET


_INSTEAD = Meta(description="An organization, in place of a location; with neither, the service's own.")
_PAID_FOR = Meta(description="A location, for the organization that pays for it.")


class OrgOrLocationParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of a command that reads about an organization, or the one that pays for a location."""

    org_id: Annotated[OrgId, _INSTEAD] | UnsetType = UNSET
    location_id: Annotated[LocationId, _PAID_FOR] | UnsetType = UNSET
    schema_not: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_id"]}

    def __post_init__(self) -> None:
        if UNSET not in (self.org_id, self.location_id):
            raise ValueError("org_id: found location_id and org_id, expected one of the two")


class Context(Struct, frozen=True):
    """One service's parts. `now` is the wall clock in Unix seconds; `in_flight`: tasks that closing cancels.

    `status` makes the answer of `get_status`. `api_key` is one in a file, which may change.
    """

    config: Config
    policy: Policy
    gateway: CloudClient
    disk: Disk
    reads: Reads
    audit_log: AuditLog
    email_cooldown: EmailCooldown
    history: UsageHistory | None
    crossed: CrossedThresholds
    access: ServiceAccess
    charge_service: ChargeService | None
    now: Callable[[], float]
    commands: Mapping[str, Command]
    status: Callable[[], Awaitable[Status]]
    secrets: Secrets = field(default_factory=Secrets)
    alerts: Alerts | None = None
    api_key: ApiKey | None = None
    in_flight: set[asyncio.Task[Any] | None] = field(default_factory=set)

    def go_on(self) -> None:
        """From here on the request that runs goes on when its service is removed."""
        self.in_flight.discard(asyncio.current_task())

    async def begin(self, call: Call) -> None:
        """Write down that something is about to be sent, and `go_on`."""
        await call.begin()
        self.go_on()

    def charging(self) -> ChargeService:
        """What charges, and has the journal. Raises: StateUnavailableError: there is no folder for a journal."""
        if self.charge_service is None:
            raise no_state_dir()
        return self.charge_service


Handler: TypeAlias = Callable[[Any, Context, Call], Awaitable[AnswerRecord | Passed[Any, Any]]]
"""Runs a command: gets its parameters, the service's parts and the call; raises only `BillingError`s. What it is
declared to return is what `help` tells of the answer.
"""


class Command(Struct, frozen=True):
    """One row of the table of commands: its name, effect, summary for `help`, parameters and handler."""

    name: str
    effect: Effect
    summary: str
    parameters: type[Record]
    run: Handler

    def answer_schema(self) -> dict[str, Any]:
        """The JSON Schema of its answer. Do not change it."""
        from viam_billing.commands import api_answers  # noqa: PLC0415 - a millisecond, for `help` only

        return answers.schema(self.run, vars(api_answers))


def command(effect: Effect, parameters: type[Record], summary: str) -> Callable[[Handler], Command]:
    """Make a handler a row of the table; its name is the command's."""
    return lambda run: Command(run.__name__.removesuffix("_"), effect, summary, parameters, run)
