"""The commands about the module itself: what it can do here, and what its API key may do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.commands.context import Context, Id, command
from viam_billing.commands.status import Status
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, NotConfiguredError, UnknownCommandError, quoted
from viam_billing.core.tasks import off_loop
from viam_billing.core.times import Deadline
from viam_billing.settings.answers import AnswerRecord, AsOf, Stale, says
from viam_billing.settings.policy import Effect
from viam_billing.settings.records import Record, close_names, given, in_snake_case, schema
from viam_billing.version import VERSION

_Read: TypeAlias = Callable[..., Awaitable[object]]


_ALSO_CALLED: Final = {
    "email_address": "email",
    "address": "billing_service",
    "cost": "usage",
    "forecast": "usage",
    "journal": "charges",
    "notify": "email",
    "payer": "location_billing_organization",
    "permission": "access",
    "projection": "usage",
    "reminder": "email",
    "spending": "usage",
    "version": "status",
    "white_label": "get_billing_service",
}
"""Words of the documentation and the command line that no command's name has, and those that it has for them."""


class HelpParameters(Record, frozen=True, kw_only=True):
    """Parameters of `help`."""

    name: Annotated[Id, Meta(description="One command, instead of all.")] | UnsetType = UNSET


class CommandHelp(AnswerRecord, frozen=True, kw_only=True):
    """What `help` tells of a command."""

    summary: Annotated[str, says("What it does")]
    effect: Annotated[
        Effect, says("The group of allowed_commands that opens it; by_name: only its own name; always: none")
    ]
    allowed: Annotated[bool, says("Whether this service's allowed_commands opens it")]
    parameters: Annotated[dict[str, Any], says("A self-contained JSON Schema of its parameters")]
    answer: Annotated[dict[str, Any], says("A self-contained JSON Schema of its answer; a newer module may add fields")]


class Help(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `help`."""

    version: Annotated[str, says("The module's version")]
    commands: Annotated[dict[str, CommandHelp], says("By the name of the command")]


@command("always", HelpParameters, "The commands, what each takes, and whether this service allows it.")
async def help_(parameters: HelpParameters, context: Context, call: Call) -> Help:  # noqa: ARG001 - the signature of every command
    name: str | None = given(parameters.name)
    if name is not None and name not in context.commands:
        raise unknown_command(name, context.commands)

    def told() -> dict[str, CommandHelp]:
        return {
            command.name: CommandHelp(
                summary=command.summary,
                effect=command.effect,
                allowed=context.policy.allows(command.name, command.effect),
                parameters=schema(command.parameters),
                answer=command.answer_schema(),
            )
            for command in context.commands.values()
            if name in (None, command.name)
        }

    return Help(version=VERSION, commands=await off_loop(told, long=name is None))  # all schemas take tens of ms


def unknown_command(name: str, names: Iterable[str]) -> UnknownCommandError:
    """The error for a name that no command has."""
    meant = f"_{in_snake_case(name)}_"
    for word, command_has in _ALSO_CALLED.items():
        meant = meant.replace(f"_{word}_", f"_{command_has}_")
    close = close_names(meant, names, 3)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return UnknownCommandError(f'there is no command {quoted(name)}. {hint}{{"help": {{}}}} lists the commands.')


@command("always", Record, "How the module is: its connection, counters and charges, from memory, without the cloud.")
async def get_status(parameters: Record, context: Context, call: Call) -> Status:  # noqa: ARG001 - the signature of every command
    """For callers that have no way to the resource's own RPC, such as the Control tab."""
    return await context.status()


class Access(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `check_access`."""

    api_key_id: Annotated[str, says("The ID of the API key")]
    app_address: Annotated[str, says("Where the cloud is")]
    authenticated: Annotated[bool, says("Whether the API key is accepted, where that is known")] | UnsetType = UNSET
    calls: Annotated[dict[str, str], says("By the cloud's call, ok or an error code")]
    as_of: AsOf | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET


@command("read", Record, "Whether the API key works and what it may read.")
async def check_access(parameters: Record, context: Context, call: Call) -> Access:  # noqa: ARG001 - the signature of every command
    """Make each read call once, for the service's own organization and location, and tell how it ended. A rejected key
    and a cloud that is away are answers here: `authenticated` is then false, or left out as not known.
    """
    config, gateway = context.config, context.gateway
    if config.api_key_id is None:
        raise NotConfiguredError("no API key is known. Set api_key (or api_key_file) and api_key_id.")
    org, location = (config.org_id,), (config.location_id,)
    reads: dict[str, tuple[_Read, tuple[str | None, ...]]] = {
        "get_available_billing_tiers": (gateway.get_available_billing_tiers, ()),
        "get_current_month_usage": (gateway.get_current_month_usage, org),
        "get_org_billing_information": (gateway.get_org_billing_information, org),
        "get_invoices_summary": (gateway.get_invoices_summary, org),
        "list_locations": (gateway.list_locations, org),
        "get_location_billing_organization": (gateway.get_location_billing_organization, location),
        "get_location": (gateway.get_location, location),
    }
    login = await _outcome(call.deadline, gateway.log_in, ())
    outcomes = [login] * len(reads)
    if login is None:
        # A cloud that was away is asked by one call at a time until it answers, so one goes first.
        first, *others = reads.values()
        outcomes = [await _outcome(Deadline(call.deadline.remaining_s() / 2), *first)]
        outcomes += await asyncio.gather(*(_outcome(call.deadline, *other) for other in others))
    known = any(not isinstance(outcome, (errors.CloudAwayError, NotConfiguredError)) for outcome in outcomes)
    rejected = any(isinstance(outcome, errors.KeyRejectedError) for outcome in outcomes)
    return Access(
        api_key_id=config.api_key_id,
        app_address=config.app.text,
        authenticated=not rejected if known else UNSET,
        calls={name: outcome.code if outcome else "ok" for name, outcome in zip(reads, outcomes, strict=True)},
        **(provenance([Reading({}, context.now())]) if known else {}),
    )


async def _outcome(deadline: Deadline, read: _Read, ids: tuple[str | None, ...]) -> BillingError | None:
    """The error of a read call, None if it went well. An ID that is not known keeps it from being made."""
    if not all(ids):
        return NotConfiguredError("the organization or location is not known.")
    try:
        await read(*ids, deadline)
    except BillingError as error:
        return error
    return None
