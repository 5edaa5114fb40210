"""What the journal needs of a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from typing_extensions import override

from support.fake_charges import ChargeCloud, Scene, away, request
from viam_billing.charging.charge import Limits
from viam_billing.charging.desk import OWN_TIME_S, Desk
from viam_billing.commands import EFFECTS
from viam_billing.core.errors import CloudUnreachableError, KeyLacksPermissionError, NotConfiguredError
from viam_billing.core.money import Cents
from viam_billing.core.times import Deadline
from viam_billing.settings.attributes import parse_attributes
from viam_billing.settings.policy import Policy


async def test_it_reads_invoices_as_they_are(scene: Scene) -> None:
    """Of one organization; in cents."""
    mine = scene.cloud.add_invoice("a", 1999)
    scene.cloud.add_invoice("b", 1)
    (seen,) = await scene.desk().invoices("a")
    assert (seen.id, seen.amount, seen.date_s, seen.status) == (mine.id, 1999, scene.clock.now_s, "paid")


async def test_only_a_missing_permission_is_done_without(scene: Scene) -> None:
    """Any other error is one."""
    scene.cloud.reading_fails = KeyLacksPermissionError("no")
    assert await scene.desk().invoices_if_permitted("a") is None
    scene.cloud.reading_fails = away()
    with pytest.raises(CloudUnreachableError):
        await scene.desk().invoices_if_permitted("a")


def test_it_has_its_own_limits_and_scope(scene: Scene) -> None:
    """In cents."""
    desk = scene.desk(per_day=12.34, per_charge=5, orgs=("a",))
    assert desk.limits == Limits(Cents(500), Cents(1234))
    assert (desk.sees("a"), desk.sees("b")) == (True, False)


def test_without_limits_there_is_no_charge(scene: Scene) -> None:
    """It names the attribute."""
    desk = Desk(scene.cloud, Policy(parse_attributes({}, {}, EFFECTS)))
    with pytest.raises(NotConfiguredError, match="charge_limits"):
        _ = desk.limits


async def test_what_comes_before_the_mark_takes_nothing_of_a_charges_time(scene: Scene) -> None:
    """Login and other calls may have taken most of it."""
    times: list[float] = []

    class Late(ChargeCloud):
        """A cloud whose time has nearly passed when the charge is its turn."""

        @override
        async def charge(
            self,
            command: str,
            parameters: Mapping[str, Any],
            deadline: Deadline,
            mark_sent: Callable[[], Awaitable[None]],
        ) -> str:
            deadline._ends_at -= 59  # noqa: SLF001 - so long it waited
            times.append(deadline.remaining_s())
            await mark_sent()
            times.append(deadline.remaining_s())
            return "inv"

    async def marked() -> None:
        return

    desk = Desk(Late(scene.clock), Policy(parse_attributes({}, {}, EFFECTS)))
    await desk.send(request(), marked)
    assert times[0] < 2
    assert times[1] > 50


def test_a_charge_has_the_contract_s_time() -> None:
    """A minute, or two and a half for the call that waits for the payment."""
    assert OWN_TIME_S == {"charge_organization": 60.0, "create_invoice_and_charge_immediately": 150.0}
