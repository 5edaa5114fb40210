"""What has happened on the machine before somebody looks: charges, refused attempts, an outage."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from viam.gen.common.v1 import common_pb2

from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.machine.scenes import ALDER_ID, HARBOR_ID
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viam_billing_sandbox.machine.module import Module
    from viam_billing_sandbox.machine.scenes import Scene

DO_COMMAND: Final = "/viam.service.generic.v1.GenericService/DoCommand"
_CALL_S: Final = 60.0
_RPC: Final = "ChargeOrganization"
_CHARGES: Final = (("job-000118", 24.5, "Cleaning, hall 2"), ("job-000119", 18.0, "Cleaning, hall 3"))
_TWO_INVOICES: Final = 36.75
_ASKED: Final[tuple[Mapping[str, object], ...]] = (
    {"get_location_usage": {}},
    {"get_fleet_usage": {}},
    {"check_budget": {}},
    {"get_invoices_summary": {}},
    {"get_org_billing_information": {}},
    {"get_location_billing_organization": {}},
    {"get_available_billing_tiers": {}},
    {"compare_usage": {}},
)


class FirstSteps:
    """Takes the steps of a scene, through the module and the sandbox's control."""

    def __init__(self, module: Module, service: str, control_address: str) -> None:
        self._module = module
        self._service = service
        self._control_address = control_address

    async def take(self, scene: Scene) -> None:
        """Does what belongs to the scene; a step that the service's attributes do not allow is left out."""
        with SandboxControl(self._control_address) as control:
            if {ALDER_ID, HARBOR_ID} <= scene.scenario.organizations.keys():
                await self._charges()
            if scene.name == "unknown-charge":
                await self._unknown_charges(control)
            if scene.name == "cloud-away":
                for request in _ASKED:
                    await self.ask(request)
                await asyncio.to_thread(control.go_dark)

    async def ask(self, request: Mapping[str, object]) -> dict[str, Any] | None:
        """Returns the answer to a command; None where the module refuses."""
        message = common_pb2.DoCommandRequest(name=self._service, command=_struct(request))
        with contextlib.suppress(grpc.aio.AioRpcError):
            answer = await self._module.call(DO_COMMAND, message.SerializeToString(), _CALL_S)
            return MessageToDict(common_pb2.DoCommandResponse.FromString(answer).result)
        return None

    async def _charge(self, org_id: str, key: str, subtotal: float, description: str) -> None:
        parameters = {"org_id_to_charge": org_id, "subtotal": subtotal, "description": description}
        await self.ask({"charge_organization": {**parameters, "idempotency_key": key}})

    async def _charges(self) -> None:
        for key, subtotal, description in _CHARGES:
            await self._charge(ALDER_ID, key, subtotal, description)
        # refused, for the audit log: above the limit, and not allowed
        await self._charge(ALDER_ID, "job-000120", 5000.0, "Cleaning, all halls")
        await self.ask({"update_location_billing_organization": {
            "location_id": "alderbarn1", "billing_organization_id": DEFAULT_ORG_ID,
        }})  # fmt: skip

    async def _unknown_charges(self, control: SandboxControl) -> None:
        """One charge that the cloud never made, and one that may be either of two invoices of the same amount."""
        await asyncio.to_thread(control.set_fault, Fault(_RPC, drop_connection=True, count=1))
        await self._charge(HARBOR_ID, "job-000121", 42.0, "Crane inspection")
        await asyncio.to_thread(control.set_fault, Fault(_RPC, drop_connection=True, when="after", count=1))
        await self._charge(ALDER_ID, "job-000122", _TWO_INVOICES, "Cleaning, hall 4")
        other = {"id": "AF-by-hand", "amount": _TWO_INVOICES, "hours_ago": 0.0, "description": "Charged by hand"}
        await asyncio.to_thread(lambda: control.patch_organization(ALDER_ID, add_invoices=[other]))
        await self.ask({"reconcile_charges": {}})


def _struct(values: Mapping[str, Any]) -> Struct:
    message = Struct()
    message.update(json.loads(json.dumps(values)))
    return message
