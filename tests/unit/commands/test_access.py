from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.message import Message
from msgspec import structs
from typing_extensions import override

from support.fake_parts import FakeClient
from unit.cloud_fakes import answer, make_context
from viam_billing.cloud.calls import Calls, Counters, M, Sink
from viam_billing.cloud.client import CloudClient
from viam_billing.core.errors import CloudTimeoutError, CloudUnreachableError, NotConfiguredError
from viam_billing.core.times import Deadline


class AwayUntilAsked(Calls):
    """A cloud that was away: until one call is answered, it is asked by one call at a time."""

    def __init__(self) -> None:
        super().__init__(None, Counters(), 20.0)
        self.back = self.probing = False
        self.silent = ""

    @override
    async def log_in(self, deadline: Deadline) -> None:
        """The login is kept from before."""

    @override
    async def read(self, request: Message, answer: type[M], deadline: Deadline, sink: Sink | None = None) -> M:
        if request.DESCRIPTOR.name == f"{self.silent}Request":
            await asyncio.sleep(deadline.remaining_s())
            raise CloudTimeoutError("silence.")
        if not self.back and self.probing:
            raise CloudUnreachableError("away.")
        self.probing = True
        await asyncio.sleep(0)
        self.back = True
        return answer()  # check_access does not look at it


async def check_access(calls: Calls, **config: Any) -> dict[str, Any]:  # noqa: ANN401 - the configuration's fields
    """The answer of a service whose calls these are."""
    context = make_context(FakeClient())
    own = structs.replace(context.config, **config)
    return await answer(structs.replace(context, config=own, gateway=CloudClient(calls)), {"command": "check_access"})


async def test_a_cloud_that_is_back_is_found_to_be_back_by_every_call() -> None:
    found = await check_access(AwayUntilAsked())
    assert len(found["calls"]) == 7
    assert set(found["calls"].values()) == {"ok"}
    assert found["authenticated"] is True


async def test_one_call_that_is_not_answered_leaves_the_others_their_time() -> None:
    calls = AwayUntilAsked()
    calls.silent = "GetAvailableBillingTiers"
    calls.back = True
    found = await check_access(calls, timeout_s=0.2)
    assert found["calls"].pop("get_available_billing_tiers") == "cloud_timeout"
    assert set(found["calls"].values()) == {"ok"}


async def test_calls_about_what_is_not_known_are_not_configured() -> None:
    found = await check_access(AwayUntilAsked(), org_id=None, location_id=None)
    assert found["calls"].pop("get_available_billing_tiers") == "ok"
    assert set(found["calls"].values()) == {NotConfiguredError.code}
