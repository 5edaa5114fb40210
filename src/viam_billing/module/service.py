"""The generic service `billing` and the RPC handler that serves it in place of the SDK's.

The SDK's handler reads null as 0 and converts an answer value by value, which takes twenty times as long. Nothing else
in the SDK's registry is replaced; a test holds this handler to answer as the SDK's would.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import grpclib.server
import msgspec
from grpclib.server import Stream
from typing_extensions import Self
from viam.errors import ValidationError
from viam.proto.app.robot import ComponentConfig
from viam.proto.common import DoCommandRequest, DoCommandResponse, ResourceName
from viam.resource.base import ResourceBase
from viam.resource.registry import Registry, ResourceCreatorRegistration
from viam.resource.types import Model, ModelFamily
from viam.services.generic import Generic
from viam.services.generic.service import GenericRPCService
from viam.utils import ValueTypes

from viam_billing.commands import EFFECTS
from viam_billing.core.errors import InvalidRequestError, ResultTooLargeError
from viam_billing.module import codec, dispatch
from viam_billing.module.container import Container
from viam_billing.module.shared import Shared
from viam_billing.settings.attributes import Config, parse_attributes
from viam_billing.settings.records import InvalidRecordError
from viam_billing.version import MODULE_NAME, NAMESPACE


class BillingService(Generic):
    """Answers billing questions. Holds nothing that must outlive it: reconfiguring is `close()` and `new()`."""

    MODEL: ClassVar[Model] = Model(ModelFamily(NAMESPACE, MODULE_NAME), "billing")

    def __init__(self, name: str, container: Container) -> None:
        super().__init__(name)
        self._container = container
        self.context = container.context

    @classmethod
    def validate_config(cls, config: ComponentConfig) -> tuple[Sequence[str], Sequence[str]]:
        """Check the attributes; no dependencies. Raises: ValidationError: with every error."""
        _parsed(config)
        return [], []

    @classmethod
    def new(
        cls,
        config: ComponentConfig,
        dependencies: Mapping[ResourceName, ResourceBase],  # noqa: ARG003 - the SDK's signature
        shared: Shared,
    ) -> Self:
        """Make the service. Does not connect: the cloud may be away when a robot starts."""
        return cls(config.name, Container(_parsed(config), shared, config.name))

    async def do_command(
        self,
        command: Mapping[str, ValueTypes],
        *,
        timeout: float | None = None,
        **_: Any,  # noqa: ANN401 - the SDK's signature
    ) -> Mapping[str, ValueTypes]:
        """Answer a command made in Python; requests of other processes come to `BillingRPCService`.

        Raises: GRPCError: with a code of the contract, its status, and what to do.
        """
        try:
            answer = await dispatch.answer(codec.to_struct(command), self.context, timeout)
            plain: dict[str, ValueTypes] = msgspec.to_builtins(answer)
        except Exception as error:  # noqa: BLE001 - every request ends in an answer or in an error of the contract
            raise dispatch.grpc_error("do_command", error, self.context.secrets) from None
        return plain

    async def get_status(self, **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401 - the SDK's signature
        """Versions and counters, without a call to the cloud."""
        try:
            status: dict[str, ValueTypes] = msgspec.to_builtins(await self._container.status())
        except Exception as error:  # noqa: BLE001 - as above
            raise dispatch.grpc_error("get_status", error, self.context.secrets) from None
        return status

    async def close(self) -> None:
        """Close connection and files. May be called twice."""
        await self._container.close()


class BillingRPCService(GenericRPCService):
    """Serves all generic services of this module, as Structs from request to answer.

    The SDK's handler looks a resource up by its name alone, and would find a sensor of the same name.
    """

    RESOURCE_TYPE = BillingService  # type: ignore[assignment] # the SDK's class does not say that it may be narrower

    async def DoCommand(self, stream: Stream[DoCommandRequest, DoCommandResponse]) -> None:  # noqa: N802 - the RPC's name
        """Answer one command. Raises: GRPCError: with a code of the contract, its status, and what to do."""
        request = await stream.recv_message()
        assert request is not None  # noqa: S101 - see `codec.receive`
        service: BillingService = self.get_resource(request.name)
        timeout_s = stream.deadline.time_remaining() if stream.deadline else None
        response = DoCommandResponse()
        try:
            answering = dispatch.answer(request.command, service.context, timeout_s)
            has_lists = await codec.fill(response.result, await answering)  # a PDF is not kept beside the response
            if has_lists and response.ByteSize() > codec.LARGEST_ANSWER_BYTES:
                raise ResultTooLargeError(  # noqa: TRY301 - its status is set below, as for every other error
                    f"the answer would have more than {codec.LARGEST_ANSWER_BYTES // 2**20} MiB. "
                    "Ask for less: a fleet in parts with location_ids, a list with limit or since."
                )
        except Exception as error:  # noqa: BLE001 - every request ends in an answer or in an error of the contract
            raise dispatch.grpc_error("do_command", error, service.context.secrets) from None
        await stream.send_message(response)


def register(shared: Shared) -> None:
    """Register the model, and the handler of generic services, with the SDK. Call it before the Module is made.

    All requests to the process, whatever their RPC, are received by `codec.receive` from now on.
    """
    creator = ResourceCreatorRegistration(partial(BillingService.new, shared=shared), BillingService.validate_config)
    Registry.register_resource_creator(BillingService.API, BillingService.MODEL, creator)
    Registry.lookup_api(Generic.API).rpc_service = BillingRPCService
    grpclib.server.recv_message = codec.receive


def _parsed(config: ComponentConfig) -> Config:
    """Raises: ValidationError: its text stands on its own, as the SDK puts a class's name before it."""
    try:
        return parse_attributes(codec.from_struct(config.attributes), os.environ, EFFECTS)
    except (InvalidRecordError, InvalidRequestError) as error:
        raise ValidationError(f"invalid configuration: {error}") from None
