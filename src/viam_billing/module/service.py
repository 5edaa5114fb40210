"""The generic service `billing`: Viam's side of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from grpclib.exceptions import GRPCError
from viam.errors import ValidationError
from viam.proto.common import DoCommandResponse
from viam.resource.registry import Registry, ResourceCreatorRegistration
from viam.resource.types import Model, ModelFamily
from viam.services.generic import Generic
from viam.utils import ValueTypes

from viam_billing.commands import EFFECTS
from viam_billing.core.errors import BillingError, InvalidRequestError
from viam_billing.module import codec, dispatch
from viam_billing.module.container import Runtime
from viam_billing.settings.attributes import Config, ConfigError, parse_attributes
from viam_billing.version import MODULE_NAME, NAMESPACE

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct
    from viam.proto.app.robot import ComponentConfig
    from viam.proto.common import ResourceName
    from viam.resource.base import ResourceBase

    from viam_billing.cache.memory import Reading
    from viam_billing.charging.registry import ChargeServices
    from viam_billing.commands.context import Context

_MOST_READY: Final = 256
_LONG_BYTES: Final = 64 * 1024
_LONGEST_REPEATED_BYTES: Final = 1024
"""Answers kept as ready messages: the questions that robots repeat are few and short."""


class _Ready(NamedTuple):
    """An answer as the message that carries it, and the readings that it was made of."""

    response: DoCommandResponse
    readings: tuple[Reading, ...]


class BillingService(Generic):
    """Answers billing questions. Holds nothing that must outlive it: reconfiguring is `close()` and `new()`."""

    MODEL: ClassVar[Model] = Model(ModelFamily(NAMESPACE, MODULE_NAME), "billing")

    def __init__(self, name: str, runtime: Runtime) -> None:
        super().__init__(name)
        self._runtime = runtime
        self._ready: dict[bytes, _Ready] = {}
        self._long = b""
        """The request whose ready message is a long one: of those that have megabytes there is one at a time."""

    @classmethod
    def validate_config(cls, config: ComponentConfig) -> tuple[Sequence[str], Sequence[str]]:
        """Raises: ValidationError: with every error of the attributes."""
        _parsed(config)
        return [], []

    async def do_command(
        self,
        command: Mapping[str, ValueTypes],
        *,
        timeout: float | None = None,
        **_: Any,  # noqa: ANN401 - the SDK's signature
    ) -> Mapping[str, ValueTypes]:
        """Answer one command.

        Raises:
            GRPCError: with a code of the contract, its status, and what to do.
        """
        answer, _readings = await self._guarded(lambda: codec.from_python(command), timeout)
        return answer

    async def respond(self, command: Struct, timeout_s: float | None) -> DoCommandResponse:
        """The same for a request as it came over the wire, in which null can be told from 0.

        A request that came before, and whose readings are still current, gets the message that was made for it then.
        """
        words = command.SerializeToString()
        ready = self._ready.get(words)
        reads = self._runtime.context.reads
        if ready is not None:
            if reads.is_current(ready.readings):
                reads.counters.hits += len(ready.readings)
                return ready.response
            del self._ready[words]
        answer, readings = await self._guarded(lambda: codec.from_struct(command), timeout_s)
        response = DoCommandResponse()
        size_bytes = response.ByteSize() if await codec.fill(response.result, answer) else 0
        if size_bytes > codec.LARGEST_BYTES:
            raise _grpc_error(codec.too_large(), self._runtime.context)
        if readings and len(words) < _LONGEST_REPEATED_BYTES and reads.is_current(readings):
            if len(self._ready) >= _MOST_READY:
                self._ready.clear()
            if size_bytes > _LONG_BYTES:
                self._ready.pop(self._long, None)
                self._long = words
            self._ready[words] = _Ready(response, readings)
        return response

    async def _guarded(
        self, native: Callable[[], dict[str, object]], timeout_s: float | None
    ) -> tuple[Mapping[str, Any], tuple[Reading, ...]]:
        """The one place where the module's errors become gRPC's."""
        context = self._runtime.context
        try:
            return await dispatch.answer(native(), context, timeout_s)
        except BillingError as error:
            raise _grpc_error(error, context) from None
        except Exception as error:  # noqa: BLE001 - every input ends in an answer or in one of the contract's errors
            raise _grpc_error(dispatch.defect("do_command", error), context) from None

    async def get_status(self, **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401 - the SDK's signature
        """Counters and versions, from memory."""
        status = await self._runtime.status()
        if "last_error" in status:
            status["last_error"] = dispatch.without_secrets(status["last_error"], self._runtime.context)
        return status

    async def close(self) -> None:
        """Let go of connection and files. May be called twice."""
        await self._runtime.close()


def register(charge_services: ChargeServices) -> None:
    """Make the model known to the SDK, its services with the charging that they share."""

    def new(config: ComponentConfig, dependencies: Mapping[ResourceName, ResourceBase]) -> BillingService:  # noqa: ARG001 - the SDK's signature
        return BillingService(config.name, Runtime(_parsed(config), charge_services, config.name))

    creator = ResourceCreatorRegistration(new, BillingService.validate_config)
    Registry.register_resource_creator(BillingService.API, BillingService.MODEL, creator)


def _parsed(config: ComponentConfig) -> Config:
    """Raises: ValidationError: its text stands on its own, as the SDK puts a class's name before it."""
    try:
        return parse_attributes(codec.from_struct(config.attributes), os.environ, EFFECTS)
    except ConfigError as error:
        raise ValidationError(str(error)) from None
    except InvalidRequestError as error:
        raise ValidationError(f"invalid configuration: {error.text}") from None


def _grpc_error(error: BillingError, context: Context) -> GRPCError:
    return GRPCError(error.status, dispatch.without_secrets(error.message, context))
