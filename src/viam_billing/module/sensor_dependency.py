"""The billing service as another resource of the machine reaches it: through viam-server, its errors passed on.

    sensor -> dependency -> viam-server -> rpc -> service

Its own errors come back unchanged. What viam-server or the way there says instead becomes an error of the same form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
from google.protobuf.struct_pb2 import Struct
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from viam.proto.common import DoCommandRequest, DoCommandResponse, GetStatusRequest, GetStatusResponse

from viam_billing.core.error_codes import is_of_contract
from viam_billing.core.errors import (
    BillingError,
    CloudRateLimitedError,
    CloudTimeoutError,
    CloudUnreachableError,
    InvalidRequestError,
    NotConfiguredError,
    quoted,
)
from viam_billing.module import codec
from viam_billing.version import BILLING_MODEL

if TYPE_CHECKING:
    from viam_billing.core.times import Deadline

_WORTH_TRYING_AGAIN: Final[Mapping[Status, type[BillingError]]] = {
    Status.UNAVAILABLE: CloudUnreachableError,
    Status.CANCELLED: CloudUnreachableError,
    Status.DEADLINE_EXCEEDED: CloudTimeoutError,
    Status.RESOURCE_EXHAUSTED: CloudRateLimitedError,
}
"""What viam-server says for itself, of a module that starts, is slow or has too many calls in flight."""

_WHAT_TO_DO: Final = f"Set the sensor's attribute service to the name of a generic service of model {BILLING_MODEL}."

Shape = TypeVar("Shape", bound=msgspec.Struct)
Response = TypeVar("Response", DoCommandResponse, GetStatusResponse)


class Client(Protocol):
    """The SDK's client of a generic service.

    Its `do_command` is passed by, as it turns UNIMPLEMENTED into a NotImplementedError without the message. `client`
    becomes another stub when the connection to viam-server is made anew, so it is not kept.
    """

    name: str
    client: Any  # the generated stub, whose callables have no narrower type


class BillingDependency:
    """Asks one billing service, each question in a time of its own."""

    def __init__(self, client: Client, shown_name: str) -> None:
        self._client = client
        self._shown_name = shown_name

    async def ask(self, shape: type[Shape], deadline: Deadline, command: str, **parameters: str | float) -> Shape:
        """The answer of a command.

        Raises:
            GRPCError: the service's own error.
            BillingError: the service was not reached, or what answered is none.
        """
        request = DoCommandRequest(name=self._client.name, command=Struct())
        request.command.update({"command": command, **parameters})
        call = self._client.client.DoCommand(request, timeout=deadline.remaining_s())
        return self._read(shape, await self._answer(call))

    async def status(self, shape: type[Shape], deadline: Deadline) -> Shape:
        """What its `get_status` answers. Raises: as `ask`."""
        request = GetStatusRequest(name=self._client.name)
        call = self._client.client.GetStatus(request, timeout=deadline.remaining_s())
        return self._read(shape, await self._answer(call))

    async def _answer(self, call: Awaitable[Response]) -> Response:
        name = quoted(self._shown_name)
        try:
            return await call
        except GRPCError as error:
            if is_of_contract(error.status, error.message):
                raise
            raise self._without_service(error) from None
        except asyncio.TimeoutError:
            raise CloudTimeoutError(f"the service {name} did not answer in time. Try again later.") from None
        except (OSError, StreamTerminatedError):
            raise CloudUnreachableError(
                f"the connection to viam-server was lost on the way to the service {name}. Try again later."
            ) from None

    def _without_service(self, error: GRPCError) -> BillingError:
        name, words = quoted(self._shown_name), f"({error.status.name}: {quoted(error.message or '')})"
        kind = _WORTH_TRYING_AGAIN.get(error.status)
        if kind is not None:
            return kind(f"viam-server has no answer of the service {name} now {words}. Try again later.")
        return NotConfiguredError(f"no billing service answers as {name} {words}. {_WHAT_TO_DO}")

    def _read(self, shape: type[Shape], response: DoCommandResponse | GetStatusResponse) -> Shape:
        try:
            return msgspec.convert(codec.from_struct(response.result), shape)
        except (msgspec.ValidationError, InvalidRequestError):
            name = quoted(self._shown_name)
            raise NotConfiguredError(f"what answers as {name} is no billing service. {_WHAT_TO_DO}") from None
