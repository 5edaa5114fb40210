"""Answers one request: parse it, permit it, run its command; attempts to change something are audited."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
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
from viam_billing.core.times import Deadline
from viam_billing.module import codec
from viam_billing.settings import records
from viam_billing.settings.policy import not_allowed

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

    from viam_billing.commands.context import Answer, Command, Context

LOGGER: Final = logging.getLogger(__name__)

_AUDITED: Final = frozenset({"notify", "change", "charge", "by_name"})
_SHOWN_PARAMETERS: Final = 10


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
    if context.config.api_key is not None and context.config.api_key in str(parameters):
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


@contextlib.asynccontextmanager
async def _audited(row: Command, parameters: Mapping[str, object], context: Context) -> AsyncIterator[None]:
    """Write an attempt to the audit log before it is made, and how it ended after it."""
    number = await _begin_attempt(row, parameters, context)
    code: str | None = "cancelled"
    try:
        yield
        code = None
    except BillingError as error:
        code = error.code
        raise
    finally:
        if number is not None:
            permitted = context.policy.allows(row.name, row.effect)
            allowed = permitted and code not in {CommandNotAllowedError.code, OutOfScopeError.code}
            _end_attempt(number, code, context, allowed=allowed)


async def _begin_attempt(row: Command, parameters: Mapping[str, object], context: Context) -> int | None:
    """The number of a new audit entry; None if it cannot be written.

    A change goes on without its entry, which the module's log then has. An e-mail or a charge does not, as it needs
    the folder for its own record.
    """
    allowed = context.policy.allows(row.name, row.effect)
    synced = row.effect == "change"  # e-mails and charges sync their own record before they are sent
    try:
        return await context.state.begin_attempt(row.name, parameters, allowed=allowed, synced=synced)
    except StateUnavailableError as error:
        names = list(parameters)[:_SHOWN_PARAMETERS]
        shown = ", ".join(f"{quoted(name)}: {quoted(parameters[name])}" for name in names)
        LOGGER.warning("attempt of %s (%s) is not in the audit log: %s", row.name, shown, error.text)
        return None


def _end_attempt(number: int, code: str | None, context: Context, *, allowed: bool) -> None:
    """Complete an audit entry in the background: the answer does not wait for it."""

    def log_failure(ending: asyncio.Future[None]) -> None:
        error = None if ending.cancelled() else ending.exception()
        if isinstance(error, StateUnavailableError):
            warn(error)

    def warn(error: StateUnavailableError) -> None:
        LOGGER.warning("the end (%s) of audit entry %d is not in the audit log: %s", code or "done", number, error.text)

    try:
        context.state.end_attempt(number, code, allowed=allowed).add_done_callback(log_failure)
    except StateUnavailableError as error:
        warn(error)


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
