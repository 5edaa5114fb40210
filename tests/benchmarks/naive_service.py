"""What a module author writes first: every `do_command` makes a ViamClient of its own and asks the cloud.

python -I tests/benchmarks/naive_service.py SOCKET
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from google.protobuf.json_format import MessageToDict
from viam.app.viam_client import ViamClient
from viam.module.module import Module
from viam.proto.app.billing import BillingServiceStub, GetLocationBillingOrganizationRequest
from viam.resource.easy_resource import EasyResource
from viam.resource.types import Model
from viam.rpc.dial import DialOptions
from viam.services.generic import Generic
from viam.utils import ValueTypes, struct_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self
    from viam.proto.app.robot import ComponentConfig
    from viam.proto.common import ResourceName
    from viam.resource.base import ResourceBase


class NaiveService(Generic, EasyResource):  # type: ignore[misc, no-untyped-call] # the SDK's own way
    """Who pays for a location and what that organization has cost, asked anew each time."""

    MODEL: ClassVar[Model] = Model.from_string("viam-billing:bench:naive")
    attributes: Mapping[str, Any]

    @classmethod
    def new(cls, config: ComponentConfig, dependencies: Mapping[ResourceName, ResourceBase]) -> Self:  # noqa: ARG003 - the SDK's signature
        """Keep the attributes, which are those of the real service."""
        service = cls(config.name)
        service.attributes = struct_to_dict(config.attributes)
        return service

    async def do_command(
        self,
        command: Mapping[str, ValueTypes],  # noqa: ARG002 - the SDK's signature
        *,
        timeout: float | None = None,  # noqa: ARG002 - the same
        **_: Any,  # noqa: ANN401 - the same
    ) -> Mapping[str, ValueTypes]:
        """Connect, log in, ask who pays, ask what it cost, hang up."""
        options = DialOptions.with_api_key(self.attributes["api_key"], self.attributes["api_key_id"])
        options.insecure = True
        client = await ViamClient.create_from_dial_options(options, app_url=self.attributes["app_address"])
        try:
            billing = client.billing_client
            # BillingClient has no method for this call; its channel and its token serve the generated stub.
            stub = BillingServiceStub(billing._channel)  # noqa: SLF001 - there is no public way
            request = GetLocationBillingOrganizationRequest(location_id=self.attributes["location_id"])
            payer = await stub.GetLocationBillingOrganization(request, metadata=billing._metadata)  # noqa: SLF001 - see above
            usage = await billing.get_current_month_usage(payer.billing_organization_id)
            return {
                "location_id": self.attributes["location_id"],
                "billing_organization_id": payer.billing_organization_id,
                **MessageToDict(usage, preserving_proto_field_name=True),
            }
        finally:
            client.close()


if __name__ == "__main__":
    asyncio.run(Module.run_from_registry())  # type: ignore[no-untyped-call] # the SDK's
