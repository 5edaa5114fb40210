from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from grpclib import GRPCError, Status
from msgspec import structs

from support.module_process import struct
from unit.cloud_fakes import NoParameters
from unit.fleet_scene import Fleet
from viam_billing.cache.queries import Call
from viam_billing.commands.context import Answer, Command, Context
from viam_billing.module.service import BillingService


def many() -> Fleet:
    """A thousand locations: an answer about them is a long one."""
    made = Fleet()
    made.bill("p", 1.0, "own-loc", *(f"l{number}" for number in range(1000)))
    return made


def serving(fleet: Fleet) -> BillingService:
    """A service of the test's parts."""
    return BillingService("billing", cast("Any", SimpleNamespace(context=fleet.context)))


async def is_ready(service: BillingService, command: dict[str, Any]) -> bool:
    """Whether a request gets the message that an earlier one was given."""
    first = await service.respond(struct(command), 60)
    return await service.respond(struct(command), 60) is first


async def test_a_repeated_request_gets_the_message_that_was_made() -> None:
    """As long as what it was made of is current: a fresh answer first has to be known."""
    fleet = many()
    service = serving(fleet)
    commands: list[dict[str, Any]] = [{"command": "get_location_usage"}, {"get_fleet_usage": {}}]
    for command in commands:
        await service.respond(struct(command), 60)
        assert await is_ready(service, command)
    fleet.clock.now_s += 1000
    first = await service.respond(struct({"get_fleet_usage": {}}), 60)
    assert await service.respond(struct({"get_fleet_usage": {}}), 60) is not first


async def test_of_long_messages_there_is_one_at_a_time() -> None:
    """Each may have megabytes, and a caller may ask in hundreds of ways; short ones stay."""
    service = serving(many())
    short: dict[str, Any] = {"command": "get_location_usage"}
    await service.respond(struct(short), 60)
    kept = await service.respond(struct(short), 60)
    for max_age_s in range(1000, 1020):
        command: dict[str, Any] = {"command": "get_fleet_usage", "max_age_s": max_age_s}
        await service.respond(struct(command), 60)
        assert await is_ready(service, command)
    assert len(service._ready) == 2  # noqa: SLF001 - what is kept is to be seen nowhere else
    assert await service.respond(struct(short), 60) is kept


async def test_what_is_true_once_is_never_ready() -> None:
    """A threshold is newly crossed once."""
    fleet = Fleet(budget={"monthly": 100.0})
    fleet.bill("p", 60.0, "own-loc")
    service = serving(fleet)
    await service.respond(struct({"command": "check_budget"}), 60)
    assert not await is_ready(service, {"command": "check_budget"})


@pytest.mark.parametrize("rows", [1, 20, 100])
async def test_a_message_of_more_than_16_mib_is_refused(rows: int) -> None:
    """Whatever the command, and however few its rows: over some connections it would be dropped without a word."""

    async def run(parameters: NoParameters, context: Context, call: Call) -> Answer:  # noqa: ARG001 - the signature of every command
        return {"rows": ["x" * (18_000_000 // rows)] * rows}

    fleet = Fleet()
    fleet.context = structs.replace(fleet.context, commands={"do": Command("do", "read", "Does.", NoParameters, run)})
    with pytest.raises(GRPCError, match=r"result_too_large.*location_ids") as caught:
        await serving(fleet).respond(struct({"do": {}}), 60)
    assert caught.value.status is Status.FAILED_PRECONDITION
