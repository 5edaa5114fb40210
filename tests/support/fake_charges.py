"""A fake cloud that charges when the test says so, a disk that can be full, and a process that charges."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeVar

from grpclib.const import Status
from msgspec import Struct, field
from typing_extensions import override
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import LOST, Clock, answered, no_status
from viam_billing.audit.audit_log import AuditLog
from viam_billing.audit.email_cooldown import EmailCooldown
from viam_billing.cache.cache import Cache
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Memory
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.charge import ChargeRequest, Entry
from viam_billing.charging.identity import Identity
from viam_billing.charging.journal import Journal
from viam_billing.charging.recovery import FolderLock
from viam_billing.charging.service import ChargeService
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.cloud.client import CloudClient
from viam_billing.cloud.error_mapping import translate
from viam_billing.cloud.failures import CallError, outcome_of_charge
from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.commands.context import Context
from viam_billing.core.errors import BillingError, CloudUnreachableError, StateUnavailableError
from viam_billing.core.money import Cents, to_dollars
from viam_billing.core.secrets import Secrets
from viam_billing.core.tasks import retrieve_exception
from viam_billing.core.times import Deadline
from viam_billing.settings.attributes import Config, parse_attributes
from viam_billing.settings.policy import Policy
from viam_billing.storage import journal_schema
from viam_billing.storage.database import Database, Guard
from viam_billing.storage.disk import Disk
from viam_billing.usage.thresholds import CrossedThresholds

T = TypeVar("T")

APP = "https://app.viam.com"
ORGS = ("a", "b", "c")
FOR_EVER = Deadline(3600)


class Invoice(Struct):
    """An invoice in the cloud's ledger. One that is not `visible` has been charged and is not in the list yet."""

    id: str
    org_id: str
    cents: int
    date_s: float
    visible: bool = True


class Sending(Struct, eq=False):
    """A request to charge that has reached the cloud, and waits for what the test does with it."""

    org_id: str
    cents: int
    description: str
    cloud: ChargeCloud
    answer: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    invoice: Invoice | None = None
    known: int = 0

    def work(self, *, visible: bool = True) -> Invoice:
        """The cloud charges."""
        self.invoice = self.cloud.add_invoice(self.org_id, self.cents, visible=visible)
        return self.invoice

    def succeed(self) -> Invoice:
        """The cloud charges and answers."""
        invoice = self.invoice or self.work()
        self._end(lambda: self.answer.set_result(invoice.id))
        return invoice

    def refuse(self, status: Status) -> None:
        """The cloud answers with an error."""
        self.fail(answered(status))

    def lose(self) -> None:
        """The connection breaks."""
        self.fail(LOST)

    def fail(self, error: CallError) -> None:
        """The call fails, with the meaning that `cloud.failures` gives it."""
        self.end_in(translate(error, "ChargeOrganization", outcome_of_charge(error), Secrets().redact))

    def end_in(self, error: Exception) -> None:
        """The call ends in an error of the module's own."""
        self._end(lambda: self.answer.set_exception(error))

    def _end(self, how: Callable[[], None]) -> None:
        if not self.answer.done():  # else whoever waited has died
            how()


class ChargeCloud(CloudClient):
    """Keeps a ledger of invoices; a charge waits until the test ends it, or until `automatic` does."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(Calls(None, Counters(), 20.0))
        self._now = now
        self._ids = itertools.count(1)
        self.ledger: list[Invoice] = []
        self.sendings: list[Sending] = []
        self.lists = 0
        self.automatic: Callable[[Sending], object] | None = None
        self.on_sending: Callable[[Sending], None] = lambda _: None
        self.reading_fails: BillingError | None = None
        self.before_mark: BillingError | None = None
        self.reading = asyncio.Event()
        self.reading.set()
        self._arrived = asyncio.Event()
        self._asked = asyncio.Event()

    def add_invoice(self, org_id: str, cents: int, *, visible: bool = True) -> Invoice:
        """An organization is charged."""
        invoice = Invoice(f"inv-{next(self._ids)}", org_id, cents, self._now(), visible)
        self.ledger.append(invoice)
        return invoice

    async def arrived(self, number: int = 1) -> Sending:
        """Wait until so many charges have reached the cloud, and get the last of them."""
        while len(self.sendings) < number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.sendings[number - 1]

    async def asked(self, number: int = 1) -> None:
        """Wait until the invoices have been asked for so often."""
        while self.lists < number:
            self._asked.clear()
            await self._asked.wait()

    @override
    async def get_invoices_summary(self, org_id: str, deadline: Deadline) -> billing_pb2.GetInvoicesSummaryResponse:
        self.lists += 1
        self._asked.set()
        await self.reading.wait()
        if self.reading_fails is not None:
            raise self.reading_fails
        answer = billing_pb2.GetInvoicesSummaryResponse()
        for invoice in self.ledger:
            if invoice.org_id == org_id and invoice.visible:
                summary = answer.invoices.add(id=invoice.id, invoice_amount=to_dollars(invoice.cents), status="paid")
                summary.invoice_date.FromSeconds(int(invoice.date_s))
        return answer

    @override
    async def charge(
        self, command: str, parameters: Mapping[str, Any], deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> str:
        if self.before_mark is not None:
            raise self.before_mark
        await mark_sent()
        cents = round(100 * (parameters.get("subtotal", parameters.get("amount", 0)) + parameters.get("tax", 0)))
        sending = Sending(parameters["org_id_to_charge"], cents, parameters.get("description", ""), self)
        self.sendings.append(sending)
        self._arrived.set()
        self.on_sending(sending)
        if self.automatic is not None:
            self.automatic(sending)
        return await sending.answer


def away() -> BillingError:
    """What a read gets while the cloud is away."""
    return CloudUnreachableError("the connection to the cloud failed.")


class TroubledStore(Database):
    """A journal's database whose disk is full when the test says so: `before` a commit, or as if, right `after` it."""

    trouble = ""
    late: asyncio.Event | None = None
    """When the next transaction's caller hears of its result."""

    @override
    def begin(
        self, work: Callable[[sqlite3.Connection], T], *, sync: bool = True, name: str = "", guard: Guard | None = None
    ) -> asyncio.Future[T]:
        trouble = self.trouble
        running = super().begin(_full if trouble == "before" else work, sync=sync, name=name, guard=guard)
        if trouble == "after":
            running = asyncio.ensure_future(_full_after(running))
            running.add_done_callback(retrieve_exception)
        if self.late is not None:
            running, self.late = asyncio.ensure_future(_told_late(running, self.late)), None
        return running


async def _told_late(running: asyncio.Future[T], late: asyncio.Event) -> T:
    await late.wait()
    return await running


def _full(_: sqlite3.Connection) -> NoReturn:
    raise StateUnavailableError("the disk is full.")


async def _full_after(running: asyncio.Future[T]) -> T:
    await running
    raise StateUnavailableError("the disk is full.")


class Scene:
    """One process over a folder: what charges, and as many services as the test wants.

    `marks` is the folder for what used journals leave outside of their own.
    """

    def __init__(
        self,
        folder: str,
        clock: Clock | None = None,
        cloud: ChargeCloud | None = None,
        marks: str | None = None,
        disk: Disk | None = None,
    ) -> None:
        self.folder = folder
        self.clock = clock or Clock()
        self.cloud = cloud or ChargeCloud(self.clock)
        self.disk = disk or Disk()
        self.store = self.make_store()
        self.lock = FolderLock(folder, self.disk)
        self.journal = self.make_journal(Identity(folder, APP, marks))
        self.charging = ChargeService(self.journal, self.lock, self.clock)
        self.recovery, self.reconciler = self.charging.recovery, self.charging.reconciler

    def make_store(self) -> TroubledStore:
        """The journal's database, for a test that needs one of its own."""
        return TroubledStore(self.disk, self.folder, journal_schema.FILE_NAME, journal_schema.MIGRATIONS, synced=False)

    def make_journal(self, identity: Identity) -> Journal:
        """The journal, for a test that needs one of its own."""
        return Journal(self.store, APP, self.clock, identity)

    def access(self, per_day: float = 1000.0, per_charge: float = 500.0, orgs: tuple[str, ...] = ORGS) -> ServiceAccess:
        """The access of one service."""
        return ServiceAccess(self.cloud, Policy(settings(self.folder, per_day, per_charge, orgs)))

    async def charge(
        self, key: str = "k", org_id: str = "a", cents: int = 1000, access: ServiceAccess | None = None
    ) -> tuple[Entry, bool]:
        """Charge without a deadline."""
        return await self.charging.charge(request(key, org_id, cents), access or self.access(), FOR_EVER)

    def context(self, attributes: Mapping[str, object] | None = None, service: str = "billing") -> Context:
        """A service's parts, with more or other attributes than a service that may charge has."""
        configured = settings(self.folder, 1000.0, 500.0, ORGS, attributes)
        policy = Policy(configured)
        return Context(
            config=configured,
            policy=policy,
            gateway=self.cloud,
            reads=Reads(
                self.cloud, Cache(CircuitBreaker(APP), memory=Memory(self.clock, self.clock)), configured, self.clock
            ),
            disk=self.disk,
            audit_log=AuditLog(self.journal, APP, self.clock, service),
            email_cooldown=EmailCooldown(self.journal, APP, self.clock, {}),
            history=None,
            crossed=CrossedThresholds(None),
            access=ServiceAccess(self.cloud, policy),
            charge_service=self.charging,
            now=self.clock,
            commands=COMMANDS,
            status=no_status,
        )

    async def entry(self, key: str = "k") -> Entry:
        """The key's entry in the journal."""
        found = await self.journal.find(key)
        assert found is not None
        return found

    def close(self) -> None:
        """The process ends."""
        self.store.close()
        self.lock.release()


def settings(
    folder: str,
    per_day: float,
    per_charge: float,
    orgs: tuple[str, ...],
    more: Mapping[str, object] | None = None,
) -> Config:
    """The configuration of a service that may charge."""
    attributes = {
        "api_key": "a-key-that-nobody-else-has",
        "api_key_id": "00000000-0000-0000-0000-000000000001",
        "allowed_commands": ["read", "charge", "resolve_charge", "get_audit_log"],
        "allowed_org_ids": list(orgs),
        "charge_limits": {"per_charge": per_charge, "per_day": per_day},
        "state_dir": folder,
    }
    return parse_attributes({**attributes, **(more or {})}, {}, EFFECTS)


def request(key: str = "k", org_id: str = "a", cents: int = 1000) -> ChargeRequest:
    """A charge; the cloud sees its key in the description."""
    parameters = {"org_id_to_charge": org_id, "subtotal": to_dollars(cents), "description": key}
    return ChargeRequest.of("charge_organization", org_id, Cents(cents), key, parameters)
