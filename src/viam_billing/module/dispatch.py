"""Answers one request: parse it, permit it, run its command; attempts to change something are audited."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct
from viam import logging

from viam_billing.cache.readings import Call
from viam_billing.commands.context import Answer, Context
from viam_billing.commands.meta import unknown_command
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, quoted
from viam_billing.core.times import Deadline
from viam_billing.module import codec
from viam_billing.settings import records
from viam_billing.settings.policy import not_allowed

LOGGER: Final = logging.getLogger(__name__)

_AUDITED: Final = frozenset({"notify", "change", "charge", "by_name"})


async def answer(command: Struct, context: Context, timeout_s: float | None) -> Answer:
    """The answer to a request; `timeout_s` is what is left of the caller's time, None if it has no deadline.

    Raises: BillingError: in every case that is not an answer.
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
    task = asyncio.current_task() if row.effect not in _AUDITED else None
    permitted = context.policy.allows(row.name, row.effect)
    attempt: contextlib.AbstractAsyncContextManager[None] = contextlib.nullcontext()
    if task is not None:
        context.reading.add(task)
    else:
        sync = row.effect == "change"  # e-mails and charges sync their own record before they are sent
        attempt = context.audit_log.attempt(row.name, parameters, permitted=permitted, sync=sync)
    try:
        async with attempt:
            try:
                typed = records.read(row.parameters, parameters, "parameter")
                if not permitted:
                    raise not_allowed(row.name, row.effect)  # noqa: TRY301 - audited as a command's own errors are
                result = await row.run(typed, context, call)
            except records.InvalidRecordError as error:
                help_ = f'{{"help": {{"name": "{row.name}"}}}}'
                raise errors.InvalidRequestError(f"{error}. {help_} shows what it takes.") from None
            except asyncio.TimeoutError:
                raise errors.CloudTimeoutError(f"{row.name} was not done in time. Try again later.") from None
            except BillingError:
                raise
            except Exception as error:
                raise defect(row.name, error) from error
    except asyncio.CancelledError as error:
        raise _closed_or_cancelled(task, context, error) from None
    finally:
        context.reading.discard(task)
    return {row.name: result} if request.nested else result


def _closed_or_cancelled(
    task: asyncio.Task[Any] | None, context: Context, error: asyncio.CancelledError
) -> BaseException:
    """What a cancelled request ends with: `service_closed` if closing the service did it, not the caller."""
    if task is None or task in context.reading or (sys.version_info >= (3, 11) and task.uncancel()):
        return error
    return errors.service_closed()


def _without_key(parameters: Mapping[str, object], context: Context) -> dict[str, object]:
    """Parameters in which the key is redacted before an error, a log or an audit entry can quote a part of it."""
    return {
        without_secrets(name, context): without_secrets(value, context) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def without_secrets(text: str, context: Context) -> str:
    """A text for an answer or a log, in which the service's key and any token are redacted."""
    return errors.redacted(text, context.config.api_key)


def defect(where: str, error: Exception) -> errors.InternalError:
    """The error for a defect in the module. Logs, on one line and without paths, what a maintainer needs."""
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in frames]
    kind = type(error).__name__
    LOGGER.error("defect in %s: %s: %s (at %s)", where, kind, quoted(str(error)), " < ".join(places[::-1][:6]))
    return errors.InternalError(f"the module has a defect in {where} ({kind}). Please report it with the log.")
