"""Readings of a cloud that gives one answer after the other, through a real cache with a clock of the test's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import NOON_S, Clock, usage
from unit.cloud_fakes import FakeGateway, make_config
from viam_billing.cache.cache import Cache
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Call, Memory, Reading
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.core.errors import BillingError
from viam_billing.core.times import Deadline

INFORMATION = billing_pb2.GetOrgBillingInformationResponse(billing_email="jane@example.com")
INVOICES = billing_pb2.GetInvoicesSummaryResponse()
TIERS = billing_pb2.GetAvailableBillingTiersResponse(tiers=["b", "a"])
PAYER = billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id="p")

Ask: TypeAlias = Callable[[Reads, Call], Awaitable[Reading]]
QUESTIONS: dict[str, tuple[Message, Ask]] = {
    "usage": (usage(2.0), lambda reads, call: reads.usage("x", call, None)),
    "information": (INFORMATION, lambda reads, call: reads.billing_information("x", call, None)),
    "invoices": (INVOICES, lambda reads, call: reads.invoices("x", call, None)),
    "tiers": (TIERS, lambda reads, call: reads.tiers(call, None)),
    "payer": (PAYER, lambda reads, call: reads.location_payer("x", call, None)),
}
EACH = pytest.mark.parametrize("question", QUESTIONS)
"""Questions by name, each with its answer and how it is asked, of `x` where it is asked of something."""


class Scene:
    """A cloud, a cache, and the readings of one service."""

    def __init__(self, *answers: Message | BillingError) -> None:
        self.gateway = FakeGateway(*answers)
        self.clock = Clock(NOON_S)
        self.caches: list[Cache] = []
        self.cache = self.new_cache()
        self.reads = self.service()

    def new_cache(self) -> Cache:
        """A cache of the same cloud."""
        memory = Memory(self.clock, self.clock)
        self.caches.append(Cache(CircuitBreaker("cloud", self.clock, max), memory=memory, siblings=self.caches))
        return self.caches[-1]

    def service(self, **attributes: object) -> Reads:
        """Another service's readings, by way of the same cache."""
        config = make_config(attributes)
        private = self.new_cache() if config.reveal_payment_details else None
        return Reads(self.gateway, self.cache, config, self.clock, private=private)


def in_time() -> Call:
    """A call with time."""
    return Call(Deadline(30), Deadline(30))
