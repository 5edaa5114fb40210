"""The generic service `billing`: Viam's side of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from grpclib.exceptions import GRPCError
from typing_extensions import Self
from viam.errors import ValidationError
from viam.proto.common import DoCommandResponse
from viam.resource.registry import Registry, ResourceCreatorRegistration
from viam.resource.types import Model, ModelFamily
from viam.services.generic import Generic
from viam.utils import ValueTypes

from viam_billing.commands import EFFECTS
from viam_billing.core.errors import BillingError, InvalidRequestError
from viam_billing.module import codec, dispatch
from viam_billing.module.container import Container
from viam_billing.settings.attributes import Config, ConfigError, parse_attributes
from viam_billing.version import MODULE_NAME, NAMESPACE

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct
    from viam.proto.app.robot import ComponentConfig
    from viam.proto.common import ResourceName
    from viam.resource.base import ResourceBase

    from viam_billing.commands.context import Context
    from viam_billing.module.shared import Shared


class BillingService(Generic):
    """Answers billing questions. Holds nothing that must outlive it: reconfiguring is `close()` and `new()`."""

    MODEL: ClassVar[Model] = Model(ModelFamily(NAMESPACE, MODULE_NAME), "billing")

    def __init__(self, name: str, container: Container) -> None:
        super().__init__(name)
        self._container = container

    @classmethod
    def validate_config(cls, config: ComponentConfig) -> tuple[Sequence[str], Sequence[str]]:
        """Raises: ValidationError: with every error of the attributes."""
        _parsed(config)
        return [], []

    @classmethod
    def new(
        cls,
        config: ComponentConfig,
        dependencies: Mapping[ResourceName, ResourceBase],  # noqa: ARG003 - the SDK's signature
        shared: Shared,
    ) -> Self:
        """Make the service. No connection yet: the cloud may be away when a robot starts."""
        return cls(config.name, Container(_parsed(config), shared, config.name))

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
        return await self._guarded(lambda: codec.from_python(command), timeout)

    async def respond(self, command: Struct, timeout_s: float | None) -> DoCommandResponse:
        """The same for a request as it came over the wire, in which null can be told from 0."""
        answer = await self._guarded(lambda: codec.from_struct(command), timeout_s)
        response = DoCommandResponse()
        size_bytes = response.ByteSize() if await codec.fill(response.result, answer) else 0
        if size_bytes > codec.LARGEST_BYTES:
            raise _grpc_error(codec.too_large(), self._container.context)
        return response

    async def _guarded(self, native: Callable[[], dict[str, object]], timeout_s: float | None) -> Mapping[str, Any]:
        """The one place where the module's errors become gRPC's."""
        context = self._container.context
        try:
            return await dispatch.answer(native(), context, timeout_s)
        except BillingError as error:
            raise _grpc_error(error, context) from None
        except Exception as error:  # noqa: BLE001 - every input ends in an answer or in one of the contract's errors
            raise _grpc_error(dispatch.defect("do_command", error), context) from None

    async def get_status(self, **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401 - the SDK's signature
        """Counters and versions, from memory."""
        status = await self._container.status()
        if "last_error" in status:
            status["last_error"] = dispatch.without_secrets(status["last_error"], self._container.context)
        return status

    async def close(self) -> None:
        """Let go of connection and files. May be called twice."""
        await self._container.close()


def register(shared: Shared) -> None:
    """Make the model known to the SDK. `shared` is what the services of this process share."""
    creator = ResourceCreatorRegistration(partial(BillingService.new, shared=shared), BillingService.validate_config)
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
