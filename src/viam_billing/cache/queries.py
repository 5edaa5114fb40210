"""The queries that the module makes of the cloud: what each is called, fetched and decoded, and how long it is valid.

What an answer adds to a reading, the commands compute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field, structs

from viam_billing.cache.cache import Cache, Reader
from viam_billing.cache.memory import Fetched, Reading
from viam_billing.cloud import decoding
from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.times import to_rfc3339
from viam_billing.usage.forecast import month_end_s, projected
from viam_billing.usage.history import Point

if TYPE_CHECKING:
    from viam_billing.cloud.client import CloudClient
    from viam_billing.core.times import Deadline
    from viam_billing.settings.attributes import Config
    from viam_billing.usage.history import UsageHistory

T = TypeVar("T")


class Call(Struct):
    """One call of the module: its deadlines, and the readings that its answer was made of.

    `deadline` is that of what it reads, `caller` the caller's alone: a charge has its own time.
    """

    deadline: Deadline
    caller: Deadline
    readings: list[Reading] = field(default_factory=list)

    async def from_disk(self, work: Awaitable[T]) -> T:
        """The result of work on the disk, waited for no longer than for the cloud.

        Raises:
            StateUnavailableError: if the disk is not done by then; and the errors of the work.
        """
        try:
            return await asyncio.wait_for(work, self.deadline.remaining_s())
        except asyncio.TimeoutError:
            raise StateUnavailableError(
                "the disk does not answer in time. Find what keeps the files in state_dir busy, or try again later."
            ) from None


def provenance(readings: Iterable[Reading]) -> dict[str, Any]:
    """`as_of`, `stale` and `stale_reason` of an answer made of readings: the oldest time, stale if one is."""
    parts = list(readings)
    reason = next((part.stale_reason for part in parts if part.stale_reason), None)
    facts = {"as_of": to_rfc3339(min(part.as_of_s for part in parts)), "stale": reason is not None}
    return {**facts, "stale_reason": reason} if reason else facts


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
        self._cache = cache
        self._private = private
        self._now = now
        self._history = history
        self.reader = Reader(config.cache_ttl_s, config.max_stale_s, config.timeout_s)
        for joined in {cache, private or cache}:
            joined.join(self.reader)

    def close(self) -> None:
        """End the reads under way, with `cloud_unreachable`. May be called twice."""
        self.reader.close()

    async def usage(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetCurrentMonthUsageResponse` of an organization, with its `projection`; valid until the month ends."""

        async def fetch(deadline: Deadline) -> Fetched:
            usage = decoding.to_native(await self._gateway.get_current_month_usage(org_id, deadline))
            as_of_s = self._now()
            start_s, end_s = (decoding.moment_s(usage, name) for name in ("start_date", "end_date"))
            cost = decoding.subtotal(usage)  # before anything is kept: an answer without an amount is none
            if start_s is not None:
                month = [] if self._history is None else await self._history.note(org_id, Point(as_of_s, start_s, cost))
                projection = projected(cost, start_s, end_s, as_of_s, month)
                if projection is not None:
                    usage["projection"] = structs.asdict(projection)
            return Fetched(usage, month_end_s(start_s, end_s, as_of_s))

        return await self._read(f"usage:{org_id}", fetch, call, max_age_s)

    async def locations(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """All locations of an organization: `locations`, each a list of ID, name and count of machines."""

        async def fetch(deadline: Deadline) -> Fetched:
            return Fetched({"locations": decoding.location_rows(await self._gateway.list_locations(org_id, deadline))})

        return await self._read(f"locations:{org_id}", fetch, call, max_age_s)

    async def billing_information(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetOrgBillingInformationResponse`, its payment details masked unless the configuration reveals them."""

        async def fetch(deadline: Deadline) -> Fetched:
            information = decoding.to_native(await self._gateway.get_org_billing_information(org_id, deadline))
            return Fetched(information if self._private else decoding.masked_payment_details(information))

        return await self._read(f"information:{org_id}", fetch, call, max_age_s, self._private or self._cache)

    async def invoices(self, org_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetInvoicesSummaryResponse` of an organization."""

        async def fetch(deadline: Deadline) -> Fetched:
            return Fetched(decoding.to_native(await self._gateway.get_invoices_summary(org_id, deadline)))

        return await self._read(f"invoices:{org_id}", fetch, call, max_age_s)

    async def tiers(self, call: Call, max_age_s: float | None) -> Reading:
        """`GetAvailableBillingTiersResponse`."""

        async def fetch(deadline: Deadline) -> Fetched:
            return Fetched(decoding.to_native(await self._gateway.get_available_billing_tiers(deadline)))

        return await self._read("tiers", fetch, call, max_age_s)

    async def location_payer(self, location_id: str, call: Call, max_age_s: float | None) -> Reading:
        """`GetLocationBillingOrganizationResponse`, without the ID where the API names no organization."""

        async def fetch(deadline: Deadline) -> Fetched:
            answer = await self._gateway.get_location_billing_organization(location_id, deadline)
            payer = answer.billing_organization_id  # its one field; a fleet has thousands of these
            return Fetched({"billing_organization_id": payer} if payer else {})

        return await self._read(f"payer:{location_id}", fetch, call, max_age_s)

    def changing_tier(self, org_id: str) -> AbstractAsyncContextManager[None]:
        """Around a change of an organization's tier: what it outdates is forgotten."""
        return self._cache.changing(f"information:{org_id}", "tiers")

    def changing_payer(self, location_id: str) -> AbstractAsyncContextManager[None]:
        """Around a change of who pays for a location."""
        return self._cache.changing(f"payer:{location_id}")

    def forget_tier(self, org_id: str) -> None:
        """Forget an organization's tier, which was read without the cache and may be another one."""
        self._cache.forget(f"information:{org_id}")

    def forget_payer(self, location_id: str) -> None:
        """Forget who pays for a location, which was read without the cache and may be another one."""
        self._cache.forget(f"payer:{location_id}")

    async def _read(
        self,
        query: str,
        fetch: Callable[[Deadline], Awaitable[Fetched]],
        call: Call,
        max_age_s: float | None,
        cache: Cache | None = None,
    ) -> Reading:
        reading = await (cache or self._cache).read(
            query, fetch, self.reader, deadline=call.deadline, max_age_s=max_age_s
        )
        call.readings.append(reading)
        return reading
