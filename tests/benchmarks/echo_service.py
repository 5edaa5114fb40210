"""The floor to measure against: the bare SDK's module, whose generic service answers what its attributes say.

python -I tests/benchmarks/echo_service.py SOCKET
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from viam.module.module import Module
from viam.resource.easy_resource import EasyResource
from viam.resource.types import Model
from viam.services.generic import Generic
from viam.utils import ValueTypes, struct_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self
    from viam.proto.app.robot import ComponentConfig
    from viam.proto.common import ResourceName
    from viam.resource.base import ResourceBase


class EchoService(Generic, EasyResource):  # type: ignore[misc, no-untyped-call] # the SDK's own way
    """Has its answer ready, as a dict: what the SDK does with that is what is measured."""

    MODEL: ClassVar[Model] = Model.from_string("viam-billing:bench:echo")
    answer: Mapping[str, ValueTypes]

    @classmethod
    def new(cls, config: ComponentConfig, dependencies: Mapping[ResourceName, ResourceBase]) -> Self:  # noqa: ARG003 - the SDK's signature
        """Keep the attributes as the answer."""
        service = cls(config.name)
        service.answer = struct_to_dict(config.attributes)
        return service

    async def do_command(
        self,
        command: Mapping[str, ValueTypes],  # noqa: ARG002 - the SDK's signature
        *,
        timeout: float | None = None,  # noqa: ARG002 - the same
        **_: Any,  # noqa: ANN401 - the same
    ) -> Mapping[str, ValueTypes]:
        """Answer."""
        return self.answer


if __name__ == "__main__":
    asyncio.run(Module.run_from_registry())  # type: ignore[no-untyped-call] # the SDK's
