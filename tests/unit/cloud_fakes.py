"""What stands between a cloud without a network and a command: a gateway by hand, and a service's parts for a test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest
from google.protobuf.message import Message
from msgspec import to_builtins
from typing_extensions import override
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import NOON_S, Clock, FakeClient, FakeSession, make_journal, no_status
from viam_billing.audit.audit_log import AuditLog
from viam_billing.audit.email_cooldown import EmailCooldown
from viam_billing.cache.cache import Cache
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Call, Memory
from viam_billing.charging.access import ServiceAccess
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.client import CloudClient
from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.commands.context import Answer, Command, Context
from viam_billing.core.errors import BillingError
from viam_billing.module import codec, dispatch
from viam_billing.settings.answers import AnswerRecord, CloudRecord, Passed
from viam_billing.settings.attributes import Config, parse_attributes
from viam_billing.settings.policy import Policy
from viam_billing.settings.records import Record
from viam_billing.storage import journal_schema
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk
from viam_billing.usage.thresholds import CrossedThresholds

if TYPE_CHECKING:
    from viam_billing.core.times import Deadline

KEY = "a-key-that-nobody-else-has"
KEY_ID = "00000000-0000-0000-0000-000000000001"

M = TypeVar("M", bound=Message)


class FakeGateway(CloudClient):
    """Answers the calls of `Reads` one after the other, the last answer for ever; any other call is not configured."""

    def __init__(self, *answers: Message | BillingError) -> None:
        super().__init__(Calls(None, Counters(), 20.0))
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []
        self.deadlines: list[Deadline] = []
        self.open = asyncio.Event()
        self.open.set()

    async def _next(self, kind: type[M], deadline: Deadline, *words: str) -> M:
        self.asked.append(words)
        self.deadlines.append(deadline)
        await self.open.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BillingError):
            raise answer
        assert isinstance(answer, kind)
        return answer

    @override
    async def get_current_month_usage(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetCurrentMonthUsageResponse:
        return await self._next(billing_pb2.GetCurrentMonthUsageResponse, deadline, "usage", org_id)

    @override
    async def get_org_billing_information(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetOrgBillingInformationResponse:
        return await self._next(billing_pb2.GetOrgBillingInformationResponse, deadline, "information", org_id)

    @override
    async def get_invoices_summary(self, org_id: str, deadline: Deadline) -> billing_pb2.GetInvoicesSummaryResponse:
        return await self._next(billing_pb2.GetInvoicesSummaryResponse, deadline, "invoices", org_id)

    @override
    async def get_available_billing_tiers(self, deadline: Deadline) -> billing_pb2.GetAvailableBillingTiersResponse:
        return await self._next(billing_pb2.GetAvailableBillingTiersResponse, deadline, "tiers")

    @override
    async def get_location_billing_organization(
        self, location_id: str, deadline: Deadline
    ) -> billing_pb2.GetLocationBillingOrganizationResponse:
        return await self._next(billing_pb2.GetLocationBillingOrganizationResponse, deadline, "payer", location_id)


def make_config(attributes: Mapping[str, object] | None = None) -> Config:
    """A configuration with a key, an organization and a location, and attributes of the test's own."""
    own = {"api_key": KEY, "api_key_id": KEY_ID, "org_id": "own-org", "location_id": "own-loc"}
    return parse_attributes({**own, **(attributes or {})}, {}, EFFECTS)


def journal_database(folder: Path) -> Database:
    """The database of the audit log and the cooldown."""
    return Database(Disk(), str(folder), journal_schema.FILE_NAME, journal_schema.MIGRATIONS)


def make_context(
    app: FakeClient,
    attributes: Mapping[str, object] | None = None,
    database: Database | None = None,
    commands: Mapping[str, Command] = COMMANDS,
) -> Context:
    """A service's parts over a fake client and a real cache, at noon of a day that does not pass."""
    settings = make_config(attributes)
    clock = Clock(NOON_S)
    session = FakeSession(app)
    journal = make_journal(database, settings.app.text, clock) if database else None
    secrets = session.api_key.secrets
    secrets.add(settings.api_key or "")
    gateway = CloudClient(Calls(session, Counters(), settings.timeout_s, clock))
    return Context(
        config=settings,
        policy=Policy(settings),
        gateway=gateway,
        disk=Disk(),
        reads=Reads(gateway, Cache(session.circuit_breaker, memory=Memory(clock, clock)), settings, clock),
        audit_log=AuditLog(journal, settings.app.text, clock),
        email_cooldown=EmailCooldown(journal, settings.app.text, clock, {}),
        history=None,
        crossed=CrossedThresholds(None),
        access=ServiceAccess(gateway, Policy(settings)),
        charge_service=None,
        now=clock,
        commands=commands,
        status=no_status,
        secrets=secrets,
    )


Made: TypeAlias = Passed[CloudRecord, AnswerRecord]


def made(answer: Answer) -> Made:
    """The answer of a command that the test makes up."""
    return Passed(answer, AnswerRecord())


class NoParameters(Record, frozen=True, kw_only=True):
    """Of a command that the test makes up."""


def command(effect: Any, *, error: BaseException | None = None) -> dict[str, Command]:  # noqa: ANN401 - any effect group
    """A table with one command, `do`, that sends, and answers or fails."""

    async def run(parameters: NoParameters, context: Context, call: Call) -> Made:  # noqa: ARG001 - the signature of every command
        await context.begin(call)
        if error is not None:
            raise error
        return made({"done": True})

    return {"do": Command("do", effect, "Does.", NoParameters, run)}


async def answer(context: Context, request: Mapping[str, object]) -> Answer:
    """An answer, in a minute."""
    plain: Answer = to_builtins(await dispatch.answer(codec.to_struct(request), context, 60))
    return plain


async def refused(context: Context, request: Mapping[str, object]) -> BillingError:
    """The error of a request."""
    with pytest.raises(BillingError) as caught:
        await answer(context, request)
    return caught.value
