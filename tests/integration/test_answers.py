"""What `help` and `get_status` tell of the module, of which callers in other languages are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.answer_schemas import validator
from support.module_process import Service, refused
from viam_billing.commands import COMMANDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_help_tells_the_schema_that_every_answer_is_held_to(service: Service) -> None:
    """Without a word of it lost on the way, also where Python drops docstrings."""
    told = {name: row["answer"] for name, row in (await service.ask("help"))["commands"].items()}
    assert told == {name: validator(name).schema for name in COMMANDS}


async def test_the_command_get_status_answers_as_the_resources_own_call(service: Service) -> None:
    """From memory: after a command that the cloud answered, and without another call to it."""
    await service.ask("get_location_usage")
    told = await service.ask("get_status")
    assert told == await service.status()
    assert told["cloud_calls"] > 0


async def test_get_status_is_always_allowed(make: Callable[..., Awaitable[Service]]) -> None:
    closed = await make(allowed_commands=[])
    assert (await closed.ask("get_status"))["allowed_commands"] == []
    assert (await refused(closed.ask("get_location_usage"))).code == "command_not_allowed"


async def test_get_status_takes_no_parameters(service: Service) -> None:
    assert "max_age_s" in (await refused(service.ask("get_status", max_age_s=0))).text
