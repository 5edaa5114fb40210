"""A fleet by hand: who pays for each location, what each payer has cost, and a service that asks a cloud of both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import structs, to_builtins
from typing_extensions import override
from viam.gen.app.v1 import app_pb2, billing_pb2

from support.fake_parts import NOON_S, Clock, FakeClient
from unit.cloud_fakes import answer, make_config, make_context, refused
from viam_billing.cache.cache import Cache
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Memory
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.cloud.client import CloudClient
from viam_billing.core.errors import BillingError
from viam_billing.module import codec, dispatch
from viam_billing.storage.disk import Disk
from viam_billing.usage.history import UsageHistory
from viam_billing.usage.thresholds import CrossedThresholds

if TYPE_CHECKING:
    from viam_billing.core.times import Deadline

FLEET = "get_fleet_usage"
NOVEMBER_S = NOON_S - 20.5 * 86_400


class FleetGateway(CloudClient):
    """Answers by ID. `hold` is waited for before each answer but the list's."""

    def __init__(self) -> None:
        super().__init__(Calls(None, Counters(), 20.0))
        self.payers: dict[str, str | BillingError] = {}
        self.costs: dict[str, float | BillingError] = {}
        self.month_start_s: float | None = NOVEMBER_S
        self.away: BillingError | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.asked: list[tuple[str, str]] = []
        self.under_way = self.most_under_way = 0

    async def _told(self, kind: str, name: str, found: Any) -> Any:  # noqa: ANN401 - one of two kinds
        self.asked.append((kind, name))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.hold.wait()
        self.under_way -= 1
        if isinstance(self.away or found, BillingError):
            raise self.away or found
        return found

    @override
    async def list_locations(self, org_id: str, deadline: Deadline) -> app_pb2.ListLocationsResponse:
        self.asked.append(("list", org_id))
        if self.away:
            raise self.away
        locations = [app_pb2.Location(id=name, name=f"The {name}", robot_count=3) for name in self.payers]
        return app_pb2.ListLocationsResponse(locations=locations)

    @override
    async def get_location_billing_organization(
        self, location_id: str, deadline: Deadline
    ) -> billing_pb2.GetLocationBillingOrganizationResponse:
        payer = await self._told("payer", location_id, self.payers[location_id])
        return billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id=payer)

    @override
    async def get_current_month_usage(
        self, org_id: str, deadline: Deadline
    ) -> billing_pb2.GetCurrentMonthUsageResponse:
        cost = await self._told("usage", org_id, self.costs[org_id])
        start = None if self.month_start_s is None else Timestamp(seconds=int(self.month_start_s))
        return billing_pb2.GetCurrentMonthUsageResponse(subtotal=cost, start_date=start)


class Fleet:
    """One service at noon of 21 November; its clock goes when the test says so."""

    def __init__(self, folder: str | None = None, **attributes: object) -> None:
        own = {"allowed_org_ids": ["*"], "allowed_location_ids": ["*"], "state_dir": folder, **attributes}
        self.attributes = {name: value for name, value in own.items() if value is not None}
        self.gateway = FleetGateway()
        self.clock = Clock(NOON_S)
        self.history = UsageHistory(Disk(), folder, "https://app.viam.com") if folder else None
        self.memory = Memory(self.clock, self.clock)
        self.cache = Cache(CircuitBreaker("cloud", self.clock, max), memory=self.memory)
        self.context = structs.replace(
            make_context(FakeClient(), self.attributes),
            reads=Reads(self.gateway, self.cache, make_config(self.attributes), self.clock, self.history),
            history=self.history,
            crossed=CrossedThresholds(self.history),
            now=self.clock,
        )

    def bill(self, org_id: str, cost: float | BillingError, *locations: str) -> None:
        """An organization that pays for locations."""
        self.gateway.costs[org_id] = cost
        self.gateway.payers.update(dict.fromkeys(locations, org_id))

    async def ask(self, command: str, /, **parameters: object) -> dict[str, Any]:
        """An answer, in a minute."""
        return await answer(self.context, {"command": command, **parameters})

    async def refused(self, command: str, /, **parameters: object) -> BillingError:
        """The error of a request."""
        return await refused(self.context, {"command": command, **parameters})

    async def ask_within(self, timeout_s: float, command: str, /, **parameters: object) -> dict[str, Any]:
        """An answer, for a caller with so much time."""
        request = codec.to_struct({"command": command, **parameters})
        plain: dict[str, Any] = to_builtins(await dispatch.answer(request, self.context, timeout_s))
        return plain

    def close(self) -> None:
        """Close the history."""
        if self.history is not None:
            self.history.close()


def small() -> Fleet:
    """Three locations of two payers."""
    fleet = Fleet()
    fleet.bill("p", 10.004, "a", "c")
    fleet.bill("q", 20.004, "b")
    return fleet
