"""What the module knows of the cloud: native answers with the time they were given.

Each reading is one call of the cloud, encoded. What an answer adds to it, the commands compute.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viam_billing import encode
from viam_billing.times import to_rfc3339

if TYPE_CHECKING:
    from viam_billing.config import Config
    from viam_billing.gateway import Gateway
    from viam_billing.times import Deadline


@dataclass(frozen=True, slots=True)
class Reading:
    """A native answer. `as_of_s` is when the cloud gave it; `stale_reason` the error code if it was asked in vain."""

    value: dict[str, Any]
    as_of_s: float
    stale_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """How one caller asks: `max_age_s` old at most (None: as configured), answered by the deadline."""

    deadline: Deadline
    max_age_s: float | None = None


def provenance(readings: Iterable[Reading]) -> dict[str, Any]:
    """`as_of`, `stale` and `stale_reason` of an answer made of readings: the oldest time, stale if one is."""
    parts = list(readings)
    reason = next((part.stale_reason for part in parts if part.stale_reason), None)
    facts = {"as_of": to_rfc3339(min(part.as_of_s for part in parts)), "stale": reason is not None}
    return {**facts, "stale_reason": reason} if reason else facts


class Reads:
    """The readings that commands are made of. Each raises `BillingError`s only."""

    def __init__(self, gateway: Gateway, config: Config, now: Callable[[], float]) -> None:
        self._gateway = gateway
        self._config = config
        self._now = now

    async def usage(self, org_id: str, asking: Asking) -> Reading:
        """`GetCurrentMonthUsageResponse` of an organization."""
        return await self._read(
            lambda deadline: self._gateway.get_current_month_usage(org_id, deadline), encode.to_native, asking
        )

    async def billing_information(self, org_id: str, asking: Asking) -> Reading:
        """`GetOrgBillingInformationResponse`, its payment details masked unless the configuration reveals them."""
        return await self._read(
            lambda deadline: self._gateway.get_org_billing_information(org_id, deadline), self._payment_details, asking
        )

    async def invoices(self, org_id: str, asking: Asking) -> Reading:
        """`GetInvoicesSummaryResponse` of an organization."""
        return await self._read(
            lambda deadline: self._gateway.get_invoices_summary(org_id, deadline), encode.to_native, asking
        )

    async def tiers(self, asking: Asking) -> Reading:
        """`GetAvailableBillingTiersResponse`."""
        return await self._read(self._gateway.get_available_billing_tiers, encode.to_native, asking)

    async def location_payer(self, location_id: str, asking: Asking) -> Reading:
        """`GetLocationBillingOrganizationResponse`, without the ID where the API names no organization."""
        return await self._read(
            lambda deadline: self._gateway.get_location_billing_organization(location_id, deadline),
            lambda answer: {name: value for name, value in encode.to_native(answer).items() if value},
            asking,
        )

    async def _read(
        self,
        call: Callable[[Deadline], Awaitable[Any]],
        to_native: Callable[[Any], dict[str, Any]],
        asking: Asking,
    ) -> Reading:
        answer = await call(asking.deadline)
        return Reading(to_native(answer), self._now())

    def _payment_details(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401 - a proto message
        information = encode.to_native(answer)
        return information if self._config.reveal_payment_details else encode.masked_payment_details(information)
