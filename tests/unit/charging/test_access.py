"""What the shared journal needs of a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from typing_extensions import override

from support.fake_charges import ChargeCloud, Scene, request
from viam_billing.charging.access import CHARGE_TIME_S, ServiceAccess
from viam_billing.commands import EFFECTS
from viam_billing.core.errors import ChargeLimitExceededError
from viam_billing.core.times import Deadline
from viam_billing.settings.attributes import parse_attributes
from viam_billing.settings.policy import Policy


async def test_without_limits_there_is_no_charge(scene: Scene) -> None:
    access = ServiceAccess(scene.cloud, Policy(parse_attributes({}, {}, EFFECTS)))
    with pytest.raises(ChargeLimitExceededError):
        await scene.charge(cents=1, access=access)


def test_a_charge_has_a_minute_or_two_and_a_half_for_the_call_that_waits_for_the_payment() -> None:
    assert CHARGE_TIME_S == {"charge_organization": 60.0, "create_invoice_and_charge_immediately": 150.0}


class SlowLogin(ChargeCloud):
    """A cloud whose login takes some time before the charge is sent."""

    left_s: tuple[float, float]

    @override
    async def charge(
        self, command: str, parameters: Mapping[str, Any], deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> str:
        before_s = deadline.remaining_s()
        await mark_sent()
        self.left_s = (before_s, deadline.remaining_s())
        return "inv"


async def test_what_comes_before_the_mark_takes_nothing_of_the_charge_s_time(scene: Scene) -> None:
    async def marked() -> None:
        return

    cloud = SlowLogin(scene.clock)
    await ServiceAccess(cloud, Policy(parse_attributes({}, {}, EFFECTS))).send(request(), marked)
    before_s, after_s = cloud.left_s
    assert after_s > before_s
