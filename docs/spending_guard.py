"""A module that says whether the machine's location may go on spending, by asking the billing service of the machine.

Its service takes {"may_spend": {}} and answers {"go_on": true or false, "why": "..."}. It needs `viam-billing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from typing_extensions import Self
from viam.module.module import Module
from viam.proto.app.robot import ComponentConfig
from viam.proto.common import ResourceName
from viam.resource.base import ResourceBase
from viam.resource.easy_resource import EasyResource
from viam.resource.types import Model
from viam.services.generic import Generic
from viam.utils import struct_to_dict

from viam_billing_client import Billing, BillingError, MachineError


class SpendingGuard(Generic, EasyResource):
    """Attributes: `billing`, the name of the billing service; `most`, dollars that a month may cost."""

    MODEL: ClassVar[Model] = Model.from_string("example:spending:guard")
    billing: Billing
    most: float

    @classmethod
    def validate_config(cls, config: ComponentConfig) -> tuple[Sequence[str], Sequence[str]]:
        """Both attributes are needed; the billing service has to be there before this one."""
        attributes = struct_to_dict(config.attributes)
        name, most = attributes.get("billing"), attributes.get("most")
        if isinstance(name, str) and isinstance(most, (int, float)):
            return [str(Generic.get_resource_name(name))], []
        raise ValueError('expected {"billing": "NAME OF THE SERVICE", "most": DOLLARS}')

    @classmethod
    def new(cls, config: ComponentConfig, dependencies: Mapping[ResourceName, ResourceBase]) -> Self:
        """Take the billing service out of the dependencies."""
        attributes = struct_to_dict(config.attributes)
        self = cls(config.name)
        service = dependencies[Generic.get_resource_name(str(attributes["billing"]))]
        self.billing = Billing.from_resource(cast("Generic", service))
        self.most = float(str(attributes["most"]))
        return self

    async def do_command(
        self, command: Mapping[str, Any], *, timeout: float | None = None, **_: object
    ) -> Mapping[str, Any]:
        """Answer {"may_spend": {}}."""
        if "may_spend" not in command:
            raise ValueError('expected {"may_spend": {}}')
        try:
            usage = await self.billing.get_location_usage(timeout=timeout or 10)
        except (BillingError, MachineError) as error:
            return {"go_on": True, "why": f"not known: {error}"}
        if usage.stale:
            return {"go_on": True, "why": f"not known since {usage.as_of}"}
        return {"go_on": usage.month_to_date < self.most, "why": f"{usage.month_to_date} of {self.most} dollars"}


if __name__ == "__main__":
    asyncio.run(Module.run_from_registry())
