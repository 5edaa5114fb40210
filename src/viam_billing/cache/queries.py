"""The queries that the module makes of the cloud: what each is called, fetched and decoded, and how long it is valid.

What an answer adds to a reading, the commands compute; and those that change something name what it outdates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import to_builtins

from viam_billing.cache.cache import Cache, Reader
from viam_billing.cache.readings import FOREVER_S, Call, Reading
from viam_billing.cloud import decoding
from viam_billing.cloud.client import CloudClient
from viam_billing.core.times import Deadline
from viam_billing.settings.attributes import Config
from viam_billing.usage.days import CostAt
from viam_billing.usage.forecast import projected
from viam_billing.usage.history import Point, UsageHistory
from viam_billing.usage.month import month_of


class Reads:
    """The readings that commands are made of. Each raises only `BillingError`s.

    `max_age_s`: how old an answer may be before the cloud is asked, None for the configured `cache_ttl_s`.
    """

    def __init__(
        self,
        gateway: CloudClient,
        cache: Cache,
        config: Config,
        now: Callable[[], float],
        history: UsageHistory | None = None,
        private: Cache | None = None,
    ) -> None:
        """`private` is a cache of this service alone and without a file, for revealed payment details."""
        self._gateway = gateway
        self.cache = cache
        self._private = private
        self._now = now
        self._history = history
        self.reader = Reader(config.cache_ttl_s, config.max_stale_s, config.timeout_s)
        for joined in {cache, private or cache}:
            joined.join(self.reader)

    async def usage(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetCurrentMonthUsageResponse` of an organization, with its `projection`; valid until the month ends."""

        async def fetch(deadline: Deadline) -> tuple[dict[str, Any], float]:
            usage = await decoding.native(await self._gateway.get_current_month_usage(org_id, deadline))
            as_of_s = self._now()
            month = month_of(usage, as_of_s)
            cost = decoding.subtotal(usage)  # before anything is kept: an answer without an amount is none
            seen: list[CostAt] = []
            if month.start_s is not None:
                if self._history is not None:
                    point = Point(as_of_s, month.start_s, cost, decoding.known_costs(usage))
                    seen = await self._history.note(org_id, point)
                projection = projected(cost, month.start_s, month.end_s, as_of_s, seen)
                if projection is not None:
                    usage["projection"] = to_builtins(projection)
            return usage, month.end_s

        return await self.cache.read(f"usage:{org_id}", fetch, self.reader, call, max_age_s)

    async def locations(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """All locations of an organization: `locations`, each a list of ID, name and count of machines."""

        async def fetch(deadline: Deadline) -> tuple[dict[str, Any], float]:
            found = await self._gateway.list_locations(org_id, deadline)
            return {"locations": await decoding.location_rows(found)}, FOREVER_S

        return await self.cache.read(f"locations:{org_id}", fetch, self.reader, call, max_age_s)

    async def billing_information(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetOrgBillingInformationResponse`, its payment details masked unless the configuration reveals them."""

        async def fetch(deadline: Deadline) -> tuple[dict[str, Any], float]:
            found = await decoding.native(await self._gateway.get_org_billing_information(org_id, deadline))
            return found if self._private else decoding.masked_payment_details(found), FOREVER_S

        cache = self._private or self.cache
        return await cache.read(f"information:{org_id}", fetch, self.reader, call, max_age_s)

    async def invoices(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetInvoicesSummaryResponse` of an organization."""

        async def fetch(deadline: Deadline) -> tuple[dict[str, Any], float]:
            return await decoding.native(await self._gateway.get_invoices_summary(org_id, deadline)), FOREVER_S

        return await self.cache.read(f"invoices:{org_id}", fetch, self.reader, call, max_age_s)

    async def tiers(self, call: Call, max_age_s: float | None) -> Reading:
        """`GetAvailableBillingTiersResponse`."""

        async def fetch(deadline: Deadline) -> tuple[dict[str, Any], float]:
            return await decoding.native(await self._gateway.get_available_billing_tiers(deadline)), FOREVER_S

        return await self.cache.read("tiers", fetch, self.reader, call, max_age_s)

    async def location_payer(self, location_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetLocationBillingOrganizationResponse`, without the ID where the API names no organization."""

        async def fetch(deadline: Deadline) -> tuple[dict[str, Any], float]:
            answer = await self._gateway.get_location_billing_organization(location_id, deadline)
            payer = answer.billing_organization_id  # its one field; a fleet has thousands of these
            return {"billing_organization_id": payer} if payer else {}, FOREVER_S

        return await self.cache.read(f"payer:{location_id}", fetch, self.reader, call, max_age_s)
