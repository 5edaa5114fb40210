"""The sensor's client of the billing service: asks it through viam-server and reads its answers strictly.

    sensor -> client -> viam-server -> RPC handler -> service

Errors of the service come back unchanged. Other errors, of viam-server or on the way there, get the same form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from google.protobuf.struct_pb2 import Struct
from grpclib.const import Status as GRPCStatus
from grpclib.exceptions import GRPCError, StreamTerminatedError
from msgspec import Meta
from viam.proto.common import DoCommandRequest, GetStatusRequest

from viam_billing.core import errors
from viam_billing.core.errors import BillingError, quoted
from viam_billing.core.times import Deadline
from viam_billing.module import codec
from viam_billing.version import BILLING_MODEL

_TRY_AGAIN: Final[Mapping[GRPCStatus, type[BillingError]]] = {
    GRPCStatus.UNAVAILABLE: errors.CloudUnreachableError,
    GRPCStatus.CANCELLED: errors.CloudUnreachableError,
    GRPCStatus.DEADLINE_EXCEEDED: errors.CloudTimeoutError,
    GRPCStatus.RESOURCE_EXHAUSTED: errors.CloudRateLimitedError,
}
"""What viam-server itself answers while a module starts, is slow, or has too many calls in flight."""

_WHAT_TO_DO: Final = f"Set the sensor's attribute service to the name of a generic service of model {BILLING_MODEL}."

Shape = TypeVar("Shape", bound=msgspec.Struct)
Moment = Annotated[datetime, Meta(tz=True)]


class Projection(msgspec.Struct, frozen=True):
    """As below, of the answer's `projection`."""

    total: float
    low: float | None = None
    high: float | None = None


class Budget(msgspec.Struct, frozen=True):
    """As below, of the answer's `budget`."""

    used_fraction: float


class Usage(msgspec.Struct, frozen=True):
    """The part of an answer of `get_location_usage` that the sensor uses."""

    location_id: str
    billing_organization_id: str
    month_to_date: float
    cost_by_type: dict[str, float]
    as_of: Moment
    stale: bool
    projection: Projection | None = None
    budget: Budget | None = None


class Invoices(msgspec.Struct, frozen=True):
    """The part of an answer of `get_invoices_summary` that the sensor uses."""

    outstanding_balance: float
    overdue_count: int
    as_of: Moment
    stale: bool


class Status(msgspec.Struct, frozen=True):
    """The part of `get_status` that the sensor uses; without figures where the journal cannot be read."""

    version: str
    unknown_charges: int | None = None
    charged_last_24h: float | None = None


class ServiceClient:
    """Asks one billing service, which errors call `shown_name`; `resource` is the SDK's client of it.

    The client's `do_command` is not used: it turns UNIMPLEMENTED into a NotImplementedError without the message. Its
    stub is replaced when the connection to viam-server is, so it is not kept.
    """

    def __init__(self, resource: Any, shown_name: str) -> None:  # noqa: ANN401 - its stub's methods are not typed
        self._resource = resource
        self._shown_name = quoted(shown_name)

    async def ask(
        self, shape: type[Shape], deadline: Deadline, command: str | None, **parameters: str | float
    ) -> Shape:
        """The answer to a command; without one, to the service's `get_status`.

        Raises: GRPCError: the service's own error; BillingError: the service was not reached, or something else
        answered.
        """
        name, stub = self._shown_name, self._resource.client
        request: DoCommandRequest | GetStatusRequest = GetStatusRequest(name=self._resource.name)
        if command is not None:
            request = DoCommandRequest(name=self._resource.name, command=Struct())
            request.command.update({"command": command, **parameters})
        send = stub.GetStatus if command is None else stub.DoCommand
        try:
            answer = await send(request, timeout=deadline.remaining_s())
            return msgspec.convert(codec.from_struct(answer.result), shape)
        except (msgspec.ValidationError, errors.InvalidRequestError):
            raise errors.NotConfiguredError(f"what answers as {name} is no billing service. {_WHAT_TO_DO}") from None
        except GRPCError as error:
            if errors.is_billing_error(error.status, error.message):
                raise
            words = f"({error.status.name}: {quoted(error.message or '')})"
            if error.status in _TRY_AGAIN:
                text = f"viam-server has no answer of the service {name} now {words}. Try again later."
                raise _TRY_AGAIN[error.status](text) from None
            raise errors.NotConfiguredError(f"no billing service answers as {name} {words}. {_WHAT_TO_DO}") from None
        except asyncio.TimeoutError:
            raise errors.CloudTimeoutError(f"the service {name} did not answer in time. Try again later.") from None
        except (OSError, StreamTerminatedError):
            raise errors.CloudUnreachableError(
                f"the connection to viam-server was lost on the way to the service {name}. Try again later."
            ) from None
