"""The sensor `usage-sensor`: what the organization that pays for a location costs, as flat readings for data capture.

    get_readings -+-> get_location_usage -> get_invoices_summary of the organization that pays
                  '-> get_status

Only the first is required; where another one fails, its readings are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from grpclib.exceptions import GRPCError
from grpclib.server import Stream
from msgspec import UNSET, Meta, Struct, UnsetType
from typing_extensions import Self
from viam import logging
from viam.components.sensor import Sensor
from viam.components.sensor.service import SensorRPCService
from viam.errors import NoCaptureToStoreError, ValidationError
from viam.proto.app.robot import ComponentConfig
from viam.proto.common import DoCommandRequest, DoCommandResponse, ResourceName
from viam.resource.base import ResourceBase
from viam.resource.registry import Registry, ResourceCreatorRegistration
from viam.resource.types import Model, ModelFamily
from viam.services.generic import Generic
from viam.utils import ValueTypes, from_dm_from_extra

from viam_billing.core import errors
from viam_billing.core.errors import BillingError, quoted
from viam_billing.core.times import Deadline, to_rfc3339
from viam_billing.module import codec
from viam_billing.module.dispatch import grpc_error
from viam_billing.module.sensor_client import Invoices, ServiceClient, Shape, Status, Usage
from viam_billing.settings import records
from viam_billing.settings.attributes import Text
from viam_billing.settings.records import InvalidRecordError, Record, given
from viam_billing.version import BILLING_MODEL, MODULE_NAME, NAMESPACE, VERSION

LOGGER: Final = logging.getLogger(__name__)

Readings: TypeAlias = "dict[str, float | str | bool]"

COST_PREFIX: Final = "cost_"

_LONGEST_S: Final = 600.0
"""viam-server's own time for a call without a deadline. How long the cloud is asked is the service's decision."""

_READINGS_OF: Final[Mapping[type[Struct], str]] = {
    Invoices: "outstanding_balance and overdue_count",
    Status: "unknown_charges and charged_last_24h",
}
"""The readings that each optional part contributes, as the log names them."""

_AWAY: Final = frozenset(kind.code for kind in errors.CloudAwayError.__subclasses__())
"""The codes of a cloud that is away. They alternate during one outage, so the log treats them as one reason."""


class SensorAttributes(Record, frozen=True, kw_only=True):
    """The attributes in the machine's configuration."""

    service: Annotated[
        str, Meta(pattern=r"^[^\s/]+$", title="the name of a generic service of this module, such as billing")
    ]
    location_id: Text | UnsetType = UNSET


class UsageSensor(Sensor):
    """Asks the billing service at each reading. It caches nothing; the service does."""

    MODEL: ClassVar[Model] = Model(ModelFamily(NAMESPACE, MODULE_NAME), "usage-sensor")

    def __init__(self, name: str, attributes: SensorAttributes, billing: ServiceClient) -> None:
        super().__init__(name)
        self._attributes = attributes
        self._billing = billing
        location_id = given(attributes.location_id)
        self._location: dict[str, str] = {"location_id": location_id} if location_id else {}
        self._left_out: dict[type[Struct], str] = {}

    @classmethod
    def validate_config(cls, config: ComponentConfig) -> tuple[Sequence[str], Sequence[str]]:
        """The billing service as a required dependency, by its full name: a component may have the same short one.

        Raises: ValidationError: with every error of the attributes.
        """
        return [str(Generic.get_resource_name(_parsed(config).service))], []

    @classmethod
    def new(cls, config: ComponentConfig, dependencies: Mapping[ResourceName, ResourceBase]) -> Self:
        """Make the sensor. Raises: GRPCError: the service is not among the dependencies."""
        attributes = _parsed(config)
        resource = _dependency(attributes.service, dependencies)
        return cls(config.name, attributes, ServiceClient(resource, attributes.service))

    async def get_readings(
        self,
        *,
        extra: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **_: Any,  # noqa: ANN401 - the SDK's signature
    ) -> Mapping[str, float | str | bool]:
        """One reading, see `flat`.

        Raises: GRPCError: with a code of the contract, its status, and what to do; NoCaptureToStoreError: data capture
        asked, and the reading is stale.
        """
        for_capture = from_dm_from_extra(dict(extra or {}))
        try:
            readings = await self._readings(Deadline(_LONGEST_S, timeout), for_capture=for_capture)
        except GRPCError:
            raise
        except Exception as error:  # noqa: BLE001 - every reading ends in readings or in an error of the contract
            raise grpc_error("get_readings", error) from None
        if for_capture and readings["stale"]:
            raise NoCaptureToStoreError
        return readings

    async def _readings(self, deadline: Deadline, *, for_capture: bool) -> Readings:
        status = asyncio.create_task(self._optional(Status, deadline, None))
        try:
            usage = await self._billing.ask(Usage, deadline, "get_location_usage", **self._location)
            payer = usage.billing_organization_id
            invoices = await self._optional(Invoices, deadline, "get_invoices_summary", org_id=payer, limit=1)
            if for_capture and invoices is not None and invoices.stale:
                invoices = None  # stale invoices must not keep fresh usage from being captured
            return flat(usage, invoices, await status)
        finally:
            status.cancel()

    async def _optional(
        self, shape: type[Shape], deadline: Deadline, command: str | None, **parameters: str | float
    ) -> Shape | None:
        """The answer, or None. Logs once for each reason that it is missing, and once that it is back."""
        name, readings = quoted(self.name), _READINGS_OF[shape]
        try:
            part = await self._billing.ask(shape, deadline, command, **parameters)
        except (GRPCError, BillingError) as error:
            code = (error.message or "").partition(": ")[0]
            reason = "the cloud is away" if code in _AWAY else code
            if self._left_out.get(shape) != reason:
                LOGGER.warning("sensor %s leaves out %s: %s", name, readings, error.message)
            self._left_out[shape] = reason
            return None
        if self._left_out.pop(shape, None) is not None:
            LOGGER.info("sensor %s has %s again", name, readings)
        return part

    async def do_command(self, command: Mapping[str, ValueTypes], **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401, ARG002 - the SDK's signature
        """Raises: GRPCError: always; the SDK's own answer would name one of its source files."""
        name = quoted(self._attributes.service)
        told = f"the sensor has readings and no commands. Send commands to the service {name}."
        raise grpc_error("do_command", errors.UnknownCommandError(told))

    async def get_status(self, **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401 - the SDK's signature
        """The version and what the sensor reads, from memory."""
        return {"version": VERSION, "service": self._attributes.service, **self._location}


def flat(usage: Usage, invoices: Invoices | None, status: Status | None) -> Readings:
    """The readings: as old as the oldest part, stale if a part is; without what is not known."""
    parts: list[Usage | Invoices] = [usage] if invoices is None else [usage, invoices]
    readings = {
        "month_to_date": usage.month_to_date,
        "projected_total": usage.projection.total if usage.projection else None,
        "projected_low": usage.projection.low if usage.projection else None,
        "projected_high": usage.projection.high if usage.projection else None,
        "used_fraction": usage.budget.used_fraction if usage.budget else None,
        "outstanding_balance": invoices.outstanding_balance if invoices else None,
        "overdue_count": invoices.overdue_count if invoices else None,
        **{f"{COST_PREFIX}{kind}": dollars for kind, dollars in usage.cost_by_type.items()},
        "unknown_charges": status.unknown_charges if status else None,
        "charged_last_24h": status.charged_last_24h if status else None,
        "billing_organization_id": usage.billing_organization_id,
        "location_id": usage.location_id,
        "as_of": to_rfc3339(min(part.as_of for part in parts).timestamp()),
        "stale": any(part.stale for part in parts),
    }
    return {name: value for name, value in readings.items() if value is not None}


class UsageSensorRPCService(SensorRPCService):
    """Serves the sensors. The SDK's handler converts all of a command, which takes long, only to have it refused."""

    async def DoCommand(self, stream: Stream[DoCommandRequest, DoCommandResponse]) -> None:  # noqa: N802 - the RPC's name
        """Raises: GRPCError: always, see `UsageSensor.do_command`."""
        request = await stream.recv_message()
        assert request is not None  # noqa: S101 - see `codec.receive`
        await self.get_resource(request.name).do_command({})


def register() -> None:
    """Register the model, and the handler of sensors, with the SDK. Call it before the Module is made."""
    Registry.lookup_api(Sensor.API).rpc_service = UsageSensorRPCService
    creator = ResourceCreatorRegistration(UsageSensor.new, UsageSensor.validate_config)
    Registry.register_resource_creator(UsageSensor.API, UsageSensor.MODEL, creator)


def _dependency(service: str, dependencies: Mapping[ResourceName, ResourceBase]) -> Any:  # noqa: ANN401 - the SDK's types do not tell a client from a service
    """The service among the dependencies. viam-server names one of a remote without the remote, or with its prefix."""
    prefix = str(Generic.get_resource_name(""))
    found = {name.name: client for name, client in dependencies.items() if str(name).startswith(prefix)}
    for name in (service, service.rpartition(":")[2]):
        if name in found:
            return found[name]
    if len(found) == 1:
        return next(iter(found.values()))
    told = f"the sensor got no generic service {quoted(service)}. "
    told += f"Set service to the name of one of model {BILLING_MODEL}."
    raise grpc_error("new", errors.NotConfiguredError(told))


def _parsed(config: ComponentConfig) -> SensorAttributes:
    """Raises: ValidationError: its text stands on its own, as the SDK puts a class's name before it."""
    try:
        return records.read(SensorAttributes, codec.from_struct(config.attributes), "attribute")
    except (InvalidRecordError, errors.InvalidRequestError) as error:
        raise ValidationError(f"invalid configuration: {error}") from None
