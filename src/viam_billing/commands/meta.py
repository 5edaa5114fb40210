"""Questions about the module itself: what it can do here, and what its key may do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.memory import Reading
from viam_billing.cache.queries import Call, provenance
from viam_billing.commands.context import Answer, Context, Id
from viam_billing.core.errors import (
    BillingError,
    CloudAwayError,
    CloudUnreachableError,
    KeyRejectedError,
    NotConfiguredError,
    UnknownCommandError,
    quoted,
)
from viam_billing.settings.records import Record, given, schema
from viam_billing.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from viam_billing.core.times import Deadline


class HelpParameters(Record, frozen=True, kw_only=True):
    """Of `help`."""

    name: Annotated[Id, Meta(description="One command, instead of all.")] | UnsetType = UNSET


class AccessParameters(Record, frozen=True, kw_only=True):
    """Of `check_access`."""


async def help_(parameters: HelpParameters, context: Context, call: Call) -> Answer:  # noqa: ARG001 - the signature of every command
    """The table of commands, as this service's configuration has it."""
    name: str | None = given(parameters.name)
    if name is not None and name not in context.commands:
        raise unknown_command(name, context.commands)
    return {
        "version": VERSION,
        "commands": {
            command.name: {
                "summary": command.summary,
                "effect": command.effect,
                "allowed": context.policy.allows(command.name, command.effect),
                "parameters": deepcopy(schema(command.parameters)),
            }
            for command in context.commands.values()
            if name in (None, command.name)
        },
    }


def unknown_command(name: str, names: Iterable[str]) -> UnknownCommandError:
    """The error for a name that no command has."""
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    near = get_close_matches(name, names, 3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return UnknownCommandError(f'there is no command {quoted(name)}. {hint}{{"help": {{}}}} lists the commands.')


async def check_access(parameters: AccessParameters, context: Context, call: Call) -> Answer:  # noqa: ARG001 - the signature of every command
    """Make each read call once, for the own organization and location, and tell how it ended.

    A rejected key and a cloud that is away are answers here: `authenticated` false, or left out as not known.
    """
    config = context.config
    if config.api_key_id is None:
        raise NotConfiguredError("no API key is known. Set the attributes api_key and api_key_id.")
    login = await _outcome(partial(context.gateway.log_in, call.deadline))
    questions = _questions(context, call.deadline)
    outcomes = [login] * len(questions)
    if login is None:
        outcomes = await asyncio.gather(*(_outcome(ask) for ask in questions.values()))
    if None in outcomes:
        # It counted as away, one call found that it is back, and the others were refused meanwhile.
        missed = [isinstance(outcome, CloudUnreachableError) for outcome in outcomes]
        again = zip(questions.values(), outcomes, missed, strict=True)
        outcomes = await asyncio.gather(*(_outcome(ask) if miss else _same(outcome) for ask, outcome, miss in again))
    rejected = any(isinstance(outcome, KeyRejectedError) for outcome in (login, *outcomes))
    known = any(not isinstance(outcome, (CloudAwayError, NotConfiguredError)) for outcome in outcomes)
    return {
        "api_key_id": config.api_key_id,
        "app_address": config.app.text,
        **({"authenticated": not rejected} if known else {}),
        "calls": {name: outcome.code if outcome else "ok" for name, outcome in zip(questions, outcomes, strict=True)},
        **(provenance([Reading({}, context.now())]) if known else {}),
    }


def _questions(context: Context, deadline: Deadline) -> dict[str, Callable[[], Awaitable[object]]]:
    """The cloud's read calls by name. One whose organization or location is not known is `not_configured`."""
    gateway = context.gateway

    async def of_org(ask: Callable[[str, Deadline], Awaitable[object]]) -> object:
        return await ask(context.policy.own_org(), deadline)

    async def of_location(ask: Callable[[str, Deadline], Awaitable[object]]) -> object:
        return await ask(context.policy.own_location(), deadline)

    return {
        "get_current_month_usage": partial(of_org, gateway.get_current_month_usage),
        "get_org_billing_information": partial(of_org, gateway.get_org_billing_information),
        "get_invoices_summary": partial(of_org, gateway.get_invoices_summary),
        "get_available_billing_tiers": partial(gateway.get_available_billing_tiers, deadline),
        "get_location_billing_organization": partial(of_location, gateway.get_location_billing_organization),
        "list_locations": partial(of_org, gateway.list_locations),
        "get_location": partial(of_location, gateway.get_location),
    }


async def _same(outcome: BillingError | None) -> BillingError | None:
    return outcome


async def _outcome(ask: Callable[[], Awaitable[object]]) -> BillingError | None:
    try:
        await ask()
    except BillingError as error:
        return error
    return None
