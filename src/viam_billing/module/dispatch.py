"""One request, one straight line: parse, permit, run; attempts to notify, change or charge are written down first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from viam import logging

from viam_billing.cache.queries import Call
from viam_billing.commands.meta import unknown_command
from viam_billing.core.errors import (
    BillingError,
    CloudTimeoutError,
    CommandNotAllowedError,
    InternalError,
    InvalidRequestError,
    OutOfScopeError,
    StateUnavailableError,
    quoted,
)
from viam_billing.core.redaction import redacted
from viam_billing.core.times import FOREVER_S, Deadline
from viam_billing.module import codec
from viam_billing.settings import records

if TYPE_CHECKING:
    from viam_billing.cache.memory import Reading
    from viam_billing.commands.context import Answer, Command, Context

LOGGER: Final = logging.getLogger(__name__)

_AUDITED: Final = frozenset({"notify", "change", "charge", "by_name"})


async def answer(
    command: Mapping[str, object], context: Context, timeout_s: float | None
) -> tuple[Answer, tuple[Reading, ...]]:
    """Answer one request.

    Returns:
        the answer, and the readings of which it was made; none where the same request may get another answer.

    Args:
        command: native values, of `wire.from_struct` or `wire.from_python`.
        context: the service's parts.
        timeout_s: what is left of the caller's time, None for no end.

    Raises:
        BillingError: in every case that is not an answer.
    """
    request = codec.parse(command)
    row = context.commands.get(request.name)
    if row is None:
        raise unknown_command(without_secrets(request.name, context), context.commands)
    parameters = _without_secret(request.parameters, context)
    call = Call(Deadline.of_caller(timeout_s, context.config.timeout_s), Deadline.of_caller(timeout_s, FOREVER_S))
    if row.effect in _AUDITED:
        result = await _audited(row, parameters, context, call)
    else:
        result = await _run(row, parameters, context, call)
    readings = tuple(call.readings) if call.repeatable else ()
    return ({row.name: result} if request.nested else result), readings


async def _run(row: Command, parameters: Mapping[str, object], context: Context, call: Call) -> Answer:
    typed, errors = records.read(row.parameters, parameters, "parameter")
    if typed is None:
        raise InvalidRequestError(f'{"; ".join(errors)}. {{"help": {{"name": "{row.name}"}}}} shows what it takes.')
    context.policy.check_allowed(row.name, row.effect)
    try:
        return await row.run(typed, context, call)
    except BillingError:
        raise
    except asyncio.TimeoutError:
        raise CloudTimeoutError(f"{row.name} was not done in time. Try again later.") from None
    except Exception as error:
        raise defect(row.name, error) from error


async def _audited(row: Command, parameters: Mapping[str, object], context: Context, call: Call) -> Answer:
    number = await _begin_attempt(row, parameters, context)
    code: str | None = "cancelled"
    try:
        result = await _run(row, parameters, context, call)
        code = None
    except BillingError as error:
        code = error.code
        raise
    else:
        return result
    finally:
        if number is not None:
            permitted = context.policy.allows(row.name, row.effect)
            allowed = permitted and code not in {CommandNotAllowedError.code, OutOfScopeError.code}
            _end_attempt(number, code, context, allowed=allowed)


async def _begin_attempt(row: Command, parameters: Mapping[str, object], context: Context) -> int | None:
    """Where no folder is configured, or it cannot be written, a change goes on and the attempt stands in the log.

    What may not happen twice, an e-mail or a charge, needs the folder itself and is refused without it.
    """
    allowed = context.policy.allows(row.name, row.effect)
    synced = row.effect == "change"  # the others sync their own note, a cooldown or a charge, before they send
    try:
        return await context.state.begin_attempt(row.name, parameters, allowed=allowed, synced=synced)
    except StateUnavailableError as error:
        shown = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in list(parameters.items())[:10])
        LOGGER.warning("attempt of %s (%s) is not in the audit log: %s", row.name, shown, error.text)
        return None


def _end_attempt(number: int, code: str | None, context: Context, *, allowed: bool) -> None:
    """The answer does not wait for it."""

    def look(ending: asyncio.Future[None]) -> None:
        error = None if ending.cancelled() else ending.exception()
        if isinstance(error, StateUnavailableError):
            complain(error)

    def complain(error: StateUnavailableError) -> None:
        LOGGER.warning("the end (%s) of audit entry %d is not in the audit log: %s", code or "done", number, error.text)

    try:
        context.state.end_attempt(number, code, allowed=allowed).add_done_callback(look)
    except StateUnavailableError as error:
        complain(error)


def _without_secret(parameters: Mapping[str, object], context: Context) -> Mapping[str, object]:
    """Parameters without the key: taken out before any error, log or audit entry can quote a part of it."""
    key = context.config.api_key
    if key is None or not any(
        key in name or (isinstance(value, str) and key in value) for name, value in parameters.items()
    ):
        return parameters
    return {
        without_secrets(name, context): without_secrets(value, context) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def without_secrets(text: str, context: Context) -> str:
    """A text for an answer or a log, from which a key or token that somebody put into it is taken out."""
    return redacted(text, context.config.api_key)


def defect(where: str, error: Exception) -> InternalError:
    """The error for a defect of the module; the log gets what a maintainer needs, on one line and without paths."""
    trace = error.__traceback__
    places: list[str] = []
    while trace is not None:
        frame: Any = trace.tb_frame
        places.append(f"{frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    LOGGER.error(
        "defect in %s: %s: %s (at %s)", where, type(error).__name__, quoted(str(error)), " < ".join(places[::-1][:6])
    )
    return InternalError(f"the module has a defect in {where} ({type(error).__name__}). Please report it with the log.")
