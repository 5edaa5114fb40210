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
    InternalError,
    InvalidRequestError,
    quoted,
)
from viam_billing.core.redaction import redacted
from viam_billing.core.times import FOREVER_S, Deadline
from viam_billing.module import codec
from viam_billing.settings import records

if TYPE_CHECKING:
    from viam_billing.commands.context import Answer, Command, Context

LOGGER: Final = logging.getLogger(__name__)

_AUDITED: Final = frozenset({"notify", "change", "charge", "by_name"})


async def answer(command: Mapping[str, object], context: Context, timeout_s: float | None) -> Answer:
    """Answer one request.

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
        permitted = context.policy.allows(row.name, row.effect)
        sync = row.effect == "change"  # an e-mail and a charge sync a note of their own before they are sent
        async with context.audit_log.attempt(row.name, parameters, permitted=permitted, sync=sync):
            result = await _run(row, parameters, context, call)
    else:
        result = await _run(row, parameters, context, call)
    return {row.name: result} if request.nested else result


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
