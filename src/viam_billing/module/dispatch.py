"""Answers one request: parse it, permit it, run its command; attempts to change something are audited."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import traceback
from typing import Final

from google.protobuf.struct_pb2 import Struct
from grpclib.exceptions import GRPCError
from msgspec import UNSET, structs
from viam import logging

from viam_billing.cache.readings import Call
from viam_billing.commands.context import Answer, Context
from viam_billing.commands.meta import unknown_command
from viam_billing.core import errors
from viam_billing.core.errors import BillingError, Outcome, quoted
from viam_billing.core.secrets import Secrets
from viam_billing.core.times import Deadline
from viam_billing.module import codec
from viam_billing.settings import records
from viam_billing.settings.answers import Passed
from viam_billing.settings.policy import not_allowed

LOGGER: Final = logging.getLogger(__name__)

_AUDITED: Final = frozenset({"notify", "change", "charge", "by_name"})


async def answer(command: Struct, context: Context, timeout_s: float | None) -> Answer:
    """The answer to a request, in which records may be; `codec.fill` and `msgspec.to_builtins` make them plain.

    `timeout_s` is what is left of the caller's time, None if it has no deadline.

    Raises: BillingError: in every case that is not an answer.
    """
    if context.api_key is not None:
        with contextlib.suppress(errors.NotConfiguredError):
            await context.api_key.read()  # a key that is in a file is to be known before it is met in a request
    request = codec.parse(command, context.secrets)
    row = context.commands.get(request.name)
    if row is None:
        raise unknown_command(request.name, context.commands)
    parameters = request.parameters
    call = Call(Deadline(context.config.timeout_s, timeout_s), Deadline(math.inf, timeout_s))
    task = asyncio.current_task()
    permitted = context.policy.allows(row.name, row.effect)
    context.in_flight.add(task)
    try:
        async with contextlib.AsyncExitStack() as audited:
            try:
                if row.effect in _AUDITED:
                    sync = row.effect == "change"  # e-mails and charges sync their own record before they are sent
                    attempt = context.audit_log.attempt(row.name, parameters, permitted=permitted, sync=sync)
                    call.begin = await audited.enter_async_context(attempt)
                typed = records.read(row.parameters, parameters, "parameter")
                if not permitted:
                    raise not_allowed(row.name, row.effect)  # noqa: TRY301 - audited as a command's own errors are
                result = await row.run(typed, context, call)
            except records.InvalidRecordError as error:
                help_ = f'{{"help": {{"name": "{row.name}"}}}}'
                raise errors.InvalidRequestError(f"{error}. {help_} shows what it takes.") from None
            except asyncio.TimeoutError:
                why = f"{row.name} was not done in time. Try again later."
                raise errors.CloudTimeoutError(why, Outcome.UNKNOWN) from None
            except BillingError:
                raise
            except Exception as error:
                raise _defect(row.name, error, context.secrets) from error
            except asyncio.CancelledError as error:
                by_caller = not context.access.closed or task is None or task not in context.in_flight
                by_caller = by_caller or (sys.version_info >= (3, 11) and task.uncancel() > 0)
                raise (error if by_caller else errors.service_closed()) from None
    finally:
        context.in_flight.discard(task)
    cloud, made = (result.cloud, result.added) if isinstance(result, Passed) else ({}, result)
    fields = {**cloud, **{name: value for name, value in structs.asdict(made).items() if value is not UNSET}}
    return {row.name: fields} if request.nested else fields


def grpc_error(where: str, error: Exception, secrets: Secrets | None = None) -> GRPCError:
    """What a caller of `where` is told of an error, without secrets."""
    secrets = secrets or Secrets()
    told = error if isinstance(error, BillingError) else _defect(where, error, secrets)
    return GRPCError(told.status, type(told)(secrets.redact(told.text)).message)


def _defect(where: str, error: Exception, secrets: Secrets) -> errors.InternalError:
    """The error for a defect in the module. Logs, on one line and without paths, what a maintainer needs."""
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in frames]
    kind = type(error).__name__
    LOGGER.error(
        "defect in %s: %s: %s (at %s)", where, kind, quoted(secrets.redact(str(error))), " < ".join(places[::-1][:6])
    )
    told = f"the module has a defect in {where} ({kind}). Please report it with the log."
    return errors.InternalError(told, Outcome.UNKNOWN)
