"""Answers one request: parse it, permit it, run its command; attempts to change something are audited."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from viam import logging

from viam_billing.cache.readings import Call
from viam_billing.commands.meta import unknown_command
from viam_billing.core.errors import (
    BillingError,
    CloudTimeoutError,
    InternalError,
    InvalidRequestError,
    quoted,
    redacted,
)
from viam_billing.core.times import Deadline
from viam_billing.module import codec
from viam_billing.settings import records
from viam_billing.settings.policy import not_allowed

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

    from viam_billing.commands.context import Answer, Command, Context

LOGGER: Final = logging.getLogger(__name__)

_AUDITED: Final = frozenset({"notify", "change", "charge", "by_name"})


async def answer(command: Struct, context: Context, timeout_s: float | None) -> Answer:
    """The answer to one request.

    Args:
        command: the request.
        context: the service's parts.
        timeout_s: what is left of the caller's time; None if it has no deadline.

    Raises:
        BillingError: in every case that is not an answer.
    """
    request = codec.parse(command)
    row = context.commands.get(request.name)
    if row is None:
        raise unknown_command(without_secrets(request.name, context), context.commands)
    parameters: Mapping[str, object] = request.parameters
    key = context.config.api_key
    if key and any(key in name or (isinstance(value, str) and key in value) for name, value in parameters.items()):
        parameters = _without_key(parameters, context)
    call = Call(Deadline(context.config.timeout_s, timeout_s), Deadline(math.inf, timeout_s))
    async with _audited(row, parameters, context) if row.effect in _AUDITED else contextlib.nullcontext():
        try:
            typed = records.read(row.parameters, parameters, "parameter")
        except records.InvalidRecordError as error:
            raise InvalidRequestError(f'{error}. {{"help": {{"name": "{row.name}"}}}} shows what it takes.') from None
        if not context.policy.allows(row.name, row.effect):
            raise not_allowed(row.name, row.effect)
        try:
            result = await row.run(typed, context, call)
        except asyncio.TimeoutError:
            raise CloudTimeoutError(f"{row.name} was not done in time. Try again later.") from None
        except BillingError:
            raise
        except Exception as error:
            raise defect(row.name, error) from error
    return {row.name: result} if request.nested else result


def _audited(
    row: Command, parameters: Mapping[str, object], context: Context
) -> contextlib.AbstractAsyncContextManager[None]:
    permitted = context.policy.allows(row.name, row.effect)
    sync = row.effect == "change"  # e-mails and charges sync their own record before they are sent
    return context.audit_log.attempt(row.name, parameters, permitted=permitted, sync=sync)


def _without_key(parameters: Mapping[str, object], context: Context) -> dict[str, object]:
    """Parameters in which the key is redacted before an error, a log or an audit entry can quote a part of it."""
    return {
        without_secrets(name, context): without_secrets(value, context) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def without_secrets(text: str, context: Context) -> str:
    """A text for an answer or a log, in which the service's key and any token are redacted."""
    return redacted(text, context.config.api_key)


def defect(where: str, error: Exception) -> InternalError:
    """The error for a defect in the module. Logs, on one line and without paths, what a maintainer needs."""
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
